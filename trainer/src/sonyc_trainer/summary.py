"""What a study found, short: as `summary.json` for programs, as a table for the terminal."""

import json
from dataclasses import asdict
from typing import Any

from sonyc_contract.files import sha256_hex
from sonyc_trainer.findings import read_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import read_notes
from sonyc_trainer.planning.costs import read_costs
from sonyc_trainer.results import Results


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
        "notes": read_notes(folder),
    }


def print_summary(folder: StudyFolder) -> None:
    """Print the matrix of a finished study, what each level takes, and where the bundle is, on standard output."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    summary = json.loads(folder.summary.read_text())
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("trained on")
    for level in summary["levels"]:
        table.add_column(level, justify="right")
    for trained in summary["heads"]:
        cells = [summary["matrix"][trained][tested] for tested in summary["levels"]]
        table.add_row(trained, *(f"{100 * cell['accuracy']:.1f}/{100 * cell['macro_f1']:.1f}" for cell in cells))
    table.add_section()
    table.add_row("MB per hour", *(f"{summary['bytes_per_hour'][level] / 1e6:.1f}" for level in summary["levels"]))
    console = Console()
    console.print(f"Accuracy/macro-F1 in %, {summary['split']} clips, first seed; columns tested", highlight=False)
    console.print(table)
    for line in summary["verdict"]:
        console.print(line, highlight=False)
    for note in summary["notes"]:
        console.print(f"Note: {note}", highlight=False)
    if summary["bundle"] is not None:
        console.print(f"Bundle: {folder.bundle}", soft_wrap=True, highlight=False)
    console.print(f"Report: {folder.report}", soft_wrap=True, highlight=False)


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
