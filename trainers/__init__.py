"""Training jobs, each in its own process."""
