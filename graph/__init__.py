"""The state machine, its nodes, and a run's life."""
