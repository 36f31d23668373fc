"""Addresses and keys of model endpoints: what is refused before anything is sent to one."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
from collections.abc import Callable
from urllib.parse import SplitResult, quote, quote_plus, urlsplit

import httpx
from pydantic import SecretStr

from .errors import ConfigError

DEFAULT_KEY = "OPENAI_API_KEY"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def check_url(url: str, place: str) -> None:
    """
    Raises:
        ConfigError: it is no address of an endpoint, or holds what may be a secret.
    """
    try:
        parts = urlsplit(url)
        fine = url.isprintable() and parts.scheme in ("http", "https") and parts.port != 0
        # As it will be looked up: what is no name or number of a machine fails here.
        fine = fine and bool(httpx.URL(url).host) and bool((parts.hostname or "").encode("idna"))
    except (ValueError, httpx.InvalidURL):
        fine, parts = False, SplitResult("", "", "", "", "")
    # By its signs, too: what does not parse may hold a key all the same, and would be shown below.
    if parts.username or parts.password or any(sign in url for sign in "@?#"):
        raise ConfigError(f"{place} with a user, a query or a fragment; a key goes into a variable")
    if fine and parts.path.rstrip("/").endswith("/completions"):
        raise ConfigError(f"{place}{url[:80]!r}; give its base, such as http://127.0.0.1:8000/v1")
    if not fine:
        raise ConfigError(f"{place}{url[:80]!r}; expected such as http://127.0.0.1:8000/v1")


def check_variable(name: str, place: str) -> None:
    """
    Raises:
        ConfigError: it names no environment variable. The message does not repeat it.
    """
    if not _VARIABLE.fullmatch(name):
        raise ConfigError(f"{place} takes the name of an environment variable, never a key itself")


def is_local(url: str) -> bool:
    """Whether an endpoint is on this machine: no proxy is between, nobody listens."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def secret(url: str, variable: str, place: str) -> SecretStr:
    """The key for an endpoint, empty where there is none.

    The default variable is read only for an endpoint on this machine or over https: a key
    that happens to be set must not go over a network in the clear.

    Raises:
        ConfigError: a variable was named and is not set, or holds what cannot be a key.
    """
    if variable == DEFAULT_KEY and not is_local(url) and not url.startswith("https:"):
        return SecretStr("")
    value = os.environ.get(variable, "").strip()
    if not value and variable != DEFAULT_KEY:
        raise ConfigError(f"{place}: the environment variable that it names is not set; export it")
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(f"{place}: the environment variable of the key holds what cannot be one")
    return SecretStr(value)


_SHORTEST_SECRET = 8
"""Characters; a shorter key, such as "none" or "EMPTY", is a word that any text may hold."""


def hiding(key: str) -> Callable[[str], str]:
    """What takes a key out of a text that somebody else wrote, in every form in which it may come back.

    >>> hiding("sk-0123456789")("you sent Bearer sk-0123456789")
    'you sent Bearer ***'
    """
    if len(key) < _SHORTEST_SECRET:
        return lambda text: text
    forms = sorted(_forms(key), key=len, reverse=True)
    hidden = re.compile("|".join(map(re.escape, forms)), re.IGNORECASE)
    return lambda text: hidden.sub("***", text)


def _forms(key: str) -> set[str]:
    """As it is, backwards, as an address, a JSON text, hexadecimals or base64 would hold it."""
    found = {
        key,
        key[::-1],
        quote(key),
        quote(key, safe=""),
        quote_plus(key),
        json.dumps(key)[1:-1],
        key.encode().hex(),
    }
    for before in range(3):
        # Base64 packs three bytes together: what stands before the key shifts it, and only the groups that
        # are the key's alone are always the same.
        packed = base64.b64encode(b"\0" * before + key.encode()).decode().rstrip("=")
        whole = packed[4 if before else 0 : (before + len(key)) // 3 * 4]
        found |= {whole, whole.translate(str.maketrans("+/", "-_"))}
    return {form for form in found if len(form) >= _SHORTEST_SECRET}
