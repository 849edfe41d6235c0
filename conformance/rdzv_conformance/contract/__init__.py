"""The contract as data: its numbered clauses, and which test is for which of them."""
