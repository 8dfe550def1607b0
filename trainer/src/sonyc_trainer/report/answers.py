"""What the study found: the answer in words, the matrix, the classes, and how sure all of it is."""

import re
from collections.abc import Sequence

from sonyc_contract.labels import LABELS
from sonyc_trainer.findings import MACRO, MICRO, Comparison, Difference
from sonyc_trainer.planning.costs import CostRow
from sonyc_trainer.report.charts import (
    Axes,
    Point,
    axes_around,
    confusion_chart,
    difference_chart,
    line_chart,
    panel_charts,
)
from sonyc_trainer.report.class_counts import class_counts
from sonyc_trainer.report.figure import Figure
from sonyc_trainer.report.markup import (
    MINUS,
    Markup,
    details,
    element,
    joined,
    number,
    paragraphs,
    table,
    with_interval,
)
from sonyc_trainer.report.material import Material, first_seed, head_title, known
from sonyc_trainer.report.section import Section
from sonyc_trainer.statistics.bootstrap import MIN_CLUSTERS
from sonyc_trainer.statistics.proportions import MIN_CLIPS

_AUPRC_NOTE = (
    "Average precision of the heads of the first seed. SONYC-UST's published figures join the points of the curve with "
    "straight lines, which gives more, and are of its official split: they are not these."
)
_INTERVAL_COLUMNS = ("macro_f1", "macro_f1_low", "macro_f1_high")


def answer(material: Material) -> Section:
    """Say in words which levels differ, and what the smallest that does not would save."""
    lines = [_with_minus(line) for line in material.findings.facts.verdict]
    if saving := _saving(material):
        lines.append(saving)
    parts: list[Markup | Figure] = [element("div", paragraphs(lines), class_="answer")]
    deployed = _of(material, Comparison.DEPLOYED)
    if deployed:
        parts.append(_difference_figure(material, deployed))
    if material.notes:
        parts.append(element("h3", "What to know when reading the figures"))
        parts.append(element("ul", joined(element("li", note) for note in material.notes), class_="notes"))
    return Section("answer", "Answer", parts)


def matrix(material: Material) -> Section:
    """Show every trained level at every tested level, with intervals."""
    facts = material.findings.facts
    intro = (
        f"Macro-F1 of {facts.n_clips} {facts.split} clips of {facts.n_groups} recordings or sensors, with "
        f"{100 * facts.confidence:.0f} % intervals over {facts.n_resamples:,} resamples of whole recordings. A row is "
        "what a head was trained on, a column what it was tested on."
    )
    parts: list[Markup | Figure] = [
        element("p", intro),
        _matrix_figure(material),
        _matrix_table(material, "macro_f1", "Macro-F1"),
        _matrix_table(material, "accuracy", "Accuracy"),
        *_difference_tables(material),
        *_label_free(material),
    ]
    if facts.n_seeds > 1:
        parts.append(_seeds(material))
    return Section("matrix", "Trained and tested", parts)


def classes(material: Material) -> Section:
    """Show F1 per class over the levels, and the confusion matrices."""
    parts: list[Markup | Figure] = [_class_figure(material), _class_tables(material)]
    if material.findings.facts.labels == "single":
        parts += _confusions(material)
    parts += [class_counts(material), _precision_recall(material), _calibration(material)]
    return Section("classes", "Classes", parts)


def _saving(material: Material) -> str:
    """Say what the smallest level saves whose difference from the reference may be none."""
    facts = material.findings.facts
    rate_hz = material.folder.study.compress.storage_rate_hz
    sizes = {row.coding.setting: row for row in material.costs if row.coding.rate_hz == rate_hz and row.coding.level}
    deployed = [one for one in _of(material, Comparison.DEPLOYED) if one.tested in sizes]
    alike = [one.tested for one in deployed if not one.differs and one.macro_f1.high >= 0]
    is_enough = facts.n_clips >= MIN_CLIPS and facts.n_groups >= MIN_CLUSTERS
    if facts.reference not in sizes or not alike or not is_enough:
        return ""
    smallest = min((sizes[level] for level in alike), key=lambda row: row.bytes_per_hour)
    of_reference = sizes[facts.reference].bytes_per_hour
    share = 100 * smallest.bytes_per_hour / of_reference
    return (
        f"The smallest level whose interval holds no difference from {facts.reference} is {smallest.coding.setting}: "
        f"{megabytes(smallest)} MB per hour of this audio, {share:.0f} % of the {of_reference / 1e6:.1f} MB of "
        f"{facts.reference}. Not told apart is not the same: the interval says how large a loss could still hide."
    )


def megabytes(row: CostRow) -> str:
    """Give the size of an hour."""
    return f"{row.bytes_per_hour / 1e6:.1f}"


