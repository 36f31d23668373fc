"""The state machine: fourteen nodes, their edges, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from typing import Any

from langgraph.graph import END, START, StateGraph

from ..errors import MemoryDamaged
from . import attempt, evaluate, handbook, pair, review, teach, train, verify, vet
from .canary import BASE
from .room import Room
from .spending import weights_size
from .state import LoopState

Node = Callable[[Room, LoopState], Awaitable[LoopState]]

NODES: dict[str, Node] = {
    "select": attempt.select,
    "attempt": attempt.attempt,
    "verify": verify.verify,
    "profile": attempt.profile,
    "reflect": handbook.reflect,
    "teach": teach.teach,
    "generate": teach.generate,
    "vet": vet.vet,
    "review": review.review,
    "pair": pair.pair,
    "train_solver": train.train_solver,
    "train_generator": train.train_generator,
    "evaluate": evaluate.evaluate,
    "gate": evaluate.gate,
}


def build(room_of: Callable[[], Awaitable[Room]]) -> StateGraph[Any, Any, Any, Any]:
    """Wire the loop.

    Args:
        room_of: gives the room when the first node runs, so that drawing the graph
            needs neither models nor a run folder.

    A run begins at `evaluate`: round 0 measures the base model, and its gate opens round 1.
    One that is over, started again by LangGraph's own tools, stays over.
    """
    graph = StateGraph(LoopState)
    for name, node in NODES.items():
        graph.add_node(name, partial(_timed, room_of, name, node))
    graph.add_conditional_edges(START, _at_start, {"evaluate": "evaluate", "end": END})
    graph.add_edge("evaluate", "gate")
    graph.add_conditional_edges("gate", _after_gate, {"select": "select", "end": END})
    line = ["select", "attempt", "verify", "profile", "reflect", "teach", "generate", "vet", "review"]
    for here, there in pairwise(line):
        graph.add_edge(here, there)
    graph.add_conditional_edges("review", _after_review, {"teach": "teach", "pair": "pair"})
    line = ["pair", "train_solver", "train_generator", "evaluate"]
    for here, there in pairwise(line):
        graph.add_edge(here, there)
    return graph


async def _timed(
    room_of: Callable[[], Awaitable[Room]], name: str, node: Node, state: LoopState
) -> LoopState:
    room = await room_of()
    # A graph started from outside, such as LangGraph's studio, comes with no state.
    whole: LoopState = {**beginning(room), **state}
    async with room.timed(whole["round"], name), _limited(room, whole, name):
        try:
            changes = await node(room, whole)
        except MemoryDamaged as error:
            # What the node has done so far is on disk, and is not done again.
            attempt.refill(room, error)
            changes = await node(room, whole)
    return {**whole, **changes}


def _limited(room: Room, state: LoopState, name: str) -> contextlib.AbstractAsyncContextManager[None]:
    """What ends a node when a budget of the run is spent. A gate takes no time, and looks at them itself."""
    if name == "gate":
        return contextlib.nullcontext()
    coming = {"train_solver": ("solver", state["solver"]), "train_generator": ("generator", state["writer"])}
    role, checkpoint = coming.get(name, ("", ""))
    # Of the first adapter it is not known, and it is small; it lies over a model that is there already.
    adapter = checkpoint == BASE and room.config.training.method == "lora"
    wanted = role and room.config.budget.disk_gb and not adapter
    return room.spending.limited(
        state["round"], weights_size(room.weights(checkpoint, role)) if wanted else 0
    )


def _at_start(state: LoopState) -> str:
    return "end" if state.get("over") else "evaluate"


def _after_review(state: LoopState) -> str:
    return "teach" if state["again"] else "pair"


def _after_gate(state: LoopState) -> str:
    return "end" if state["over"] else "select"


def beginning(room: Room) -> LoopState:
    """The state before anything has happened: the base model is its own candidate."""
    return {
        "round": 0,
        "turn": 0,
        "solver": "base",
        "candidate": "base",
        "writer": "base",
        "admitted": 0,
        "again": False,
        "quota": min(room.config.generator.proposals, room.config.generator.most) if room.can_label else 0,
        "solver_round": 0,
        "refused": 0,
        "over": False,
    }


def mermaid() -> str:
    """The drawing of the graph in Mermaid's language."""

    async def nobody() -> Room:
        raise RuntimeError("a drawing has no room")

    return build(nobody).compile().get_graph().draw_mermaid()
