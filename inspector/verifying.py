"""What a report says of the Verifier's model, in a line."""

from __future__ import annotations

from ..records import Calibration, VerifierFigures


def verifier_line(found: VerifierFigures | None) -> str:
    """Who decided how often, and how far the model agrees with the checkers."""
    if found is None:
        return "checkers alone"
    decided = ", ".join(
        f"{by} " + " / ".join(f"{count} {outcome}" for outcome, count in counts.items())
        for by, counts in found.verdicts.items()
    )
    against = "; ".join(_calibration(method, part) for method, part in found.calibration.items())
    return f"{decided}; against the checkers: {against or 'not measured'}"


def _calibration(method: str, found: Calibration) -> str:
    if found.accuracy is None or found.ci95 is None:
        return f"{method} decided none of {found.n}"
    low, high = found.ci95
    said = (
        f"{method} agrees on {found.agreed} of {found.decided} decided of {found.n}: "
        f"{100 * found.accuracy:.0f} % [{100 * low:.0f} to {100 * high:.0f}]"
    )
    if found.brier is None or found.ece is None:
        return said
    return f"{said}, Brier {found.brier:.3f}, ECE {found.ece:.3f}"
