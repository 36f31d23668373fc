"""Audit what is installed and what is written: `make audit`, in CI after lint.

bandit reads our code: a finding that is left stands explained in pyproject.toml or beside its line. pip-audit
asks a service on the network which installed versions are known to be vulnerable; what is known and left
stands with its reason in audit-ignored.txt. Where that service cannot be reached, or knows none of what is
installed, nothing was audited: that is said as loudly as can be, and fails nothing, since a machine
without a network would otherwise never pass.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
IGNORED = ROOT / "audit-ignored.txt"

_PATIENCE_S = 240
_SERVICES = ("pypi", "osv")
"""As pip-audit names them; the second is asked where the first knows nothing."""

Outcome = tuple[int, list[str]]
"""(exit status, lines to say)."""


def bandit() -> int:
    """Its findings, over everything but the tests, whose programs are meant to be hostile."""
    line = [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", "."]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")  # else there are only its notes on every nosec
    return done.returncode


def known(text: str) -> dict[str, str]:
    """What audit-ignored.txt leaves alone: the id of a vulnerability, and why.

    Raises:
        ValueError: a line has no reason.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    entries = [line.split(maxsplit=1) for line in lines]
    for line, entry in zip(lines, entries, strict=True):
        if len(entry) < 2:
            raise ValueError(f"{IGNORED.name}: {line!r} has no reason; write why it is left")
    return {entry[0]: entry[1] for entry in entries}


def judged(report: str, ignored: dict[str, str]) -> Outcome | None:
    """What a report of pip-audit comes to; None where nothing was audited.

    Args:
        report: its standard output with `--format json`.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    audited = [package for package in packages if "skip_reason" not in package]
    if not audited:
        return None
    found = [(p["name"], p["version"], v) for p in audited for v in p.get("vulns", [])]
    ids = [{v["id"], *v.get("aliases", [])} for _, _, v in found]
    lines, status = [], 0
    for (name, version, vulnerability), names in zip(found, ids, strict=True):
        reason = next((ignored[i] for i in sorted(names & ignored.keys())), "")
        fixed = ", ".join(vulnerability.get("fix_versions") or ["no version"])
        lines.append(
            f"{name} {version}: {vulnerability['id']}, mended in {fixed}"
            + (f"; left: {reason}" if reason else "; raise it in constraints.txt, or see SECURITY.md")
        )
        status = status or int(not reason)
    for gone in sorted(set(ignored) - set().union(*ids)):
        lines.append(f"{IGNORED.name}: {gone} is not found any more; take it out")
    skipped = len(packages) - len(audited)
    lines.append(f"{len(audited)} packages audited, {skipped} unknown to the service, {len(found)} findings")
    return status, lines


def installed() -> Outcome:
    """Ask about all that is installed here."""
    ignored = known(IGNORED.read_text(encoding="utf-8"))
    last = ""
    for service in _SERVICES:
        line = [sys.executable, "-m", "pip_audit", "--local", "--progress-spinner", "off"]
        try:
            done = subprocess.run(
                [*line, "--format", "json", "--vulnerability-service", service],
                capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            last = f"{service} did not answer within {_PATIENCE_S} s"
            continue
        if (outcome := judged(done.stdout, ignored)) is not None:
            return outcome
        said = done.stderr.strip().splitlines()
        last = said[-1][:300] if said and not done.stdout else f"{service} knows none of what is installed"
    return 0, unaudited(last)


def unaudited(why: str) -> list[str]:
    """What nobody shall overlook."""
    frame = "!" * 78
    return [
        frame,
        "!! NOT AUDITED: which installed packages are vulnerable is not known.",
        f"!! No vulnerability service could be asked: {why}",
        "!! Run `make audit` again where there is a network.",
        frame,
    ]


def main(steps: Sequence[str]) -> int:
    status = 0
    if not steps or "code" in steps:
        status = bandit()
        print("bandit: no finding that is not explained" if status == 0 else "bandit: see above")
    if not steps or "packages" in steps:
        packages, lines = installed()
        print("\n".join(lines), flush=True)
        status = status or packages
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
