"""What a run costs each node in messages and bytes, from a hundred nodes to ten thousand."""
