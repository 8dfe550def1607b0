"""A study beside its variants: cells and differences, as stage `compare` writes them and the report reads them.

In both tables `trained` is the name of a variant, or `study`; each level is tested with the head that serves it there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonyc_trainer.findings import CellFinding, Difference
from sonyc_trainer.records import read_records, write_records

_CELLS_FILE: Final = "cells.csv"
_DIFFERENCES_FILE: Final = "differences.csv"


@dataclass(frozen=True)
class Compared:
    """What was found; both empty where a study has no variants.

    Attributes:
        cells: The study and each variant, at every level.
        differences: Each variant minus the study at the same level (`trained`), and the study and each variant at a
            level minus itself at the reference level (`tested`).
    """

    cells: tuple[CellFinding, ...]
    differences: tuple[Difference, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The study and its variants, in their order."""
        return tuple(dict.fromkeys(cell.trained for cell in self.cells))


def write_compared(target: Path, compared: Compared) -> None:
    """Write both tables into a folder, each whole."""
    write_records(target / _CELLS_FILE, CellFinding, compared.cells)
    write_records(target / _DIFFERENCES_FILE, Difference, compared.differences)


def read_compared(target: Path) -> Compared:
    """Read both tables of a folder.

    Raises:
        StageError: one is missing, or is another table.
    """
    cells = read_records(target / _CELLS_FILE, CellFinding)
    return Compared(cells, read_records(target / _DIFFERENCES_FILE, Difference))
