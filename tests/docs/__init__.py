"""The documentation: its blocks run, its links lead somewhere, its reference is complete."""
