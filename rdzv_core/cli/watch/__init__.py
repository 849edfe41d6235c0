"""`rdzv status --watch`: a run as it goes on.

Data flows one way: `news` wakes, `Inspector` looks, `history` remembers since when, `lines` or `live` show it.
"""

from rdzv_core.cli.watch.loop import watch_run

__all__ = ["watch_run"]
