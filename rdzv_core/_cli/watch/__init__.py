"""`rdzv status --watch`: a run as it goes on.

Data flows one way: `news` wakes, `Inspector` looks, `watched_run` remembers since when, `lines` or `live` show it, with
`words` that the other commands share. `loop.watch_run` is the whole.
"""
