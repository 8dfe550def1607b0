"""The eight coarse classes of SONYC-UST, in the order of its taxonomy."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

LABELS: Final = (
    "engine",
    "machinery-impact",
    "non-machinery-impact",
    "powered-saw",
    "alert-signal",
    "music",
    "human-voice",
    "dog",
)
N_LABELS: Final = len(LABELS)
LABEL_INDEX: Final[Mapping[str, int]] = {name: index for index, name in enumerate(LABELS)}


def by_label(values: Sequence[float] | NDArray[np.float32] | NDArray[np.float64]) -> dict[str, float]:
    """Name eight values, given in taxonomy order, by their classes."""
    if len(values) != N_LABELS:
        raise ValueError(f"{len(values)} values for {N_LABELS} classes")
    return {name: float(value) for name, value in zip(LABELS, values, strict=True)}
