"""Stage `report`: what the study found, for a reader and for programs; it lies at the top of the study's folder."""

import json

from sonyc_contract.files import write_whole
from sonyc_trainer.context import StageContext
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.report.page import write_report
from sonyc_trainer.report.run_record import write_run_record
from sonyc_trainer.results import read_results
from sonyc_trainer.summary import summary_document


def run(folder: StudyFolder, context: StageContext) -> None:
    """Write `report.html`, the numbers of its figures below `figures`, `run.json` and `summary.json`.

    Raises:
        StageError: a table of an earlier stage is missing or damaged.
    """
    with context.progress.task("report", 1) as advance:
        summary = summary_document(folder, read_results(folder))
        write_report(folder, bundle=summary["bundle"])
        write_run_record(folder)
        write_whole(folder.summary, (json.dumps(summary, indent=1) + "\n").encode())
        advance(1)
