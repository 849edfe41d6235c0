"""The life of a seed: storms and peaces, repeated, shrunk, and counted over many seeds."""
