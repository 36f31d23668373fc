"""The audit of installed packages: what fails it, what is left with a reason, what nobody may overlook."""

from __future__ import annotations

import json

import pytest
from maieutic.benchmarks import audit

FOUND = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.0"]}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found"}


def report(*packages: object) -> str:
    return json.dumps({"dependencies": list(packages)})


def test_a_known_vulnerability_fails_unless_it_is_left_with_a_reason() -> None:
    bad = report({"name": "a", "version": "1.0", "vulns": [FOUND]}, SKIPPED)
    status, lines = audit.judged(bad, {}) or (None, [])
    assert status == 1
    assert lines[0] == "a 1.0: PYSEC-1, mended in 2.0; raise it in constraints.txt, or see SECURITY.md"
    assert lines[-1] == "1 packages audited, 1 unknown to the service, 1 findings"
    status, lines = audit.judged(bad, {"CVE-2026-1": "not reached by us"}) or (None, [])
    assert status == 0 and "left: not reached by us" in lines[0]


def test_what_is_left_without_need_is_told() -> None:
    status, lines = audit.judged(report({"name": "a", "version": "1", "vulns": []}), {"PYSEC-9": "x"}) or (
        9,
        [],
    )
    assert status == 0 and "PYSEC-9 is not found any more" in lines[0]


@pytest.mark.parametrize("said", ["", "Traceback", "[]", "{}", report(SKIPPED), report()])
def test_where_nothing_was_audited_that_is_not_taken_for_none_found(said: str) -> None:
    assert audit.judged(said, {}) is None


def test_a_service_that_cannot_be_reached_is_said_loudly() -> None:
    lines = audit.unaudited("no route")
    assert "NOT AUDITED" in lines[1] and "no route" in lines[2]


def test_each_line_that_is_left_has_a_reason() -> None:
    audit.known(audit.IGNORED.read_text())
    assert audit.known("# why\n\nCVE-1 never called\n") == {"CVE-1": "never called"}
    with pytest.raises(ValueError, match="has no reason"):
        audit.known("CVE-1\n")
