"""Leak detection: what a test left behind in its process and in the store."""
