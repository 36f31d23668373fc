"""What is asked next, what is learned from, what is kept: pure functions and small policies."""
