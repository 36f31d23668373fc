"""Every error a user can meet, one class for each kind of trouble.

    MaieuticError
    ├── ConfigError      the configuration is wrong; nothing has been loaded
    ├── SeedError        a question file cannot be used
    ├── RunError         a run folder is missing, taken, or not resumable
    │   ├── RunHeld      another process is playing the run
    │   └── MemoryDamaged  the run's Chroma database; it can be made again from the records
    ├── MissingPart      something must be installed first; the message says how
    ├── ServerError      the vLLM server cannot be had
    │   ├── ServerGone   it ended or hangs: it can be started again
    │   └── ServerWrong  it is there, and refuses what it is told, or answers as it should not
    ├── EndpointError    a model endpoint refused every retry
    ├── TrainingError    a training job failed
    └── Ended            no trouble: a run has come to an end that its settings name

A message says in one line where, what was found, what was expected, what to do; the last
lines of a log may follow where a process of ours failed.
Command line programs print it and leave with `exit_code`.
"""

from __future__ import annotations


class MaieuticError(Exception):
    """Base of all errors that carry a remedy in their message."""

    exit_code = 1
    call: object = None
    """The record of the call that failed, where it was one."""


class ConfigError(MaieuticError):
    """A configuration value is unknown, of the wrong type, or impossible."""

    exit_code = 2


class SeedError(MaieuticError):
    """A seed question file is missing or one of its lines cannot be read."""

    exit_code = 2


class RunError(MaieuticError):
    """A run folder does not exist, exists already, or cannot be used."""

    exit_code = 2


class RunHeld(RunError):
    """Another process is playing the run; nothing of it was touched."""


class MemoryDamaged(RunError):
    """The memory of a run cannot be used; everything in it can be made again from the records."""

    def __init__(self, said: str) -> None:
        super().__init__(f"{said}; move the folder away, and `maieutic resume` fills a new one")
        self.said = said
        """What is the matter, without the remedy."""


class MissingPart(MaieuticError):
    """Software or room that this machine lacks; the message says how to get it."""

    exit_code = 2


class ServerError(MaieuticError):
    """The model server failed; the message ends with its last log lines."""


class ServerGone(ServerError):
    """Its process has ended, was ended because it hung, or does not listen: it can be started again."""


class ServerWrong(ServerError):
    """It does not take what it is told, or does not answer as the weights that it was given do."""


class EndpointError(MaieuticError):
    """A model endpoint gave no usable answer within its retries and deadline."""

    def __init__(self, message: str, call: object = None) -> None:
        super().__init__(message)
        self.call = call


class TrainingError(MaieuticError):
    """A training job ended without a checkpoint; the message ends with its log."""


class Ended(MaieuticError):
    """A budget is spent, in the middle of a round; what is done is kept."""

    exit_code = 0

    def __init__(self, message: str, ending: object = None) -> None:
        super().__init__(message)
        self.ending = ending


def printable(text: str) -> str:
    """A text without what a terminal would obey; lines stay lines."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)
