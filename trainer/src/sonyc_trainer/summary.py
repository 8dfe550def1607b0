"""What a study found, short: as `summary.json` for programs, as a table for the terminal."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sonyc_contract.files import sha256_hex
from sonyc_trainer.compared import read_compared
from sonyc_trainer.findings import ANY_CLASS, read_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import read_notes
from sonyc_trainer.planning.costs import read_costs
from sonyc_trainer.results import Results
from sonyc_trainer.stages import Stage

if TYPE_CHECKING:
    from rich.table import Table


def summary_document(folder: StudyFolder, results: Results) -> dict[str, Any]:
    """Give the summary as JSON has it."""
    return {
        "study": folder.study.name,
        "split": results.split,
        "heads": list(results.heads),
        "levels": list(results.levels),
        "matrix": {
            trained: {tested: asdict(cell) for tested, cell in row.items()} for trained, row in results.matrix.items()
        },
        "f1": results.f1,
        "bytes_per_hour": {**results.bytes_per_hour, **_as_nodes_write(folder)},
        "training": results.head_records,
        "bundle": _bundle(folder),
        "verdict": list(read_findings(folder).facts.verdict),
        "background": _background(folder),
        "variants": _variants(folder),
        "notes": read_notes(folder),
    }


def print_summary(folder: StudyFolder) -> None:
    """Print the matrix of a finished study, what each level takes, and where the bundle is, on standard output."""
    from rich.console import Console

    summary = json.loads(folder.summary.read_text())
    table = _table("trained on", summary["levels"])
    findings = read_findings(folder)
    for trained in summary["heads"]:
        cells = [findings.cells[trained, tested] for tested in summary["levels"]]
        table.add_row(trained, *(f"{100 * of.accuracy.value:.1f}/{100 * of.macro_f1.value:.1f}" for of in cells))
    table.add_section()
    table.add_row("MB per hour", *(f"{summary['bytes_per_hour'][level] / 1e6:.1f}" for level in summary["levels"]))
    console = Console()
    n_seeds = findings.facts.n_seeds
    seeds = f", mean of {n_seeds} seeds" if n_seeds > 1 else ""
    console.print(f"Accuracy/macro-F1 in %, {summary['split']} clips{seeds}; columns tested", highlight=False)
    console.print(table)
    if summary["variants"]:
        console.print("Macro-F1 in % of the study and its variants, each level with its own head", highlight=False)
        console.print(_variants_table(summary))
    for line in [*summary["verdict"], *_background_lines(summary)]:
        console.print(line, highlight=False)
    for note in summary["notes"]:
        console.print(f"Note: {note}", highlight=False)
    if summary["bundle"] is not None:
        console.print(f"Bundle: {folder.bundle}", soft_wrap=True, highlight=False)
    console.print(f"Report: {folder.report}", soft_wrap=True, highlight=False)


def _table(first: str, levels: Sequence[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(first)
    for level in levels:
        table.add_column(level, justify="right")
    return table


def _variants_table(summary: dict[str, Any]) -> "Table":
    table = _table("", summary["levels"])
    for name, of_levels in summary["variants"].items():
        table.add_row(name, *(f"{100 * of_levels[level]:.1f}" for level in summary["levels"]))
    return table


def _variants(folder: StudyFolder) -> dict[str, dict[str, float]]:
    """Give macro-F1 by variant, the study among them, and level; nothing where it has none."""
    found: dict[str, dict[str, float]] = {}
    for cell in read_compared(folder.of(Stage.COMPARE)).cells:
        found.setdefault(cell.trained, {})[cell.tested] = cell.macro_f1.value
    return found


def _background(folder: StudyFolder) -> dict[str, dict[str, Any]]:
    """Give, by dataset, split and clips, and the clips with a detection by head and level; nothing without such."""
    found: dict[str, dict[str, Any]] = {}
    for one in read_findings(folder).reported_background():
        if one.label == ANY_CLASS:
            empty: dict[str, Any] = {"split": one.split, "n_clips": one.n_clips, "n_detected": {}}
            of_dataset = found.setdefault(one.dataset, empty)
            of_dataset["n_detected"].setdefault(one.trained, {})[one.tested] = one.n_detected
    return found


def _background_lines(summary: dict[str, Any]) -> list[str]:
    """Say of each dataset's background clips in how many each head detects something, at its own level."""
    lines = []
    for name, of_dataset in summary["background"].items():
        counts = [
            f"{of_levels[head if head in of_levels else summary['levels'][0]]} with {head}"
            for head, of_levels in of_dataset["n_detected"].items()
        ]
        clips = f"{of_dataset['n_clips']} {of_dataset['split']} clips of background in {name}"
        lines.append(f"Of {clips} a detection is in {', '.join(counts)}.")
    return lines


def _as_nodes_write(folder: StudyFolder) -> dict[str, int]:
    """Give bytes per hour in clips as long as a node's, where stage `costs` has measured them."""
    if not folder.costs.is_file():
        return {}
    own = [row for row in read_costs(folder.costs) if row.coding.rate_hz == folder.study.compress.storage_rate_hz]
    return {row.coding.setting: row.bytes_per_hour for row in own if row.coding.level is not None}


def _bundle(folder: StudyFolder) -> dict[str, Any] | None:
    """Describe the bundle; None where the embedding cannot be in one."""
    if not folder.bundle.is_file():
        return None
    data = folder.bundle.read_bytes()
    return {
        "file": str(folder.bundle.relative_to(folder.root)),
        "size_bytes": len(data),
        "sha256": sha256_hex(data),
    }
