"""In which order a round asks its models: calls do not say when they were sent.

A round goes through its nodes in the order of the graph, and a node asks for one thing after another. Told
as SQL over the table `calls`, for whoever sorts them.
"""

from __future__ import annotations

STEPS: list[tuple[str, str]] = [
    ("attempt", "stage = 'canary' AND NOT starts_with(checkpoint, 'generator') AND NOT {candidate}"),
    ("attempt", "role = 'solver' AND stage = 'attempt'"),
    ("verify", "role = 'verifier' AND stage = 'attempt'"),
    ("reflect", "stage = 'reflect'"),
    ("teach", "stage = 'skills'"),
    ("teach", "starts_with(stage, 'teach')"),
    ("teach", "stage = 'hints'"),
    ("teach", "stage = 'subproblems'"),
    ("generate", "stage = 'canary' AND starts_with(checkpoint, 'generator')"),
    ("generate", "stage = 'generate'"),
    ("vet", "starts_with(stage, 'label') AND role <> 'solver'"),
    ("vet", "starts_with(stage, 'label')"),
    ("vet", "stage = 'audit'"),
    ("pair", "regexp_matches(stage, '^(inject|correct)')"),
    ("evaluate", "stage = 'canary'"),
    ("evaluate", "stage = 'validation' AND role = 'solver'"),
    ("evaluate", "stage = 'validation'"),
    ("evaluate", "starts_with(stage, 'heldout') AND role = 'solver'"),
    ("evaluate", "starts_with(stage, 'heldout')"),
]
"""What asks models in a round, in order: the node, and which calls are its."""
_AGAIN = [place for place, (node, _) in enumerate(STEPS) if node in ("teach", "generate", "vet")][:-1]
"""Steps that come once more where too few questions were admitted; the audit comes after the last of them."""
_CANDIDATE = "checkpoint = CASE WHEN recorded_in = 0 THEN 'base' ELSE printf('solver-%04d', recorded_in) END"
STEP = (
    "CASE "
    + " ".join(
        f"WHEN {rule.format(candidate=f'({_CANDIDATE})')} THEN {place}"
        for place, (_, rule) in enumerate(STEPS)
    )
    + f" ELSE {len(STEPS)} END"
)
TURN = (
    "CASE WHEN recorded_in = 0 AND starts_with(stage, 'label') THEN 100 "
    f"WHEN step < {_AGAIN[0]} THEN -1 WHEN step > {_AGAIN[-1]} THEN 99 "
    r"ELSE coalesce(try_cast(regexp_extract(stage, '(\d+)$', 1) AS INTEGER), 0) END"
)
"""Seeds without an answer are labelled when the base model has been measured."""


def node_of(step: int) -> str:
    return STEPS[step][0] if step < len(STEPS) else "other"
