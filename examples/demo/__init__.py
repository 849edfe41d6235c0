"""`make demo`: a job of four processes on every store, one of them killed, and every store certified.

On each store four nodes meet through `rdzv run`, one is killed with SIGKILL, the other three meet again and finish, and
the store's backend is certified. It ends with a table, and with status 0 only if all of this worked.
"""
