"""Stage `compare`: the study and its variants on the same clips, each with the heads that it would serve them with."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from sonyc_contract.levels import Level
from sonyc_contract.recognise import ANY_HEAD, Probabilities
from sonyc_trainer.compared import Compared, write_compared
from sonyc_trainer.context import StageContext
from sonyc_trainer.deciding import LabelMode, decided, is_judged
from sonyc_trainer.errors import StageError
from sonyc_trainer.folder import LAST_OF_VARIANTS, StudyFolder
from sonyc_trainer.head_outputs import TEST
from sonyc_trainer.learning import class_flags
from sonyc_trainer.ledger import named, read_dropped, write_notes
from sonyc_trainer.stages import Stage
from sonyc_trainer.statistics.comparison import Comparisons, Decisions
from sonyc_trainer.statistics.counts import Flags
from sonyc_trainer.study.comparisons import BASE
from sonyc_trainer.tables import PREDICTIONS, read_table

if TYPE_CHECKING:
    import pandas as pd

LEFT_OUT: Final = "Not compared: {name}. {reason}"
DROPPED_BY: Final = "Clips that only variant {name} dropped, as {rules}: {clips}; variants are compared without them."


def run(folder: StudyFolder, context: StageContext) -> None:
    """Set every variant that was trained and tested beside the study.

    Raises:
        StageError: predictions are missing or damaged, or a variant has no clip in common with the study.
    """
    variants = folder.variants()
    done = {name: variant for name, variant in variants.items() if variant.is_done(LAST_OF_VARIANTS)}
    with context.progress.task("compare", 1) as advance:
        compared = _compared(folder, done) if done else Compared((), ())
        write_compared(folder.of(Stage.COMPARE), compared)
        missing = [(name, variant.left_out.read_text()) for name, variant in variants.items() if name not in done]
        notes = [LEFT_OUT.format(name=name, reason=reason) for name, reason in missing]
        notes += _dropped_notes(folder, done)
        write_notes(folder.notes(Stage.COMPARE), notes)
        advance(1)


def _dropped_notes(folder: StudyFolder, done: Mapping[str, StudyFolder]) -> list[str]:
    """Name the clips that a variant dropped and the study did not; they are compared with none."""
    own = set(read_dropped(folder)["clip_id"])
    notes = []
    for name, variant in done.items():
        dropped = read_dropped(variant)
        lost = dropped[~dropped["clip_id"].isin(own)]
        if len(lost):
            rules = " or ".join(sorted(set(lost["rule"])))
            notes.append(DROPPED_BY.format(name=name, rules=rules, clips=named(lost["clip_id"].to_list())))
    return notes


def _compared(folder: StudyFolder, done: Mapping[str, StudyFolder]) -> Compared:
    models = {BASE: folder, **done}
    predictions = {name: _predictions(model) for name, model in models.items()}
    clips = _common_clips(predictions)
    levels = tuple(level.value for level in folder.study.compress.levels)
    of_models = [_served(models[name], frame, list(clips["clip_id"])) for name, frame in predictions.items()]
    n_seeds = min(len(probabilities) for probabilities, _ in of_models)
    decisions = Decisions(
        heads=tuple(models),
        levels=levels,
        reference=Level.PCM.value if Level.PCM.value in levels else levels[0],
        served_by=dict.fromkeys(levels, BASE),
        groups=list(clips["group"]),
        truth=class_flags(clips["labels"]),
        probabilities=np.stack([probabilities[:n_seeds] for probabilities, _ in of_models], axis=1),
        decided=np.stack([flags[:n_seeds] for _, flags in of_models], axis=1),
    )
    found = Comparisons(decisions, seed=folder.study.seed)
    return Compared(tuple(found.cells()), tuple(found.differences()))


def _predictions(folder: StudyFolder) -> "pd.DataFrame":
    """Read what a study's heads say of the reported split, at the levels that they serve."""
    frame = read_table(folder.predictions, PREDICTIONS)
    frame = frame[is_judged(class_flags(frame["labels"]), folder.study.labels)]
    split = TEST if TEST in set(frame["split"]) else frame["split"].iloc[0]
    heads = folder.head_names
    serving = {
        level.value: level.value if level in heads else ANY_HEAD if ANY_HEAD in heads else heads[0]
        for level in folder.study.compress.levels
    }
    return frame[(frame["split"] == split) & (frame["trained"] == frame["tested"].map(serving))]


def _common_clips(predictions: Mapping[str, "pd.DataFrame"]) -> "pd.DataFrame":
    """Give clip, group and labels of the clips that every model was tested with, in the study's order."""
    own = predictions[BASE].drop_duplicates("clip_id")[["clip_id", "group", "labels"]]
    for name, frame in predictions.items():
        own = own[own["clip_id"].isin(set(frame["clip_id"]))]
        if own.empty:
            raise StageError(f"the comparison {name!r} was tested with none of the study's clips: change its [trim]")
    return own


def _served(folder: StudyFolder, frame: "pd.DataFrame", clip_ids: list[str]) -> tuple[Probabilities, Flags]:
    """Give probabilities and decided classes, [n_seeds, n_levels, n_clips, 8], clips in the order of `clip_ids`."""
    levels = [level.value for level in folder.study.compress.levels]
    # Thresholds of the first seed are all that is kept, and only studies of mixtures decide by them.
    n_seeds = folder.study.train.seeds if folder.study.labels is LabelMode.SINGLE else 1
    by_clip = frame.set_index(["seed", "tested", "clip_id"])["probabilities"]
    wanted = [(seed, level, clip_id) for seed in range(n_seeds) for level in levels for clip_id in clip_ids]
    stacked = np.stack(by_clip.loc[wanted].to_list())
    probabilities = stacked.reshape(n_seeds, len(levels), len(clip_ids), -1)
    specs = folder.read_head_specs()
    heads = frame.drop_duplicates("tested").set_index("tested")["trained"]
    flags = np.zeros(probabilities.shape, dtype=bool)
    for k, level in enumerate(levels):
        thresholds = specs[heads[level]].thresholds
        flags[:, k] = decided(probabilities[:, k], folder.study.labels, thresholds)
    return probabilities, flags
