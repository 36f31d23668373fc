"""Who plays: Teacher, Solver, Generator, Verifier."""
