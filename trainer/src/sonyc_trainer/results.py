"""What a study found, read from the tables of its stages; bundle, report and terminal say the same."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sonyc_contract.bundle import Agreement
from sonyc_contract.runtime import Runtime
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage

if TYPE_CHECKING:
    import pandas as pd

TEST: Final = "test"
VALIDATION: Final = "validation"


@dataclass(frozen=True)
class Cell:
    """A trained level at a tested level.

    Attributes:
        n_clips: How many clips were tested.
        n_classes: Of how many classes; macro-F1 is over these.
        accuracy: Share of clips whose largest output is their class.
        macro_f1: Mean F1 of the classes.
    """

    n_clips: int
    n_classes: int
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class Results:
    """What a study found.

    Attributes:
        split: What the matrix is of: `test`, or `validation` where the study has no test clips.
        heads: Trained levels, and `any`.
        levels: Tested levels.
        matrix: Cells by trained and tested level.
        f1: F1 by trained level, tested level and class, of the classes that are there.
        bytes_per_hour: By level, of this study's own audio.
        head_records: By head: epochs run, best epoch, train and validation accuracy.
        agreement: By runtime and head, how far the exported files agree with Keras.
    """

    split: str
    heads: tuple[str, ...]
    levels: tuple[str, ...]
    matrix: dict[str, dict[str, Cell]]
    f1: dict[str, dict[str, dict[str, float]]]
    bytes_per_hour: dict[str, int]
    head_records: dict[str, dict[str, float]]
    agreement: dict[Runtime, dict[str, Agreement]]

    def own_level(self, head: str) -> str:
        """The tested level that stands for a head: its own; for `any` the first."""
        return head if head in self.levels else self.levels[0]


def read_results(folder: StudyFolder) -> Results:
    """Read the tables of the stages `train` to `export`."""
    import pandas as pd

    target = folder.of(Stage.EVALUATE)
    matrix, classes = pd.read_csv(target / "matrix.csv"), pd.read_csv(target / "classes.csv")
    split = TEST if (matrix["split"] == TEST).any() else VALIDATION
    costs = pd.read_csv(target / "levels.csv")
    heads = folder.head_names
    return Results(
        split=split,
        heads=heads,
        levels=tuple(level.value for level in folder.study.compress.levels),
        matrix=_cells(matrix[matrix["split"] == split]),
        f1=_f1(classes[(classes["split"] == split) & (classes["support"] > 0)]),
        bytes_per_hour=dict(zip(costs["level"], map(int, costs["bytes_per_hour"]), strict=True)),
        head_records={name: json.loads(folder.head_record(name).read_text()) for name in heads},
        agreement=_agreement(folder),
    )


def _cells(rows: "pd.DataFrame") -> dict[str, dict[str, Cell]]:
    cells: dict[str, dict[str, Cell]] = {}
    columns = rows[["trained", "tested", "n_clips", "n_classes", "accuracy", "macro_f1"]]
    for trained, tested, n_clips, n_classes, accuracy, macro_f1 in columns.itertuples(index=False, name=None):
        cells.setdefault(trained, {})[tested] = Cell(int(n_clips), int(n_classes), float(accuracy), float(macro_f1))
    return cells


def _f1(rows: "pd.DataFrame") -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for trained, tested, label, f1 in rows[["trained", "tested", "label", "f1"]].itertuples(index=False, name=None):
        found.setdefault(trained, {}).setdefault(tested, {})[label] = float(f1)
    return found


def _agreement(folder: StudyFolder) -> dict[Runtime, dict[str, Agreement]]:
    document = json.loads(folder.agreement.read_text())
    return {
        Runtime(runtime): {name: Agreement.model_validate(one) for name, one in of_heads.items()}
        for runtime, of_heads in document.items()
    }
