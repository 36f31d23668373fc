"""The real `maieutic`, that kills itself where its environment says: python -m maieutic.benchmarks.killed."""

from __future__ import annotations

import json
import os

from .playing import Play, take_arms

KILL = "MAIEUTIC_KILL"
"""Holds a `Play` as JSON."""


def main() -> None:
    take_arms(Play(**json.loads(os.environ.pop(KILL))))
    from maieutic.cli import main as command

    command()


if __name__ == "__main__":
    main()
