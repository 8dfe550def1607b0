"""The report as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sonyc_trainer.results import Results
from sonyc_trainer.stages import Stage


@dataclass(frozen=True)
class ReportFacts:
    """What the report tells beside the results.

    Attributes:
        name: The study's.
        bundle: The bundle's file, relative to the report, its size and its digest; None where there is none.
        breakdown: Rows of class and clips per split, under their headings.
        ledger: Rows of stage, rule and number of clips.
        durations_s: By finished stage.
        notes: What a reader must know.
        figure: Image file, relative to the report.
    """

    name: str
    bundle: tuple[str, int, str] | None
    breakdown: Sequence[Sequence[object]]
    ledger: Sequence[Sequence[object]]
    durations_s: Mapping[Stage, float]
    notes: Sequence[str]
    figure: str


def report_text(facts: ReportFacts, results: Results) -> str:
    """Write the report."""
    sections = [
        f"# {facts.name}",
        "\n".join(f"- {note}" for note in facts.notes),
        "## Every trained level at every tested level",
        f"Accuracy / macro-F1 of the largest output, {results.split} clips; macro-F1 is over the classes they have.",
        _matrix(results),
        f"![Macro-F1 over levels]({facts.figure})",
        "## F1 per class",
        f"Each head at its own level, {results.split} clips.",
        _per_class(results),
        "## Training",
        _training(results),
        "## What a level takes",
        _table(
            ("level", "bytes per hour", "kb/s"),
            [(k, v, f"{v / 450_000:.1f}") for k, v in results.bytes_per_hour.items()],
        ),
        "## Exported files against Keras" if results.agreement else "",
        _agreement(results) if results.agreement else "",
        "## Clips",
        _table(facts.breakdown[0], facts.breakdown[1:]),
        _table(("stage", "rule", "clips"), facts.ledger, n_text=2),
        "## Time per stage",
        _table(("stage", "seconds"), [(stage, f"{duration:.1f}") for stage, duration in facts.durations_s.items()]),
        _bundle(facts.bundle),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _bundle(bundle: tuple[str, int, str] | None) -> str:
    return "Bundle: `{}`, {} bytes, SHA-256 `{}`.".format(*bundle) if bundle else ""


def _matrix(results: Results) -> str:
    rows = []
    for head in results.heads:
        cells = [results.matrix[head][level] for level in results.levels]
        rows.append((head, *(f"{cell.accuracy:.3f} / {cell.macro_f1:.3f}" for cell in cells)))
    return _table(("trained \\ tested", *results.levels), rows)


def _per_class(results: Results) -> str:
    at_own = {head: results.f1[head][results.own_level(head)] for head in results.heads}
    labels = list(next(iter(at_own.values())))
    rows = [(label, *(f"{at_own[head].get(label, 0.0):.3f}" for head in results.heads)) for label in labels]
    return _table(("class", *(f"{head} at {results.own_level(head)}" for head in results.heads)), rows)


def _training(results: Results) -> str:
    rows = [
        (
            head,
            f"{record['n_epochs']:.0f}",
            f"{record['best_epoch']:.0f}",
            f"{100 * record['train_accuracy']:.2f} %",
            f"{100 * record['validation_accuracy']:.2f} %",
        )
        for head, record in results.head_records.items()
    ]
    return _table(("head", "epochs", "best", "train accuracy", "validation accuracy"), rows)


def _agreement(results: Results) -> str:
    rows = [
        (one.runtime_version, head, one.n_clips, f"{one.top1_agreement:.3f}", f"{one.max_probability_difference:.4f}")
        for of_heads in results.agreement.values()
        for head, one in of_heads.items()
    ]
    return _table(("runtime", "head", "clips", "top-1 agreement", "largest probability difference"), rows, n_text=2)


def _table(headings: Sequence[object], rows: Iterable[Sequence[object]], *, n_text: int = 1) -> str:
    """Write a table whose first `n_text` columns are text and whose others are numbers."""
    lines = [headings, [*["---"] * n_text, *["---:"] * (len(headings) - n_text)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
