"""A run of the command line over simulated models, for the tests that need a real terminal."""

from __future__ import annotations

import sys

from maieutic import cli
from maieutic.config import RunConfig
from maieutic.graph import making, run, train
from maieutic.graph.progress import Progress
from maieutic.graph.room import Room
from maieutic.memory.run import RunFolder
from simulated import pretend_to_train, room_in, same_canary


async def simulated(config: RunConfig, folder: RunFolder, progress: Progress, *_: object) -> Room:
    room = room_in(folder, config)
    room.progress = progress
    same_canary(room.base)
    return room


def main() -> None:
    run.open_room = simulated
    train.run_job = pretend_to_train
    making.check = lambda config: None
    sys.argv[0] = "maieutic"
    cli.main()


if __name__ == "__main__":
    main()
