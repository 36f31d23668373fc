"""The inspector: a local, read-only web application over the runs of a folder."""

from .app import application
from .serving import serve

__all__ = ["application", "serve"]
