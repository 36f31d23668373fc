"""The graph for LangGraph's own tools: named in langgraph.json, drawn and run by them.

Each thread plays the configuration in the file that MAIEUTIC_CONFIG names, or the pocket
profile, in a run folder of its own under MAIEUTIC_RUNS, made when its first node runs.
The tools bring their own checkpointer; `maieutic show` reads the run folder.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from pathlib import Path

from langgraph.config import get_config

from ..config import load
from ..memory.run import RunFolder
from ..records import short_id
from .build import build
from .folders import check, create, find, locked, prepare
from .report import write_report
from .room import Quiet, Room
from .run import open_room

_rooms: dict[str, Room] = {}
_opening = asyncio.Lock()
_held = ExitStack()
"""Locks of the runs played here; they go when the process does, and servers with it."""


async def _this_room() -> Room:
    # A thread's id comes from outside and is never a path.
    thread = str(get_config().get("configurable", {}).get("thread_id", ""))
    name = short_id("studio", thread)
    async with _opening:
        if name not in _rooms:
            _rooms[name] = await _open(name)
        return _rooms[name]


async def _open(name: str) -> Room:
    runs = Path(os.environ.get("MAIEUTIC_RUNS", "runs"))
    if RunFolder(runs / name).config.exists():
        folder, config = await asyncio.to_thread(find, runs, name)
        await asyncio.to_thread(check, config)
    else:
        file = os.environ.get("MAIEUTIC_CONFIG")
        config = await asyncio.to_thread(load, Path(file) if file else None)
        seeds = await asyncio.to_thread(prepare, config)
        folder = await asyncio.to_thread(create, config, runs, name, seeds)
    _held.enter_context(locked(folder))
    room = await open_room(config, folder, Quiet())
    room.after_round = lambda: _report(room)
    return room


def _report(room: Room) -> None:
    last = room.folder.read_json(room.config.rounds, "gate") is not None
    write_report(room.folder, room.config, "done" if last else "running")


graph = build(_this_room).compile()
