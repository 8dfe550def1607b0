"""Stage `report`: what the study found, for a reader and for programs; it lies at the top of the study's folder."""

import csv
import json
from pathlib import Path

from sonyc_contract.files import write_whole
from sonyc_trainer.context import StageContext
from sonyc_trainer.figures import plot_macro_f1
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import read_notes
from sonyc_trainer.report_text import ReportFacts, report_text
from sonyc_trainer.results import read_results
from sonyc_trainer.stages import Stage
from sonyc_trainer.summary import summary_document

FIGURE_FILE = "macro-f1.png"


def run(folder: StudyFolder, context: StageContext) -> None:
    """Write `summary.json`, `report.md` and its figure."""
    results = read_results(folder)
    summary = summary_document(folder, results)
    plot_macro_f1(folder.root / FIGURE_FILE, results)
    write_whole(folder.report, report_text(_facts(folder, summary["bundle"]), results).encode())
    write_whole(folder.summary, (json.dumps(summary, indent=1) + "\n").encode())


def _facts(folder: StudyFolder, bundle: dict[str, object] | None) -> ReportFacts:
    return ReportFacts(
        name=folder.study.name,
        bundle=(str(bundle["file"]), int(str(bundle["size_bytes"])), str(bundle["sha256"])) if bundle else None,
        breakdown=_rows(folder.breakdown),
        ledger=_rows(folder.ledger)[1:],
        durations_s={stage: folder.duration_s(stage) for stage in Stage if folder.is_done(stage)},
        notes=read_notes(folder),
        figure=FIGURE_FILE,
    )


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))
