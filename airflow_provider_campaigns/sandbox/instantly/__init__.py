"""Version 2 of the API of Instantly."""
