"""Chaos with real processes: see `__main__`."""
