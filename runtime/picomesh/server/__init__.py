"""The engine behind HTTP: the reference's paths for its clients, and the ledger under /api/v1."""
