"""The ledger: how many clips each rule dropped, stage by stage, with every dropped clip by name beside it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sonyc_contract.files import whole_file, write_whole
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage

if TYPE_CHECKING:
    import pandas as pd

DROPPED: Final = ("clip_id", "rule", "detail")
"""A row per clip that a stage dropped."""

LEDGER: Final = ("stage", "rule", "n_clips")
"""A row per rule, in the order in which rules apply: clips listed first, then dropped ones, then what is used."""

LISTED: Final = "listed"
USED: Final = "used"

_N_NAMED: Final = 5
_DROPPING_STAGES = (Stage.DATASET, Stage.SELECT, Stage.TRIM)


def write_csv(path: Path, rows: Sequence[Sequence[object]], columns: Sequence[str]) -> None:
    """Write a small table as CSV, whole."""
    import pandas as pd

    with whole_file(path) as part:
        pd.DataFrame(list(rows), columns=list(columns)).to_csv(part, index=False)


def write_notes(path: Path, notes: Sequence[str]) -> None:
    """Write what a reader of the report must know of a stage, a line each."""
    write_whole(path, "".join(f"{note}\n" for note in notes).encode())


def named(clip_ids: Sequence[str]) -> str:
    """Name clips in a note: how many, and the first of them."""
    more = ", ..." if len(clip_ids) > _N_NAMED else ""
    return f"{len(clip_ids)} ({', '.join(clip_ids[:_N_NAMED])}{more})"


def read_notes(folder: StudyFolder) -> list[str]:
    """Read the notes of all stages, in their order."""
    paths = [folder.notes(stage) for stage in Stage]
    return [line for path in paths if path.is_file() for line in path.read_text().splitlines()]


def read_dropped(folder: StudyFolder) -> "pd.DataFrame":
    """Read the clips that the stages dropped so far: columns `stage` and those of `DROPPED`."""
    import pandas as pd

    frames = [pd.DataFrame(columns=["stage", *DROPPED], dtype=str)]
    for stage in _DROPPING_STAGES:
        if folder.dropped(stage).is_file():
            frame = pd.read_csv(folder.dropped(stage), dtype=str, keep_default_na=False)
            frame.insert(0, "stage", stage.value)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def ledger_rows(dropped: "pd.DataFrame", n_used: int) -> list[tuple[str, str, int]]:
    """Count: clips listed, clips that each rule dropped, and what is left.

    Args:
        dropped: As `read_dropped` gives it.
        n_used: How many clips were not dropped.

    Returns:
        Rows of `LEDGER`; the first is the sum of the others.
    """
    rules = Counter(zip(dropped["stage"], dropped["rule"], strict=True))
    rows = [(str(stage), str(rule), n) for (stage, rule), n in rules.items()]
    return [(Stage.DATASET.value, LISTED, len(dropped) + n_used), *rows, ("", USED, n_used)]
