"""Real etcds for one machine: a standalone one, and a cluster whose members can be killed, paused and cut off."""
