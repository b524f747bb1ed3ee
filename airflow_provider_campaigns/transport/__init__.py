"""How a call travels: one account, two transports, one set of rules. I/O, no Airflow."""
