"""What a server remembers: registers, memberships, and the stores of rounds. No I/O, no clock, no threads."""
