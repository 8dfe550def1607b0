"""What another embedding, another part of the clip or another pooling makes of the same clips at the same levels."""

from collections.abc import Sequence
from math import isnan

from sonyc_trainer.findings import Comparison, Difference, read_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.report.charts import Point, axes_around, line_chart
from sonyc_trainer.report.figure import Figure
from sonyc_trainer.report.markup import Markup, details, element, joined, listed, number, table, with_interval
from sonyc_trainer.report.material import Material, head_title, known
from sonyc_trainer.report.section import Section
from sonyc_trainer.statistics.bootstrap import MIN_CLUSTERS
from sonyc_trainer.statistics.proportions import MIN_CLIPS
from sonyc_trainer.study import EmbeddingSettings, Study, TrimMode
from sonyc_trainer.study.comparisons import BASE

_CAPTION = (
    "Macro-F1 over tested levels, a line for the study and each variant; at each level the head that would serve it "
    "there, or the first where none would."
)
_TOO_FEW = "These are too few clips or recordings to compare anything: what differs below may be chance."
_AGAINST_STUDY = "Each variant against the study at the same level"
_AGAINST_REFERENCE = "Each at a level against itself at {reference}"


def variants(material: Material) -> Section:
    """Set the study's variants beside it."""
    names = material.compared.names
    parts: list[Markup | Figure] = [
        element("p", _introduction(material)),
        element("p", _TOO_FEW) if _too_few(material) else listed(_sentences(material)),
        _figure(material),
        _explained(material.folder),
        _f1_table(material),
        _difference_table(material, Comparison.TRAINED, _AGAINST_STUDY),
        _difference_table(material, Comparison.TESTED, _AGAINST_REFERENCE.format(reference=_reference(material))),
    ]
    of_variants = material.folder.variants()
    parts += [_whole_matrix(name, of_variants[name], material.levels) for name in names if name != BASE]
    return Section("variants", "Variants", parts)


def _introduction(material: Material) -> str:
    first = material.compared.cells[0]
    n_seeds = material.findings.facts.n_seeds
    # Where a variant has fewer seeds, or thresholds decide, the study's own figures here are not those above.
    seeds = f" Figures are of the first {first.n_seeds} of {n_seeds} seeds." if first.n_seeds < n_seeds else ""
    return (
        f"The same {first.n_clips} clips of {first.n_groups} recordings or sensors with other embeddings, other parts "
        "of the clip or other ways to pool its windows. Variants are to compare with: only the study has a bundle."
        f"{seeds}"
    )


def _sentences(material: Material) -> list[str]:
    """Say of the study and each variant which levels differ from the reference, and where it differs from the study."""
    reference, found = _reference(material), material.compared.differences
    lines = []
    for name in material.compared.names:
        of_levels = [one for one in found if one.trained == name and one.comparison == Comparison.TESTED]
        beside = [one for one in found if one.trained == name and one.comparison == Comparison.TRAINED]
        lines.append(f"{name}: {_of_levels(of_levels, reference)}{_beside_study(beside)}")
    return lines


def _too_few(material: Material) -> bool:
    """Whether there is too little to say anything of differences."""
    first = material.compared.cells[0]
    return first.n_clips < MIN_CLIPS or first.n_groups < MIN_CLUSTERS


def _beside_study(beside: Sequence[Difference]) -> str:
    differing = [one for one in beside if one.differs]
    if not differing:
        return " At no level can it be told apart from the study." if beside else ""
    worse = {one.macro_f1.value < 0 for one in differing}
    word = "lower or higher" if len(worse) > 1 else "lower" if worse == {True} else "higher"
    return f" Macro-F1 is {word} than the study's at {', '.join(one.tested for one in differing)}."


def _of_levels(of_levels: Sequence[Difference], reference: str) -> str:
    if not of_levels:
        return "tested at one level only."
    differing = [f"{one.tested} ({number(one.macro_f1.value)})" for one in of_levels if one.differs]
    if differing:
        return f"{', '.join(differing)} differ{'s' if len(differing) == 1 else ''} from {reference}."
    lowest = min(of_levels, key=lambda one: one.macro_f1.low)
    hidden = f"; at {lowest.tested} a loss of {number(-lowest.macro_f1.low)} is not excluded"
    return f"no level can be told apart from {reference}{hidden if lowest.macro_f1.low < 0 else ''}."


def _reference(material: Material) -> str:
    return material.findings.facts.reference


def _figure(material: Material) -> Figure:
    names = material.compared.names
    points = [
        Point(cell.trained, cell.tested, cell.macro_f1.value, known(cell.macro_f1.low), known(cell.macro_f1.high))
        for cell in material.compared.cells
    ]
    axes = axes_around(points, material.levels, x_title="tested level", y_title="macro-F1")
    columns = ("variant", "tested", "macro_f1", "macro_f1_low", "macro_f1_high")
    return Figure("variants", _CAPTION, columns, points, line_chart(points, names, axes))


def _explained(folder: StudyFolder) -> Markup:
    studies = {BASE: folder.study, **{name: variant.study for name, variant in folder.variants().items()}}
    rows = [
        (name, _embedding(study.embedding), _part(study), study.embedding.pooling) for name, study in studies.items()
    ]
    return table(("", "embedding", "part of the clip", "pooling of windows"), rows, n_text=4)


def _embedding(settings: EmbeddingSettings) -> str:
    path = settings.model_path
    return path.stem if path else settings.kind


def _part(study: Study) -> str:
    trim = study.trim
    return f"loudest {trim.keep_s:g} s" if trim.mode is TrimMode.LOUDEST else "whole"


def _f1_table(material: Material) -> Markup:
    cells = {(cell.trained, cell.tested): cell.macro_f1 for cell in material.compared.cells}
    rows = []
    for name in material.compared.names:
        estimates = [cells[name, level] for level in material.levels]
        rows.append([name, *(with_interval(e.value, e.low, e.high) for e in estimates)])
    return table(["", *material.levels], rows, caption="Macro-F1")


def _difference_table(material: Material, comparison: Comparison, caption: str) -> Markup:
    found = {(one.trained, one.tested): one for one in material.compared.differences if one.comparison == comparison}
    levels = [level for level in material.levels if any(tested == level for _, tested in found)]
    rows = [
        [name, *(_difference(found[name, level]) for level in levels)]
        for name in material.compared.names
        if any(trained == name for trained, _ in found)
    ]
    return table(["", *levels], rows, caption=f"{caption}: difference of macro-F1; a star marks p < 0.05, Holm")


def _difference(one: Difference) -> Markup:
    estimate = one.macro_f1
    text = f"{number(estimate.value)}{'*' if one.differs else ''}"
    if isnan(estimate.low):
        return Markup(text)
    return Markup(f"{text}{element('small', f'{number(estimate.low, 2)} to {number(estimate.high, 2)}')}")


def _whole_matrix(name: str, variant: StudyFolder, levels: Sequence[str]) -> Markup:
    findings = read_findings(variant)
    heads = tuple(dict.fromkeys(head for head, _ in findings.cells))
    rows = []
    for head in heads:
        estimates = [findings.cells[head, level].macro_f1 for level in levels]
        rows.append([head_title(head), *(with_interval(e.value, e.low, e.high) for e in estimates)])
    said = element("div", joined(element("p", line) for line in findings.facts.verdict))
    content = joined([table(["trained \\ tested", *levels], rows, caption="Macro-F1"), said])
    return details(f"Trained and tested: {name}", content)
