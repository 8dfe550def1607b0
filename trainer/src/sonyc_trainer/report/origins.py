"""How the study came about: its clips, how the heads learned, what was exported, and how long it took."""

from collections.abc import Sequence

from sonyc_trainer.report.charts import curve_charts, stacked_bars
from sonyc_trainer.report.figure import Figure
from sonyc_trainer.report.markup import Markup, details, element, number, table
from sonyc_trainer.report.material import Material, head_title
from sonyc_trainer.report.section import Section
from sonyc_trainer.stages import Stage

_MAX_NAMED = 2_000


def clips(material: Material) -> Section:
    """Show what was kept and what was dropped, by name."""
    ledger = [(row["stage"], row["rule"], f"{int(row['n_clips']):,}") for row in _full_ledger(material)]
    splits = list(material.breakdown[0][1])
    rows = [(label, *numbers.values(), sum(numbers.values())) for label, numbers in material.breakdown]
    totals = [sum(numbers[split] for _, numbers in material.breakdown) for split in splits]
    drawn = stacked_bars(material.breakdown)
    numbers = [(label, *values.values()) for label, values in material.breakdown]
    parts: list[Markup | Figure] = [
        table(("stage", "rule", "clips"), ledger, n_text=2, caption="What each rule dropped"),
        Figure("breakdown", "Clips per class and split.", ("label", *splits), numbers, drawn),
        table(("class", *splits, "all"), [*rows, ("all", *totals, sum(totals))]),
        _dropped(material),
    ]
    return Section("clips", "Clips", parts)


def training(material: Material) -> Section:
    """Show how the heads learned."""
    accuracies = material.findings.accuracies
    rows = []
    for head in material.heads:
        record, own = material.results.head_records[head], accuracies.get(head)
        counted = f"{own.n_validation_right} of {own.n_validation}" if own else number(None)
        rows.append(
            (
                head_title(head),
                f"{record['n_epochs']:.0f}",
                f"{record['best_epoch']:.0f}",
                f"{100 * record['train_accuracy']:.2f} %",
                f"{100 * record['validation_accuracy']:.2f} %",
                counted,
                f"{_percent(own.validation_accuracy.low)} to {_percent(own.validation_accuracy.high)}" if own else "",
            )
        )
    headings = ("head", "epochs", "best", "train accuracy", "validation accuracy", "right", "95 % interval, Wilson")
    caption = "Loss of each head on training and validation clips; the weights of the lowest validation loss are kept."
    numbers = [(curve.panel, curve.series, curve.epoch, curve.value) for curve in material.curves]
    drawn = curve_charts(material.curves, ("training", "validation"))
    parts: list[Markup | Figure] = [
        table(headings, rows),
        Figure("training-curves", caption, ("head", "clips", "epoch", "loss"), numbers, drawn, shape="many"),
    ]
    return Section("training", "Training", parts)


def export(material: Material, bundle: dict[str, object] | None) -> Section:
    """Show how far the exported files agree with Keras, and the bundle."""
    rows = [
        (
            one.runtime_version,
            head_title(head),
            one.n_clips,
            number(one.top1_agreement),
            number(one.max_probability_difference, 4),
        )
        for of_heads in material.results.agreement.values()
        for head, one in of_heads.items()
    ]
    parts: list[Markup | Figure] = []
    if rows:
        headings = ("runtime", "head", "clips", "top-1 agreement", "largest probability difference")
        parts.append(table(headings, rows, n_text=2, caption="Exported files against Keras on validation clips"))
    if bundle:
        size = f"{int(str(bundle['size_bytes'])):,} bytes, SHA-256"
        said = ["Bundle ", element("code", bundle["file"]), f": {size} ", element("code", bundle["sha256"])]
        parts.append(element("p", Markup("".join(str(part) for part in said))))
    else:
        parts.append(element("p", "There is no bundle: this embedding is for comparison only."))
    return Section("export", "Export", parts)


def times(material: Material) -> Section:
    """Show how long each stage took."""
    folder = material.folder
    durations = [(stage.value, folder.duration_s(stage)) for stage in Stage if folder.is_done(stage)]
    rows = [(name, number(duration_s, 1)) for name, duration_s in durations]
    rows.append(("all", number(sum(duration_s for _, duration_s in durations), 1)))
    return Section("times", "Time per stage", [table(("stage", "seconds"), rows)])


def _full_ledger(material: Material) -> Sequence[dict[str, str]]:
    """Give the ledger with what stages after the selection dropped."""
    from sonyc_trainer.ledger import LEDGER, ledger_rows, read_dropped
    from sonyc_trainer.tables import TRIMMED, read_table

    n_used = len(read_table(material.folder.trimmed, TRIMMED))
    rows = ledger_rows(read_dropped(material.folder), n_used)
    return [dict(zip(LEDGER, map(str, row), strict=True)) for row in rows]


def _dropped(material: Material) -> Markup:
    if not material.dropped:
        return element("p", "No clip was dropped.")
    rows = [(row["clip_id"], row["stage"], row["rule"], row["detail"]) for row in material.dropped[:_MAX_NAMED]]
    n = len(material.dropped)
    shown = "" if n <= _MAX_NAMED else f", the first {_MAX_NAMED:,} of them; dropped.csv in each stage's folder has all"
    return details(f"{n:,} dropped clips by name{shown}", table(("clip", "stage", "rule", "detail"), rows, n_text=4))


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"
