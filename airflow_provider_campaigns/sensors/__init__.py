"""Sensors: tasks that wait until a service is ready for the next one."""
