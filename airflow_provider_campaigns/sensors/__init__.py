"""Sensors: tasks that wait for a service.

The rule of this package: a sensor names its target and its rule. The loops are in
:mod:`airflow_provider_campaigns.waits`.
"""
