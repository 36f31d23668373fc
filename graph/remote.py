"""Endpoints elsewhere: checked and reached before a run begins, and a client for each role."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx

from ..config import Role, RunConfig
from ..endpoints import check_url, check_variable, is_local, secret
from ..errors import ConfigError, ServerError
from ..serving.balance import Balanced
from ..serving.client import Client, Completions, Settings

_REACHED_S = 10.0
"""Seconds in which an endpoint must say anything at all."""

_LOADED_S = 120.0
"""Seconds in which an adapter must be loaded."""


def elsewhere(config: RunConfig) -> dict[str, Role]:
    """The roles whose endpoints this run does not serve itself."""
    return {name: role for name, role in config.roles.items() if role.addresses}


def check_role(name: str, role: Role) -> None:
    """
    Raises:
        ConfigError: an address, the model's name or the key's variable cannot be right.
    """
    for address in role.addresses:
        check_url(address, f"{name}.endpoint: ")
        check_variable(role.key, f"{name}.key")
        secret(address, role.key, f"{name}.key")
    if not role.model:
        raise ConfigError(f"{name}.model is missing: the model's name at {name}.endpoint")


def reach(name: str, role: Role) -> None:
    """Ask for the list of models: what refuses the key, or is not there, is told before a run begins.

    An endpoint need not have such a list: any other answer will do.
    """
    for address in role.addresses:
        key = secret(address, role.key, f"{name}.key").get_secret_value()
        try:
            with httpx.Client(timeout=_REACHED_S, trust_env=not is_local(address)) as client:
                headers = {"Authorization": f"Bearer {key}"} if key else {}
                status = client.get(f"{address.rstrip('/')}/models", headers=headers).status_code
        except httpx.HTTPError as error:
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
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = {"lora_name": adapter, "lora_path": str(folder)}
        try:
            async with httpx.AsyncClient(timeout=_LOADED_S, trust_env=not is_local(address)) as http:
                answer = await http.post(
                    f"{address.rstrip('/')}/load_lora_adapter", json=body, headers=headers
                )
        except httpx.HTTPError as error:
            raise ServerError(
                f"{name}.endpoint: {address} cannot be reached ({type(error).__name__})"
            ) from None
        # After a resume it has it already.
        if answer.is_error and "already" not in answer.text[:1000]:
            raise ServerError(
                f"{name}.endpoint: {address} does not load the adapter in {folder} (HTTP "
                f"{answer.status_code}); it must be a vLLM server with --enable-lora and "
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
    url = address.rstrip("/").removesuffix("/v1")
    # Some servers take no empty key.
    secret_or_none = key.get_secret_value() or "none"
    return Completions(
        url, secret_or_none, role.model, config.asked_as([name]), away=not is_local(address), settings=named
    )
