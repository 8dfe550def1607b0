"""Background clips: recordings that hold none of the eight classes, and how often something is detected in them.

In the tables of the stages a background clip is a clip without a label: what has no label and was not said to be
background does not come past stage `select` of a single-label study.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.labels import LABELS
from sonyc_contract.recognise import HeadSpec, Probabilities
from sonyc_trainer.findings import ANY_CLASS, BackgroundFinding
from sonyc_trainer.statistics.counts import Flags
from sonyc_trainer.statistics.proportions import wilson

if TYPE_CHECKING:
    from sonyc_trainer.head_outputs import SplitOutputs

BACKGROUND: Final = "background"
"""What tables call it beside the eight classes."""


def is_background(labels: Iterable[Sequence[str]]) -> NDArray[np.bool_]:
    """Say of each clip whether it has no class, bool [n]."""
    return np.array([len(of_clip) == 0 for of_clip in labels], dtype=bool)


def background_findings(
    split: str, outputs: "SplitOutputs", probabilities: Probabilities, specs: Mapping[str, HeadSpec]
) -> list[BackgroundFinding]:
    """Count the background clips of a split with a detection as a node makes it, over the threshold of its class.

    Args:
        split: Its name.
        outputs: All its clips.
        probabilities: float64 [n_heads, n_levels, n_clips, 8], calibrated.
        specs: Thresholds, by head.

    Returns:
        By dataset, head, level, and class or `any`; none where the split has no background clip.
    """
    clips = outputs.clips[["clip_id", "group"]].assign(
        position=np.arange(len(outputs.clips)), dataset=outputs.clips["clip_id"].str.partition("/")[0]
    )
    found = []
    for dataset, rows in clips[is_background(outputs.clips["labels"])].groupby("dataset"):
        positions, n_groups = rows["position"].to_numpy(), int(rows["group"].nunique())
        for h, head in enumerate(outputs.heads):
            for k, level in enumerate(outputs.levels):
                flags = probabilities[h, k, positions] >= np.asarray(specs[head].thresholds)
                found += [
                    BackgroundFinding(
                        *(split, str(dataset), head, level, label, len(flags), n_groups, n, wilson(n, len(flags)))
                    )
                    for label, n in _counts(flags)
                ]
    return found


def _counts(flags: Flags) -> Iterator[tuple[str, int]]:
    """Give the clips with any detection, then those with one of each class, from bool [n_clips, 8]."""
    yield ANY_CLASS, int(np.count_nonzero(flags.any(axis=1)))
    yield from zip(LABELS, flags.sum(axis=0).tolist(), strict=True)
