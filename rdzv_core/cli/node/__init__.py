"""One node of a job, as `rdzv run` has it: it meets, runs a command, watches, and meets again.

`decide` says what to do upon which event, without doing anything; `worker` is the command's processes; `agent` brings
the two and a rendezvous handler together.
"""
