"""One node of a job, as `rdzv run` runs it: it joins a round, runs a command, watches, and joins the next round.

`decide` says what to do on which event, without doing anything; `command` tells whether the command can be started,
`worker` is its processes; `agent` connects all of it with a rendezvous handler.
"""
