"""Instantly, as far as its API version 2 shows it."""
