"""The command `rdzv simulate`."""
