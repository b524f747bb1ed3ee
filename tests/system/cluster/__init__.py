"""Hundreds of launches at once on a distributed Airflow whose processes are killed at random.

Run it with ``make cluster``; ``docs/develop/cluster.md`` describes it.
"""
