"""Checkers that hang, crash and never start; in a module of their own, for workers to import."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import ClassVar

from maieutic.records import Question
from maieutic.tasks.checkers.finding import Finding


@dataclass(frozen=True)
class Troubled:
    """Hangs, crashes and runs out of memory as a completion says."""

    needs: ClassVar = ()

    def quick(self, question: Question, completion: str) -> Finding | None:
        return None

    def slow(self, question: Question, completion: str) -> Finding:
        if completion == "hang":
            while True:
                pass
        if completion == "sleep":
            time.sleep(60)
        if completion == "crash":
            os._exit(7)
        if completion == "memory":
            return Finding("right", str(len(bytearray(64 << 30))))
        return Finding("right", completion)


@dataclass(frozen=True)
class NeverReady(Troubled):
    needs: ClassVar = ("no_such_library",)
