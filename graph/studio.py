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
from ..records import Ending, short_id
from ..serving.fleet import end_leftover
from .build import build
from .folders import find
from .lock import locked
from .making import check, create, prepare
from .progress import Quiet
from .report import write_report
from .room import Room
from .run import open_room
from .versions import require_ours

_rooms: dict[str, Room] = {}
_held: dict[str, ExitStack] = {}
"""Locks of the runs played here. What did not come to its end goes when the process does."""
_door = asyncio.Lock()
"""One room is opened or left at a time."""
_leaving: set[asyncio.Task[None]] = set()


async def _this_room() -> Room:
    # A thread's id comes from outside and is never a path.
    thread = str(get_config().get("configurable", {}).get("thread_id", ""))
    name = short_id("studio", thread)
    async with _door:
        if name in _rooms and _rooms[name].lost:
            await _close(name)
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
    with ExitStack() as held:
        require_ours(folder)
        held.enter_context(locked(folder))
        await asyncio.to_thread(end_leftover, folder.path / "server.json")
        folder.sweep()
        room = await open_room(config, folder, Quiet())
        _held[name] = held.pop_all()
    room.after_round = lambda over: _report(name, room, over)
    return room


def _report(name: str, room: Room, over: Ending | None) -> None:
    write_report(room.folder, room.config, over.status if over else "running", over)
    if over:
        # From outside the gate, which still writes down its own time.
        task = asyncio.get_running_loop().create_task(_leave(name))
        _leaving.add(task)
        task.add_done_callback(_leaving.discard)


async def _leave(name: str) -> None:
    """End the server of a run that is over, and let go of its folder."""
    async with _door:
        await _close(name)


async def _close(name: str) -> None:
    await _rooms.pop(name).close()
    _held.pop(name).close()


graph = build(_this_room).compile()
