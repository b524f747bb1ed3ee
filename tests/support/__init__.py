"""Shared test code.

- ``fake_server``, ``responses``, ``certificates``: a real HTTP server that sends prepared responses.
- ``fake_clock``: pauses are skipped, with a real server.
- ``fake_airflow``: runs one task with its deferrals. ``airflow_runs``: runs a Dag with the real Airflow.
- ``simulation``, ``simulated_network``, ``simulated_airflow``, ``fake_services``: a deterministic simulation.
- ``reference_model``, ``checked_tasks``: what a wait guarantees, and tasks of the simulation that check it.
- ``airflow_versions``: everything that differs between versions of Airflow.
"""

from pathlib import Path

ROOT = Path(__file__).parents[2]
