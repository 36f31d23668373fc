"""The graph for LangGraph's own tools: named in langgraph.json, drawn and run by them.

It plays the configuration in the file that MAIEUTIC_CONFIG names, or the pocket profile,
in a new run folder that is made when the first node runs. The tools bring their own
checkpointer.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from ..config import load
from .build import build
from .room import Quiet, Room
from .run import create, free_name, open_room, prepare

_room: Room | None = None
_opening = asyncio.Lock()


async def _this_room() -> Room:
    global _room
    async with _opening:
        if _room is None:
            file = os.environ.get("MAIEUTIC_CONFIG")
            config = load(Path(file) if file else None)
            seeds = prepare(config)
            runs = Path(os.environ.get("MAIEUTIC_RUNS", "runs"))
            folder = create(config, runs, free_name(runs, "studio"))
            _room = await open_room(config, folder, seeds, Quiet())
        return _room


graph = build(_this_room).compile()
