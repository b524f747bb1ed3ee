"""What the tests share: fake server, fake clock, fake Airflow, reference model. Each exists once."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
