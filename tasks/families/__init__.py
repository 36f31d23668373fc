"""Where a run's questions come from: families that draw and vary them, and rows of the user's."""
