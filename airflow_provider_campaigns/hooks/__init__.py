"""Hooks: one method per call, with the credentials of an Airflow connection.

The rule of this package: no call is built and no response parsed here; that is in
:mod:`airflow_provider_campaigns.api`. Every method takes ``retry``, how often to send the request.
"""
