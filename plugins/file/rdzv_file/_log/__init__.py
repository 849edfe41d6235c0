"""An append-only file of records that several processes write in turn and read as it grows."""
