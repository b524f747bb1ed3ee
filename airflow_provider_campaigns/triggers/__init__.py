"""Triggers: waits in the triggerer.

The rule of this package: class paths and arguments are stored in users' databases. A released path stays
importable, and a new argument has a default.
"""
