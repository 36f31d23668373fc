"""The run that an address names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from .rendering import address, environment
from .runs import Run, Runs


def all_runs(request: Request) -> Runs:
    runs = request.app.state.runs
    assert isinstance(runs, Runs)
    return runs


def named(request: Request, runs: Annotated[Runs, Depends(all_runs)]) -> Iterator[Run]:
    """A run that stays open until it is answered.

    Raises:
        HTTPException: there is none of that name.
    """
    parts = request.path_params
    key = f"{parts['grid']}/{parts['name']}" if "grid" in parts else str(parts["name"])
    run = runs.find(key)
    if run is None:
        raise HTTPException(404, f"no run is called {key[:100]!r}")
    with runs.opened(run):
        yield run


def home(run: Run) -> str:
    """Address of a run's first page; those of its others begin with it."""
    return address("compared", *run.key.split("/")) if "/" in run.key else address("run", run.key)


def below(run: Run, *parts: str, **query: object) -> str:
    """Address of a page of a run."""
    return home(run) + address(*parts, **query)


environment().globals.update(home=home, below=below)

AllRuns = Annotated[Runs, Depends(all_runs)]
ThisRun = Annotated[Run, Depends(named)]
