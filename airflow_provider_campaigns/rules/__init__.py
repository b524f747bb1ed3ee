"""Decisions, as pure functions of what a service reported and what time it is.

The rule of this package: nothing here does I/O, reads a clock or imports Airflow. The caller passes the time.
"""
