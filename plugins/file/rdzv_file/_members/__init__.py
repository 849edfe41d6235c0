"""The members of a run: a log of who entered, changed and ended, and a file for each whose time tells its refreshes."""
