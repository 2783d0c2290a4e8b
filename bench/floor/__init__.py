"""The floor: the work that no engine can leave out, in C."""
