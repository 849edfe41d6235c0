"""One node of a job, as `rdzv run` has it: it meets, runs a command, watches, and meets again.

`decide` says what to do upon which event, without doing anything; `command` tells whether the command can be started,
`worker` is its processes; `agent` brings all of it and a rendezvous handler together.
"""
