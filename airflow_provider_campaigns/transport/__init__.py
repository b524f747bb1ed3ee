"""How a call is sent: one account, two transports, the same rules.

The rule of this package: all network I/O of the package happens here, and nothing here imports Airflow.
"""
