"""Operators: what changes something, and the gate that stands before it."""
