"""Entry points of the Makefile, and the local Airflow that they and the system tests run."""
