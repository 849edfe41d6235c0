"""The data directory: the write-ahead log, its format, and the group commit that writes it."""
