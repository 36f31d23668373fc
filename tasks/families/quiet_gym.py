"""Imports reasoning-gym without what old packages beneath it say of their own syntax, and guarded.

A module of its own, so that the server that checkers' workers are forked from can load it by name.
"""

from __future__ import annotations

import importlib
import warnings

from .guarded import guard

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    factory = importlib.import_module("reasoning_gym.factory")

guard()
