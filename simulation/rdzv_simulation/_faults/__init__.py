"""What goes wrong, when, and what it does to a cluster."""
