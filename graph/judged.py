"""What the Verifier's model decided in a round, and how far it agrees with the checkers: for report.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..curriculum.calibration import brier, calibration_error
from ..curriculum.gate import wilson
from ..memory.run import RunFolder
from ..records import Calibration, Opinion, Verdict, VerifierFigures
from .attempt import STAGE


def verifier_figures(folder: RunFolder, number: int) -> VerifierFigures | None:
    """Of the attempts of a round; None where no model was asked about any."""
    opinions = folder.read(number, f"opinions/{STAGE}", Opinion)
    if not opinions:
        return None
    verdicts: dict[str, Counter[str]] = {}
    for verdict in folder.read(number, f"verdicts/{STAGE}", Verdict):
        verdicts.setdefault(verdict.by, Counter())[verdict.outcome] += 1
    compared = [opinion for opinion in opinions if opinion.checked in ("right", "wrong")]
    methods = dict.fromkeys(opinion.method for opinion in compared)
    return VerifierFigures(
        verdicts={by: dict(sorted(counts.items())) for by, counts in sorted(verdicts.items())},
        calibration={m: calibration_of([o for o in compared if o.method == m]) for m in methods},
    )


def calibration_of(opinions: Sequence[Opinion]) -> Calibration:
    """Opinions of one method about rollouts that a checker calls right or wrong, held against it."""
    decided = [opinion for opinion in opinions if opinion.outcome != "undecided"]
    agreed = sum(opinion.outcome == opinion.checked for opinion in decided)
    given = [(o.share, o.checked == "right") for o in opinions if o.share is not None]
    chances, truths = [share for share, _ in given], [truth for _, truth in given]
    return Calibration(
        n=len(opinions),
        decided=len(decided),
        agreed=agreed,
        accuracy=agreed / len(decided) if decided else None,
        ci95=wilson(agreed, len(decided)) if decided else None,
        brier=brier(chances, truths) if given else None,
        ece=calibration_error(chances, truths) if given else None,
    )
