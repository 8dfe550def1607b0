"""Lists of clips, committed beside a study: which of a dataset's clips it takes, whoever's copy they come from."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonyc_trainer.datasets.listing import AUDIO_SUFFIXES
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.study import DatasetSettings

_COMMENT: Final = "#"
_N_SHOWN: Final = 3


@dataclass(frozen=True)
class ClipList:
    """A list that was read.

    Attributes:
        path: Its file.
        names: What stands after the dataset's name in the clips' ids, such as `fold1/101415-3-0-2`.
    """

    path: Path
    names: frozenset[str]

    def notes(self, dataset: str, n_there: int) -> list[str]:
        """Say for the report that a dataset's clips were chosen, out of how many; nothing where all are taken."""
        n_taken = len(self.names)
        said = f"Dataset {dataset}: of {n_there} clips the {n_taken} are taken that {self.path.name} names."
        return [said] if n_taken < n_there else []

    def check_found(self, found: Set[str], folder: Path) -> None:
        """See that every clip of the list is there.

        Args:
            found: Names of those that are.
            folder: Where they were looked for.

        Raises:
            DatasetError: naming the first that are missing, and how many there are.
        """
        if not (missing := sorted(self.names - found)):
            return
        shown = ", ".join(missing[:_N_SHOWN]) + (", ..." if len(missing) > _N_SHOWN else "")
        raise DatasetError(
            f"{folder}: {len(missing)} of the {len(self.names)} clips of {self.path} are not there ({shown}): is it "
            "the right folder, and has it the whole dataset? Else leave out the study's 'clips' to take what is there"
        )


def read_clip_list(settings: DatasetSettings) -> ClipList | None:
    """Read the list of a dataset; None where the study gives none.

    Raises:
        DatasetError: it cannot be read, is no text, names a clip twice or with its file's ending, or is empty.
    """
    path = settings.clips
    if path is None:
        return None
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not a list of names: byte {error.start} is no UTF-8") from error
    names: set[str] = set()
    for number, name in enumerate(lines, start=1):
        if name and not name.startswith(_COMMENT):
            _check(name, names, f"{path}, line {number}")
            names.add(name)
    if not names:
        raise DatasetError(f"{path}: names no clip")
    return ClipList(path, frozenset(names))


def _check(name: str, before: Set[str], where: str) -> None:
    if name in before:
        raise DatasetError(f"{where}: {name!r} is listed a second time")
    if Path(name).suffix.lower() in AUDIO_SUFFIXES:
        raise DatasetError(f"{where}: {name!r} is a file: leave out its ending, {Path(name).suffix}")