def _of(material: Material, comparison: Comparison) -> list[Difference]:
    return [one for one in material.findings.differences if one.comparison == comparison]


def _difference_figure(material: Material, differences: Sequence[Difference]) -> Figure:
    points = [
        Point(
            head_title(one.trained), one.tested, one.macro_f1.value, known(one.macro_f1.low), known(one.macro_f1.high)
        )
        for one in differences
    ]
    caption = (
        "What each level costs with the head that a node uses there: macro-F1 minus that of "
        f"{material.findings.facts.reference} on the same clips, with its interval. Left of the line is worse."
    )
    rows = [
        (one.trained, one.tested, one.macro_f1.value, one.macro_f1.low, one.macro_f1.high, one.p_holm, one.differs)
        for one in differences
    ]
    columns = ("trained", "tested", *_INTERVAL_COLUMNS, "p_holm", "differs")
    drawn = difference_chart(points, "difference of macro-F1")
    return Figure("difference-to-pcm", caption, columns, rows, drawn)


def _matrix_figure(material: Material) -> Figure:
    points = []
    for head in material.heads:
        for level in material.levels:
            f1 = material.findings.cells[head, level].macro_f1
            points.append(Point(head_title(head), level, f1.value, known(f1.low), known(f1.high)))
    axes = axes_around(points, material.levels, x_title="tested level", y_title="macro-F1")
    caption = "Macro-F1 over tested levels, a line per trained head; whiskers are the intervals."
    drawn = line_chart(points, [head_title(head) for head in material.heads], axes)
    return Figure("macro-f1", caption, ("trained", "tested", *_INTERVAL_COLUMNS), points, drawn)


def _matrix_table(material: Material, figure: str, title: str) -> Markup:
    rows = []
    for head in material.heads:
        estimates = [getattr(material.findings.cells[head, level], figure) for level in material.levels]
        rows.append([head_title(head), *(with_interval(e.value, e.low, e.high) for e in estimates)])
    return table(["trained \\ tested", *material.levels], rows, caption=title)


_QUESTIONS = {
    Comparison.DEPLOYED: "Each level with its own head, against {reference} with its own",
    Comparison.TESTED: "The same head at a level and at {reference}",
    Comparison.TRAINED: "At the same tested level, a head against the one trained on {reference}",
}


def _difference_tables(material: Material) -> list[Markup]:
    reference = material.findings.facts.reference
    return [
        details(f"Differences: {question.format(reference=reference)}", _difference_table(rows))
        for comparison, question in _QUESTIONS.items()
        if (rows := _of(material, comparison))
    ]


def _difference_table(differences: Sequence[Difference]) -> Markup:
    headings = ("head", "tested", "against", "macro-F1", "p, Holm", "lost", "won", "McNemar p, Holm", "differs")
    rows = [
        (
            head_title(one.trained),
            one.tested,
            f"{head_title(one.reference_trained)} at {one.reference_tested}",
            with_interval(one.macro_f1.value, one.macro_f1.low, one.macro_f1.high),
            number(one.p_holm),
            one.n_lost,
            one.n_won,
            number(one.mcnemar_p_holm),
            "yes" if one.differs else "no",
        )
        for one in differences
    ]
    caption = (
        "Lost and won: clips that only the one or only the other decides right. p is of the bootstrap by recording; "
        "McNemar's takes clips as independent."
    )
    return table(headings, rows, n_text=3, caption=caption)


def _label_free(material: Material) -> list[Markup]:
    findings = material.findings
    if not findings.cosines:
        return []
    rows = []
    for level, cosine in findings.cosines.items():
        flips = [findings.flips.get((head, level)) for head in material.heads]
        shares = [f"{100 * flip.share.value:.1f} %" if flip else number(None) for flip in flips]
        rows.append([level, number(cosine.median, 4), number(cosine.p05, 4), number(cosine.lowest, 4), *shares])
    headings = ["level", "cosine, median", "5th percentile", "lowest"]
    headings += [f"flips, {head_title(head)}" for head in material.heads]
    caption = (
        f"Without looking at labels: cosine of a clip's mean embedding to that at {findings.facts.reference}, and "
        "clips whose classes flip against the same head there."
    )
    return [table(headings, rows, caption=caption)]


def _seeds(material: Material) -> Markup:
    rows = []
    for head in material.heads:
        cells = [material.findings.cells[head, level] for level in material.levels]
        rows.append([head_title(head), *(number(cell.macro_f1_seed_sd) for cell in cells)])
    caption = f"Standard deviation of macro-F1 over {material.findings.facts.n_seeds} seeds of the head's training"
    return table(["trained \\ tested", *material.levels], rows, caption=caption)


