"""Endpoints elsewhere: checked and reached before a run begins, and a client for each role."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import httpx

from ..config import Role, RunConfig
from ..endpoints import check_url, is_local, secret
from ..errors import ConfigError, ServerError
from ..serving.balance import Balanced
from ..serving.client import Client, Completions, Settings

_REACHED_S = 10.0
"""Seconds in which an endpoint must say anything at all."""

_READ = 1000
"""Bytes that are read of what it says."""

_LOADED_S = 120.0
"""Seconds in which an adapter must be loaded."""


def elsewhere(config: RunConfig) -> dict[str, Role]:
    """The roles whose endpoints this run does not serve itself."""
    return {name: role for name, role in config.roles.items() if role.addresses}


def check_role(name: str, role: Role) -> None:
    """
    Raises:
        ConfigError: an address or the model's name cannot be right, or the key's variable is not set.
    """
    for address in role.addresses:
        check_url(address, f"{name}.endpoint: ")
        secret(address, role.key, f"{name}.key")
    if not role.model:
        raise ConfigError(f"{name}.model is missing: the model's name at {name}.endpoint")


def _root(address: str) -> str:
    """An address with or without the /v1 at its end, without it."""
    return address.rstrip("/").removesuffix("/v1")


async def _asked(
    method: str, address: str, route: str, key: str, seconds: float, body: object = None
) -> tuple[int, str]:
    """Status and the beginning of what an endpoint says; no more is read, and no longer waited for.

    Raises:
        httpx.HTTPError, TimeoutError: it says nothing.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    said = b""
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(timeout=seconds, trust_env=not is_local(address)) as http,
        http.stream(method, f"{_root(address)}/v1{route}", json=body, headers=headers) as answer,
    ):
        async for part in answer.aiter_raw():
            said += part
            if len(said) >= _READ:
                break
        return answer.status_code, said[:_READ].decode("utf-8", "replace")


def reach(name: str, role: Role) -> None:
    """Ask for the list of models: what refuses the key, or is not there, is told before a run begins.

    An endpoint need not have such a list: any other answer will do. Not for use within an event loop.
    """
    for address in role.addresses:
        key = secret(address, role.key, f"{name}.key").get_secret_value()
        try:
            status, _ = asyncio.run(_asked("GET", address, "/models", key, _REACHED_S))
        except (httpx.HTTPError, TimeoutError) as error:
            raise ConfigError(
                f"{name}.endpoint: nothing answers at {address} ({type(error).__name__}); see that it is up"
            ) from None
        if status in (401, 403):
            raise ConfigError(
                f"{name}.key: {address} refuses the key (HTTP {status}); see the environment variable "
                "that it names"
            )


async def adapt(name: str, role: Role, checkpoint: str, folder: Path) -> str:
    """Have every address of a trained role load an adapter, from a folder that it must see, too.

    Returns:
        Its name there: of what it holds, because other runs may load theirs at the same address.
    Raises:
        ServerError: one does not.
    """
    with (folder / "adapter_model.safetensors").open("rb") as weights:
        adapter = f"{checkpoint}-{hashlib.file_digest(weights, 'sha256').hexdigest()[:12]}"
    for address in role.addresses:
        key = secret(address, role.key, f"{name}.key").get_secret_value()
        body = {"lora_name": adapter, "lora_path": str(folder)}
        try:
            status, said = await _asked("POST", address, "/load_lora_adapter", key, _LOADED_S, body)
        except (httpx.HTTPError, TimeoutError) as error:
            raise ServerError(
                f"{name}.endpoint: {address} cannot be reached ({type(error).__name__})"
            ) from None
        # After a resume it has it already.
        if status >= 300 and "already" not in said:
            raise ServerError(
                f"{name}.endpoint: {address} does not load the adapter in {folder} (HTTP "
                f"{status}); it must be a vLLM server with --enable-lora and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True that sees this folder under the same path"
            )
    return adapter


def client_of(name: str, role: Role, config: RunConfig) -> Client:
    """The client of a role whose model is elsewhere: of its endpoint, or of all of them as one."""
    clients = [_client_at(address, name, role, config) for address in role.addresses]
    return clients[0] if len(clients) == 1 else Balanced(clients)


def _client_at(address: str, name: str, role: Role, config: RunConfig) -> Completions:
    key = secret(address, role.key, f"{name}.key")
    named = Settings(
        f"{name}.key (now the environment variable {role.key})",
        f"{name}.endpoint and {name}.model",
        f"whether {name}.endpoint can be reached and has room",
        f"{name}.deadline_s",
    )
    # Some servers take no empty key.
    secret_or_none = key.get_secret_value() or "none"
    return Completions(
        _root(address),
        secret_or_none,
        role.model,
        config.asked_as([name]),
        away=not is_local(address),
        settings=named,
    )
