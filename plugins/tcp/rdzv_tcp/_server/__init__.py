"""The server: connections, what they ask for, and who waits for what."""
