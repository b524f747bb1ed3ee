"""The loops that wait for a status: one on a worker, one shared poller per account in the triggerer.

The rule of this package: it decides nothing. :mod:`airflow_provider_campaigns.rules` says when to poll again
and when a wait ends; :mod:`airflow_provider_campaigns.transport` sends the requests.
"""
