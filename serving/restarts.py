"""How often servers may be started again."""

from __future__ import annotations

import time

from ..errors import MaieuticError, ServerError

_WITHIN_S = 3600.0
"""Seconds within which restarts are counted: what happens now and then over days is no fault that stays."""


class Restarts:
    """Those of one model's servers, as long as this process plays: a person who resumes a run counts anew.

    Args:
        most: within an hour.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._past: list[float] = []

    def count(self, error: MaieuticError) -> str:
        """Note one that is about to be.

        Returns:
            What is to be said of it.
        Raises:
            ServerError: there were too many; it ends as `error` does, with the end of the server's log.
        """
        now = time.monotonic()
        self._past = [past for past in self._past if now - past < _WITHIN_S]
        if not self._most:
            raise error
        if len(self._past) >= self._most:
            many = ServerError(
                f"started again {self._most} times within an hour (serving.restarts), it failed once more: "
                f"{error}"
            )
            many.call = error.call
            raise many from error
        self._past.append(now)
        return f"{first_line(error)}; it is started again ({len(self._past)} of {self._most} times an hour)"


def first_line(error: Exception) -> str:
    """What is said of an error, without the end of the log that follows."""
    return str(error).partition(". Its last lines")[0]
