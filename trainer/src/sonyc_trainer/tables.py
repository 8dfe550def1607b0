"""The files through which stages meet: Parquet tables with fixed columns, written whole, and the audio they name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sonyc_contract.codec import decode
from sonyc_contract.errors import CodecError
from sonyc_contract.files import whole_file
from sonyc_trainer.errors import StageError

if TYPE_CHECKING:
    import pandas as pd

    from sonyc_contract.audio import FloatArray

_LABELS: Final = "labels"

CLIPS: Final = ("clip_id", "dataset", "path", "labels", "group", "fold", "is_background", "only_trains")
"""A row per listed clip: unique id `<dataset>/<name>`, dataset, absolute path, list of SONYC classes present (empty for
none of these), `group` (source recording or sensor, unique over datasets), `fold` (integer, -1 where there is none),
whether the study says that it holds none of the eight classes, and whether it is learned from but never judged."""

SELECTION: Final = ("clip_id", "dataset", "path", "labels", "group", "fold", "only_trains", "split")
"""A row per clip that is used: the list of its classes (one, unless the study is multi-label; none of a background
clip), and `train`, `validation` or `test`; always `train` of a clip that only trains."""

TRIMMED: Final = ("clip_id", "labels", "group", "split", "file", "start_s", "duration_s", "snr_db", "short", "cut")
"""A row per trimmed clip: FLAC file at the storage rate, relative to the table's folder; where in the clip
it starts."""

CODED: Final = ("clip_id", "labels", "group", "split", "file", "n_bytes", "duration_s")
"""A row per clip at one level; file relative to the table's folder."""

EMBEDDINGS: Final = ("clip_id", "labels", "group", "split", "window", "embedding")
"""A row per window: index of the window in its clip, and its embedding as a list of float32."""

PREDICTIONS: Final = ("clip_id", "labels", "group", "split", "trained", "tested", "seed", "probabilities")
"""A row per clip, head, seed (counted from 0; the first is the bundle's) and tested level: eight calibrated
probabilities in taxonomy order."""


def write_table(path: Path, frame: "pd.DataFrame", columns: tuple[str, ...]) -> None:
    """Write a table whole, with exactly `columns` in this order."""
    with whole_file(path) as part:
        frame.loc[:, list(columns)].to_parquet(part, index=False)


def read_table(path: Path, columns: tuple[str, ...]) -> "pd.DataFrame":
    """Read a table and check its columns.

    Raises:
        StageError: the file is missing, damaged, or another table.
    """
    import pandas as pd

    if not path.is_file():
        raise StageError(f"{path} is missing: run the stage that writes it")
    try:
        frame = pd.read_parquet(path)
    except ValueError as error:  # pyarrow's ArrowInvalid among them
        raise damaged(path, error) from error
    if tuple(frame.columns) != columns:
        raise StageError(f"{path} has the columns {', '.join(frame.columns)}; expected {', '.join(columns)}")
    if _LABELS in columns:
        frame[_LABELS] = frame[_LABELS].map(list)  # Parquet gives arrays, which can be neither compared nor sent on
    return frame


def read_clip(path: Path) -> "tuple[FloatArray, int]":
    """Decode the audio file of a row: float32 [n], and its rate in Hz.

    Raises:
        StageError: the file is missing or damaged.
    """
    try:
        return decode(path.read_bytes())
    except (OSError, CodecError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, reason: object) -> StageError:
    """Give the error for a file of a stage that is not as the stage left it."""
    return StageError(f"{path} is damaged ({reason}): delete its stage's folder and give the same command again")


def rows_of(frame: "pd.DataFrame", columns: Sequence[str]) -> list[dict[str, Any]]:
    """Give columns of a table as a dictionary per row, to be sent to other processes."""
    values = frame.loc[:, list(columns)].itertuples(index=False, name=None)
    return [dict(zip(columns, row, strict=True)) for row in values]
