"""A run, or what it learned, in the formats of other tools; one a file."""
