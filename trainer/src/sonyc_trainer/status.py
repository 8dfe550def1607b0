"""How far a study has come, for a person or a program to read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sonyc_trainer.background_clips import BACKGROUND, is_background
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import LEDGER, ledger_rows, read_dropped, read_notes
from sonyc_trainer.pipeline import StageOutcome, finished
from sonyc_trainer.stages import Stage
from sonyc_trainer.tables import SELECTION, TRIMMED, read_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StudyStatus:
    """How far a study has come.

    Attributes:
        name: The study's.
        stages: Those that are finished.
        ledger: A row per rule: stage, rule, number of clips; empty before the selection.
        breakdown: Clips per class, as a number per split.
        notes: What a reader of the results must know.
    """

    name: str
    stages: list[StageOutcome]
    ledger: list[tuple[str, str, int]]
    breakdown: dict[str, dict[str, int]]
    notes: list[str]

    def as_document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "study": self.name,
            "stages": {stage.stage.value: stage.duration_s for stage in self.stages},
            "ledger": [dict(zip(LEDGER, row, strict=True)) for row in self.ledger],
            "breakdown": self.breakdown,
            "notes": self.notes,
        }

    def as_text(self) -> str:
        """Give it as lines for a terminal."""
        done = {outcome.stage: f"{outcome.duration_s:8.1f} s" for outcome in self.stages}
        lines = [self.name, "", *(f"  {stage:<13}{done.get(stage, '       -')}" for stage in Stage)]
        if self.ledger:
            lines += ["", *(f"  {n:>7}  {rule}" for _, rule, n in self.ledger)]
        for number, (label, splits) in enumerate(self.breakdown.items()):
            if number == 0:
                lines += ["", "  " + " " * 22 + "".join(f"{split:>12}" for split in splits)]
            lines.append(f"  {label:<22}" + "".join(f"{n:>12}" for n in splits.values()))
        return "\n".join([*lines, *(f"\nNote: {note}" for note in self.notes)])


def study_status(folder: StudyFolder) -> StudyStatus:
    """Read how far a study has come."""
    stages = finished(folder)
    done = {outcome.stage for outcome in stages}
    ledger, breakdown = [], {}
    if Stage.SELECT in done:
        used = read_table(folder.trimmed, TRIMMED) if Stage.TRIM in done else read_table(folder.selection, SELECTION)
        ledger = ledger_rows(read_dropped(folder), len(used))
        breakdown = _breakdown(used)
    return StudyStatus(folder.study.name, stages, ledger, breakdown, read_notes(folder))


def _breakdown(used: "pd.DataFrame") -> dict[str, dict[str, int]]:
    from sonyc_contract.labels import LABELS
    from sonyc_trainer.splitting import SPLITS

    numbers = used.explode("labels").groupby(["labels", "split"]).size()
    found = {label: {split: int(numbers.get((label, split), 0)) for split in SPLITS} for label in LABELS}
    empty = used.loc[is_background(used["labels"]), "split"].value_counts()
    return found | ({BACKGROUND: {split: int(empty.get(split, 0)) for split in SPLITS}} if len(empty) else {})
