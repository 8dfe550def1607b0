"""What the differences mean, in words: which levels differ from the reference, and which cannot be told apart."""

from collections.abc import Sequence

from sonyc_trainer.findings import CellFinding, ClassFinding, Comparison, Difference, Flips
from sonyc_trainer.statistics.bootstrap import CONFIDENCE, MIN_CLUSTERS, Estimate
from sonyc_trainer.statistics.proportions import MIN_CLIPS

_FEW_GROUPS = 20


def verdict(
    cells: Sequence[CellFinding], classes: Sequence[ClassFinding], differences: Sequence[Difference], *, split: str
) -> tuple[str, ...]:
    """Say what a study found, a line per statement.

    Args:
        cells: All cells, of the same clips.
        classes: Their classes.
        differences: Of all comparisons.
        split: What the clips are of.
    """
    n_clips, n_groups = cells[0].n_clips, cells[0].n_groups
    lines = [*_how_much(n_clips, n_groups, split)]
    if n_groups >= MIN_CLUSTERS and n_clips >= MIN_CLIPS:
        of_levels = [one for one in differences if one.comparison is Comparison.DEPLOYED]
        of_heads = [one for one in differences if one.comparison is Comparison.TESTED]
        served = {one.tested for one in of_levels}
        unserved = [one for one in of_heads if one.tested not in served]
        lines += _of_levels(of_levels, {(one.trained, one.tested): one for one in cells}, is_all=not unserved)
        lines += [*_of_heads(of_heads), *_of_unserved(unserved)]
        lines += _of_models([one for one in differences if one.comparison is Comparison.TRAINED])
    return (*lines, *_of_classes(classes, split))


def of_flips(flips: Sequence[Flips], served_by: dict[str, str]) -> str | None:
    """Say at which level most clips get another class than at the reference; None where there is one level only."""
    deployed = [one for one in flips if one.n_flips and served_by.get(one.tested) == one.trained]
    if not deployed:
        return None
    worst = max(deployed, key=lambda one: one.share.value)
    return (
        f"Without looking at labels: with the head of {worst.tested}, {worst.n_flips} of {worst.n_clips} clips get "
        f"another class there than uncompressed."
    )


def _how_much(n_clips: int, n_groups: int, split: str) -> list[str]:
    if n_clips < MIN_CLIPS or n_groups < MIN_CLUSTERS:
        return [
            f"There are {n_clips} {split} clips of {n_groups} recordings or sensors: too few to compare levels at all."
        ]
    lines = [
        f"Compared on {n_clips} {split} clips of {n_groups} recordings or sensors; intervals are "
        f"{100 * CONFIDENCE:.0f} %, p-values are corrected for the number of comparisons (Holm)."
    ]
    if n_groups < _FEW_GROUPS:
        lines.append(f"With only {n_groups} recordings or sensors the intervals are rough, and rather too narrow.")
    return lines


def _of_levels(found: Sequence[Difference], cells: dict[tuple[str, str], CellFinding], *, is_all: bool) -> list[str]:
    if not found:
        return []
    first = found[0]
    reference = cells[first.reference_trained, first.reference_tested].macro_f1
    lines = [
        f"At {first.reference_tested} (head {first.reference_trained}) macro-F1 is {reference.value:.3f} "
        f"({reference.low:.3f} to {reference.high:.3f})."
    ]
    lines += [_differing(one) for one in found if one.differs]
    alike = [one for one in found if not one.differs]
    if alike:
        names = _joined([one.tested for one in alike])
        which = "No level can" if is_all and len(alike) == len(found) else f"{names} cannot"
        each = "; ".join(map(_not_excluded, alike))
        lines.append(f"{which} be told apart from {first.reference_tested} on these clips: {each}.")
    return [*lines, *_one_sided(alike, len(found))]


def _one_sided(alike: Sequence[Difference], n_compared: int) -> list[str]:
    """Say why a level whose own interval leaves out 0 is not said to differ."""
    names = [one.tested for one in alike if one.macro_f1.low > 0 or one.macro_f1.high < 0]
    if not names:
        return []
    return [f"The interval of {_joined(names)} leaves out 0, but among {n_compared} comparisons that can be chance."]


def _differing(one: Difference) -> str:
    word = "lower" if one.macro_f1.value < 0 else "higher"
    return (
        f"{one.tested} (head {one.trained}) differs from {one.reference_tested}: macro-F1 is "
        f"{abs(one.macro_f1.value):.3f} {word} ({_span(one.macro_f1)}), p = {one.p_holm:.3f}."
    )


def _not_excluded(one: Difference) -> str:
    return f"{one.tested} {one.macro_f1.value:+.3f} ({_span(one.macro_f1)})"


def _of_heads(found: Sequence[Difference]) -> list[str]:
    """Name the levels at which a head differs from itself at the reference level."""
    return [
        f"Head {one.trained} differs at {one.tested} from itself at {one.reference_tested}: macro-F1 "
        f"{one.macro_f1.value:+.3f} ({_span(one.macro_f1)}), p = {one.p_holm:.3f}."
        for one in found
        if one.differs
    ]


def _of_unserved(found: Sequence[Difference]) -> list[str]:
    """Say of the levels that no head is meant for with which heads they cannot be told apart from the reference."""
    lines = []
    for level in dict.fromkeys(one.tested for one in found):
        alike = [one for one in found if one.tested == level and not one.differs]
        if alike:
            each = "; ".join(f"{one.trained} {one.macro_f1.value:+.3f} ({_span(one.macro_f1)})" for one in alike)
            reference = alike[0].reference_tested
            lines.append(f"No head is meant for {level}; it cannot be told apart from {reference} with head {each}.")
    return lines


def _of_models(found: Sequence[Difference]) -> list[str]:
    """Name the heads that differ from the reference head at some level."""
    differing = [one for one in found if one.differs]
    if not found:
        return []
    reference = found[0].reference_trained
    if not differing:
        return [f"No head can be told apart from head {reference} at any level."]
    return [
        f"Head {one.trained} differs from head {reference} at {one.tested}: macro-F1 {one.macro_f1.value:+.3f} "
        f"({_span(one.macro_f1)}), p = {one.p_holm:.3f}."
        for one in differing
    ]


def _of_classes(classes: Sequence[ClassFinding], split: str) -> list[str]:
    few = {one.label: one.n_clips for one in classes if not one.is_measurable}
    if not few:
        return []
    names = ", ".join(f"{label} ({n})" for label, n in few.items())
    return [f"Not measurable, having fewer than {MIN_CLIPS} {split} clips: {names}."]


def _span(interval: Estimate) -> str:
    return f"{interval.low:+.3f} to {interval.high:+.3f}"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