def _class_figure(material: Material) -> Figure:
    panels: dict[str, Sequence[Point]] = {}
    rows: list[tuple[object, ...]] = []
    for label in LABELS:
        found = [
            (head, level, finding)
            for head in material.heads
            for level in material.levels
            if (finding := material.findings.classes.get((head, level, label)))
        ]
        if not found:
            continue
        is_measurable = all(finding.is_measurable for _, _, finding in found)
        title = label if is_measurable else f"{label} (few clips)"
        panels[title] = [Point(head_title(head), level, finding.f1.value) for head, level, finding in found]
        rows += [
            (label, head_title(head), level, one.f1.value, one.f1.low, one.f1.high, one.n_clips, one.is_measurable)
            for head, level, one in found
        ]
    columns = ("label", "trained", "tested", "f1", "f1_low", "f1_high", "n_clips", "is_measurable")
    axes = Axes(material.levels, "tested level", "F1")
    drawn = panel_charts(panels, [head_title(head) for head in material.heads], axes)
    caption = (
        "F1 of each class over tested levels, a line per trained head. Classes of fewer than 30 clips are marked: "
        "their F1 is not measurable."
    )
    return Figure("f1-per-class", caption, columns, rows, drawn, shape="many")


def _class_tables(material: Material) -> Markup:
    parts = []
    for head in material.heads:
        rows = []
        for label in LABELS:
            found = [material.findings.classes.get((head, level, label)) for level in material.levels]
            if found[0] is None:
                continue
            cells = [with_interval(c.f1.value, c.f1.low, c.f1.high, 2) if c else number(None) for c in found]
            mark = "" if found[0].is_measurable else Markup(" " + element("span", "not measurable", class_="soft"))
            rows.append([Markup(f"{label}{mark}"), found[0].n_clips, *cells])
        parts.append(table(["class", "clips", *material.levels], rows, caption=f"F1, head {head_title(head)}"))
    return details("F1 per class with intervals, a table per head", joined(parts))


def _confusions(material: Material) -> list[Markup | Figure]:
    shown = [(head, material.results.own_level(head)) for head in material.heads]
    others = [(head, level) for head in material.heads for level in material.levels if (head, level) not in shown]
    seed = first_seed(material)
    caption = f"Confusion matrices, each head at its own level{seed}; shaded by the share of the true class."
    parts: list[Markup | Figure] = [
        element("h3", "Confusion"),
        _confusion_figure(material, "confusion", caption, shown),
    ]
    if others:
        figure = _confusion_figure(
            material, "confusion-others", f"Confusion matrices of the other pairs{seed}.", others
        )
        parts.append(figure)
    return parts


def _confusion_figure(material: Material, name: str, caption: str, pairs: Sequence[tuple[str, str]]) -> Figure:
    charts, rows = [], []
    for head, level in pairs:
        counts = material.confusion_of(head, level)
        title = element("h3", f"{head_title(head)} at {level}")
        charts.append(element("figure", joined([title, confusion_chart(LABELS, counts)])))
        rows += [(head, level, label, *of_label) for label, of_label in zip(LABELS, counts, strict=True)]
    drawn = element("div", joined(charts), class_="pair")
    if name != "confusion":
        drawn = details("The other pairs of trained and tested level", drawn)
    return Figure(name, caption, ("trained", "tested", "label", *LABELS), rows, drawn, shape="many")


def _precision_recall(material: Material) -> Markup:
    rows = []
    for label in (*LABELS, MICRO, MACRO):
        found = [
            material.findings.auprc.get((head, material.results.own_level(head), label)) for head in material.heads
        ]
        if found[0] is not None:
            rows.append([label, found[0].n_positive, *(number(one.auprc if one else None) for one in found)])
    headings = ["class", "positive", *(f"{head_title(h)} at {material.results.own_level(h)}" for h in material.heads)]
    caption = "Area under the precision-recall curve, each head at its own level"
    content = table(headings, rows, caption=caption)
    if material.findings.facts.labels != "multi":
        return details(caption, content)
    return joined([content, element("p", _AUPRC_NOTE, class_="caption")])


def _calibration(material: Material) -> Markup:
    rows = [
        (
            head_title(one.head),
            one.label,
            one.n_positive,
            number(one.slope),
            number(one.offset),
            number(one.brier_before, 4),
            number(one.brier_after, 4),
            number(one.threshold),
        )
        for one in material.findings.calibration.values()
    ]
    headings = ("head", "class", "positive", "slope", "offset", "Brier before", "after", "threshold")
    caption = "Calibration and thresholds, chosen on the validation clips; they are in the bundle"
    return details(caption, table(headings, rows, n_text=2))


def _with_minus(line: str) -> str:
    return re.sub(r"(?<!\w)-(?=\d)", MINUS, line)
