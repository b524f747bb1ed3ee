"""From an Airflow connection to an account, and one method for each call."""
