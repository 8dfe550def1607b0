"""What the yardstick found, as JSON for programs and as tables for a terminal."""

from dataclasses import asdict
from typing import Any

from sonyc_trainer.findings import Comparison
from sonyc_trainer.statistics.bootstrap import Estimate
from sonyc_trainer.yardstick import Judged


def as_document(judged: Judged) -> dict[str, Any]:
    """Give all of it as JSON has it: a list of contestants at levels."""
    without = {(cell.trained, cell.tested): cell.macro_f1 for cell in judged.without}
    flips = {(one.trained, one.tested): one.n_flips for one in judged.flips}
    rows = []
    for cell in judged.cells:
        at = cell.trained, cell.tested
        rows.append(
            {
                "embedding": cell.trained,
                "level": cell.tested,
                "n_clips": cell.n_clips,
                "n_groups": cell.n_groups,
                "macro_f1": asdict(cell.macro_f1),
                "accuracy": asdict(cell.accuracy),
                "macro_f1_without_powered_saw": asdict(without[at]),
                "macro_f1_per_fold": list(judged.per_fold[at]),
                "n_flips": flips[at],
                "differences": {
                    kind.value: asdict(one.macro_f1) | {"p_holm": one.p_holm}
                    for one in judged.differences
                    for kind in (one.comparison,)
                    if (one.trained, one.tested) == at
                },
            }
        )
    return {"results": rows}


def as_text(judged: Judged, reference: str) -> str:
    """Give it as a table: a line per contestant and level."""
    to_reference, to_first = (
        {(one.trained, one.tested): one.macro_f1 for one in judged.differences if one.comparison is kind}
        for kind in (Comparison.TRAINED, Comparison.TESTED)
    )
    flips = {(one.trained, one.tested): one.n_flips for one in judged.flips}
    without = {(cell.trained, cell.tested): cell.macro_f1 for cell in judged.without}
    headings: tuple[str, ...] = (
        *("embedding", "level", "macro-F1", "accuracy", "no powered-saw", "per fold"),
        *(f"minus {reference}", f"minus itself at {judged.cells[0].tested}", "flips"),
    )
    rows = [headings]
    for cell in judged.cells:
        at = cell.trained, cell.tested
        per_fold = " ".join(f"{value:.3f}" for value in judged.per_fold[at])
        differences = (_shown(of[at], sign="+") if at in of else "" for of in (to_reference, to_first))
        figures = (_shown(cell.macro_f1), f"{cell.accuracy.value:.3f}", f"{without[at].value:.3f}", per_fold)
        rows.append((*at, *figures, *differences, str(flips[at]) if at in to_first else ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first = judged.cells[0]
    table = "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
    return f"{first.n_clips} clips of {first.n_groups} recordings; 95 % intervals by recording\n{table}"


def _shown(estimate: Estimate, sign: str = "") -> str:
    return f"{estimate.value:{sign}.3f} ({estimate.low:{sign}.3f} to {estimate.high:{sign}.3f})"
