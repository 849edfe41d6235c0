"""Endpoints, TLS, credentials and settings: what client and server both need to know of the network."""
