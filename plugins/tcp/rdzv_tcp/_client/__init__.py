"""The client: connections, the calls on them, and connecting again."""
