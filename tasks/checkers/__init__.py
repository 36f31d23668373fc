"""Programs that decide whether a completion answers a question."""
