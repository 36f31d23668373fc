"""Maieutic: a self-curriculum for language models that runs on one machine."""

__version__ = "0.1.0"
