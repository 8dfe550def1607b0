"""The cost table of a study: bytes per hour against macro-F1, and which codings nothing else beats in both."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonyc_trainer.errors import StageError
from sonyc_trainer.planning.codings import Coding, Family
from sonyc_trainer.statistics.bootstrap import Estimate

COSTS: Final = (
    *("family", "setting", "storage_rate_hz", "head", "bytes_per_hour", "n_clips"),
    *("macro_f1", "macro_f1_low", "macro_f1_high", "on_front"),
)
TIMINGS: Final = ("family", "setting", "storage_rate_hz", "encode_ms_per_s", "decode_ms_per_s")

_MISSING = "nan"


@dataclass(frozen=True)
class CostRow:
    """A coding with what it takes and what it leaves of recognition.

    Attributes:
        coding: The codec, its setting and its rate.
        head: The head that was tested.
        bytes_per_hour: Of the study's audio, in pieces of 10 s.
        n_clips: How many clips macro-F1 is of; 0 where it was not measured.
        macro_f1: With the interval by recording.
        is_on_front: Whether no other coding takes no more bytes and recognises better.
    """

    coding: Coding
    head: str
    bytes_per_hour: int
    n_clips: int
    macro_f1: Estimate
    is_on_front: bool

    def as_csv(self) -> tuple[object, ...]:
        """Give it as a row of `COSTS`."""
        coding, f1 = self.coding, self.macro_f1
        sizes = (coding.family.value, coding.setting, coding.rate_hz, self.head, self.bytes_per_hour, self.n_clips)
        return (*sizes, f1.value, f1.low, f1.high, self.is_on_front)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Say of each (cost, gain) whether no other costs no more and gains no less, one of both strictly."""
    return [
        not any(cost <= own_cost and gain >= own_gain and (cost, gain) != (own_cost, own_gain) for cost, gain in points)
        for own_cost, own_gain in points
    ]


def read_costs(path: Path) -> list[CostRow]:
    """Read the cost table.

    Raises:
        StageError: it is missing or is another table.
    """
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return [_row(row) for row in rows]
    except OSError as error:
        raise StageError(f"{path} is missing: run stage 'costs'") from error
    except (KeyError, ValueError) as error:
        raise StageError(f"{path} is no table of costs ({error}): run stage 'costs' again") from error


def _row(row: dict[str, str]) -> CostRow:
    coding = Coding(Family(row["family"]), row["setting"], int(row["storage_rate_hz"]))
    f1 = Estimate(*(float(row[name] or _MISSING) for name in ("macro_f1", "macro_f1_low", "macro_f1_high")))
    return CostRow(coding, row["head"], int(row["bytes_per_hour"]), int(row["n_clips"]), f1, row["on_front"] == "True")
