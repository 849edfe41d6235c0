"""The protocol's invariants, checked against all that happens in a cluster."""
