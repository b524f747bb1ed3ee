"""What the two services say: calls as data, answers as dataclasses. No I/O, no Airflow."""
