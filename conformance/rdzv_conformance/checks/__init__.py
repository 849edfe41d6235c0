"""Checks that decide whether answers were possible: plain models, and linearizability of recorded histories."""
