"""Requests and responses of both services as data.

The rule of this package: nothing here opens a socket, reads a clock or imports Airflow. A transport sends a
:class:`~airflow_provider_campaigns.api.call.Call`;
:func:`~airflow_provider_campaigns.api.response.parse_response` turns what comes back into a value or an
error.
"""
