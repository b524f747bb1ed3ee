"""Waits that need no worker: they read, they sleep, and they fire one small event."""
