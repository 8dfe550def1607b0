"""The yardstick for embeddings: a logistic regression on clip means, one fold left out at a time, predictions pooled.

Every embedding of a study (its own and its variants') is judged on the same clips with the same classifier:
standardised, C = 0.05, balanced classes. A fold's clips are predicted by what was learned from all other folds, without
the recordings that the fold holds too. The intervals are of the paired bootstrap by recording. Background, and clips
that only train, are not part of it: an embedding may have learned from them, the classifier does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_contract.labels import LABELS, N_LABELS
from sonyc_contract.levels import Level
from sonyc_contract.recognise import ANY_HEAD, Probabilities
from sonyc_trainer.background_clips import is_background
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.embedding import load_embedding
from sonyc_trainer.embeddings.vectors import read_vectors
from sonyc_trainer.errors import SelectionError
from sonyc_trainer.findings import CellFinding, Comparison, Difference, Flips
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.learning import class_flags
from sonyc_trainer.pipeline import Listener, run_embeddings, run_study
from sonyc_trainer.stages import Stage
from sonyc_trainer.statistics.comparison import Comparisons, Decisions, flips_of
from sonyc_trainer.statistics.counts import one_hot
from sonyc_trainer.tables import SELECTION, read_table

if TYPE_CHECKING:
    import pandas as pd

REGULARISATION_C: Final = 0.05
STD_FLOOR: Final = 0.05
"""Of the mean standard deviation: nearly dead dimensions would upset the standardisation."""
ONLY_IN_ONE_DATASET: Final = "powered-saw"
"""Its clips may be known by how their dataset was recorded, so that figures are given without it too."""


@dataclass(frozen=True)
class Contest:
    """What is judged.

    Attributes:
        clips: A row per clip, of table `SELECTION`; each has a class and may be judged.
        folds: Those that are left out in turn; clips of other folds always train.
        levels: Levels of the clips.
        means: By contestant and level, and by fold that is left out, float32 [n_clips, n_dimensions]: the mean over a
            clip's windows. An embedding that learned from audio itself has another one for every fold.
    """

    clips: "pd.DataFrame"
    folds: tuple[int, ...]
    levels: tuple[str, ...]
    means: Mapping[tuple[str, str], Mapping[int, FloatArray]]


@dataclass(frozen=True)
class Judged:
    """What was found.

    Attributes:
        cells: Every contestant at every level; `trained` is its name.
        without: The same without the clips of `powered-saw`.
        differences: To the reference contestant at the same level, and to itself at the first level.
        flips: Clips that are decided otherwise than at the first level.
        per_fold: Macro-F1 by contestant, level and fold.
    """

    cells: tuple[CellFinding, ...]
    without: tuple[CellFinding, ...]
    differences: tuple[Difference, ...]
    flips: tuple[Flips, ...]
    per_fold: Mapping[tuple[str, str], tuple[float, ...]]


def check_fair(
    folder: StudyFolder, folds: Sequence[int], *, by_fold: Mapping[str, Sequence[str]] | None = None
) -> None:
    """See that no embedding learns in the run from a fold that judges it.

    Raises:
        SelectionError: one does.
    """
    judges = {
        member: {fold} for members in (by_fold or {}).values() for fold, member in zip(folds, members, strict=False)
    }
    for name, of in {"[embedding]": folder, **folder.variants()}.items():
        if of.study.embedding.kind != "compact" or of.study.embedding.weights is not None:
            continue
        distil = of.study.pretrain.distil
        if distil is None or judges.get(name, set(folds)) != {distil.without_fold}:
            raise SelectionError(
                f"{name}: 'compact' would learn from a fold that judges it: give a bundle that did not, with --model "
                "compact=FILE, or distil one for every fold (sonyc-trainer distill --yardstick)"
            )


def embed_contestants(
    folder: StudyFolder, context: StageContext, folds: Sequence[int], *, on_stage: Listener | None = None
) -> None:
    """Run a study and its variants up to their embeddings, once the folds are known to be there.

    Raises:
        SelectionError: no clip is of one of the folds; nothing was cut or coded.
        TrainerError: as of `run_study`.
    """
    run_study(folder, context, until=Stage.SELECT)
    _judged_clips(folder, folds)
    run_embeddings(folder, context, on_stage=on_stage)


def read_contest(
    folder: StudyFolder, folds: Sequence[int], *, by_fold: Mapping[str, Sequence[str]] | None = None
) -> Contest:
    """Read the embeddings of a study and of its variants whose stage `embed` is finished.

    Args:
        folder: The study.
        folds: Those that are left out in turn.
        by_fold: Contestants that are several variants, one for every fold of `folds`, in its order: each learned
            without that fold.

    Raises:
        StageError: embeddings are missing.
        SelectionError: no clip is of one of the folds, or a contestant has not as many variants as there are folds.
    """
    clips = _judged_clips(folder, folds)
    variants = {name: of for name, of in folder.variants().items() if not of.left_out.is_file()}
    of_study = {folder.study.embedding.kind.partition(":")[0]: folder, **variants}
    joined = _joined(by_fold or {}, of_study, len(folds))
    levels = tuple(level.value for level in folder.study.compress.levels)
    means = {
        (name, level): {
            fold: _means(of_study[member], Level(level), clips) for fold, member in zip(folds, members, strict=True)
        }
        for name, members in joined.items()
        for level in levels
    }
    return Contest(clips, tuple(folds), levels, means)


def _judged_clips(folder: StudyFolder, folds: Sequence[int]) -> "pd.DataFrame":
    selected = read_table(folder.selection, SELECTION)
    clips = selected[~is_background(selected["labels"]) & ~selected["only_trains"].to_numpy()]
    if missing := [fold for fold in folds if fold not in set(clips["fold"])]:
        raise SelectionError(f"no clip is of fold {missing[0]}; there are {sorted(set(clips['fold']))}")
    return clips


def judge(contest: Contest, *, reference: str, seed: int, robust: Sequence[str] = ()) -> Judged:
    """Predict every fold's clips, and compare the contestants with `reference`.

    Args:
        contest: Clips and embeddings.
        reference: The contestant that the others are compared with.
        seed: Of the bootstrap.
        robust: Contestants that are judged a second time, as `NAME-any`, with one classifier that has learned from all
            levels; the others have one per level.

    Raises:
        SelectionError: `reference` is no contestant, or one of `robust` is none.
    """
    contestants = tuple(dict.fromkeys(name for name, _ in contest.means))
    for name in (reference, *robust):
        if name not in contestants:
            raise SelectionError(f"{name!r} is none of the embeddings: {', '.join(contestants)}")
    tested = contest.clips["fold"].isin(contest.folds).to_numpy()
    heads = {name: (name, False) for name in contestants} | {f"{name}-{ANY_HEAD}": (name, True) for name in robust}
    names = tuple(heads)
    probabilities = np.stack([_of_head(contest, *heads[name])[:, tested] for name in names])
    clips = contest.clips[tested]
    of_all = _decisions(contest, names, reference, clips, probabilities)
    found = Comparisons(of_all, seed=seed)
    keeps = ~clips["labels"].map(lambda labels: ONLY_IN_ONE_DATASET in labels).to_numpy()
    others = _decisions(contest, names, reference, clips[keeps], probabilities[:, :, keeps])
    return Judged(
        cells=tuple(found.cells()),
        without=tuple(Comparisons(others, seed=seed).cells()),
        differences=tuple(one for one in found.differences() if one.comparison is not Comparison.DEPLOYED),
        flips=tuple(flips_of(of_all)),
        per_fold={
            (name, level): tuple(
                _macro_f1(of_all, (h, k), (clips["fold"] == fold).to_numpy()) for fold in contest.folds
            )
            for h, name in enumerate(names)
            for k, level in enumerate(contest.levels)
        },
    )


def fit_and_predict(train: FloatArray, labels: Sequence[int], test: FloatArray, *, n_copies: int = 1) -> Probabilities:
    """Learn from clip means and give the probabilities of others, float64 [n_test, 8]; classes never seen have 0.

    Args:
        train: float32 [n_train, n_dimensions].
        labels: Class index of each, as long.
        test: float32 [n_test, n_dimensions].
        n_copies: How often each clip is in `train`, at another level each time; they count as much as one.
    """
    from sklearn.linear_model import LogisticRegression

    mean, std = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    std = np.maximum(std, max(STD_FLOOR * float(std.mean()), 1e-6))
    model = LogisticRegression(C=REGULARISATION_C / n_copies, class_weight="balanced", max_iter=5_000)
    model.fit((train - mean) / std, labels)
    found = np.zeros((len(test), N_LABELS))
    found[:, model.classes_] = model.predict_proba((test - mean) / std)
    return found


def _joined(
    by_fold: Mapping[str, Sequence[str]], of_study: Mapping[str, StudyFolder], n_folds: int
) -> dict[str, Sequence[str]]:
    """Give the variants of each contestant, one per fold."""
    taken = {member for members in by_fold.values() for member in members}
    for name, members in by_fold.items():
        if len(members) != n_folds or not set(members) <= set(of_study):
            raise SelectionError(f"{name!r} needs {n_folds} of {', '.join(of_study)}, one per fold")
    alone: dict[str, Sequence[str]] = {name: [name] * n_folds for name in of_study if name not in taken}
    return {**alone, **by_fold}


def _means(folder: StudyFolder, level: Level, clips: "pd.DataFrame") -> FloatArray:
    vectors = read_vectors(folder.embeddings(level), embedding_id=load_embedding(folder.embedding_model).id)
    by_clip = {
        clip_id: windows.mean(axis=0)
        for clip_id, windows in zip(vectors.clips["clip_id"], vectors.per_clip(), strict=True)
    }
    return np.stack([by_clip[clip_id] for clip_id in clips["clip_id"]])


def _of_head(contest: Contest, name: str, is_robust: bool) -> Probabilities:
    """Give probabilities at every level, float64 [n_levels, n_clips, 8], by a classifier per level or one for all."""
    learned = [contest.levels if is_robust else (level,) for level in contest.levels]
    return np.stack([_predicted(contest, name, level, of) for level, of in zip(contest.levels, learned, strict=True)])


def _predicted(contest: Contest, name: str, level: str, learned: Sequence[str]) -> Probabilities:
    """Give probabilities of every clip of the folds, float64 [n_clips, 8]; clips that always train keep 0."""
    labels = np.array([LABELS.index(labels[0]) for labels in contest.clips["labels"]])
    folds, groups = contest.clips["fold"].to_numpy(), contest.clips["group"].to_numpy()
    found = np.zeros((len(labels), N_LABELS))
    for fold in contest.folds:
        is_test = folds == fold
        trains = ~is_test & ~np.isin(groups, groups[is_test])
        train = np.concatenate([contest.means[name, one][fold][trains] for one in learned])
        test = contest.means[name, level][fold][is_test]
        found[is_test] = fit_and_predict(train, labels[trains].tolist() * len(learned), test, n_copies=len(learned))
    return found


def _decisions(
    contest: Contest, names: tuple[str, ...], reference: str, clips: "pd.DataFrame", probabilities: Probabilities
) -> Decisions:
    return Decisions(
        heads=names,
        levels=contest.levels,
        reference=contest.levels[0],
        served_by=dict.fromkeys(contest.levels, reference),
        groups=list(clips["group"]),
        truth=class_flags(clips["labels"]),
        probabilities=probabilities[np.newaxis],
        decided=one_hot(probabilities.argmax(axis=-1))[np.newaxis],
    )


def _macro_f1(of: Decisions, cell: tuple[int, int], chosen: NDArray[np.bool_]) -> float:
    from sonyc_trainer.metrics import macro_f1

    return macro_f1(of.truth[chosen], of.decided[0][cell][chosen])
