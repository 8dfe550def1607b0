"""`compact`: our own embedding, a small convolution network on the front end of the same name."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from sonyc_contract.frontend import COMPACT
from sonyc_contract.levels import Level
from sonyc_contract.recognise import EmbeddingSpec
from sonyc_trainer.context import StageContext
from sonyc_trainer.cutting import TrimPlan
from sonyc_trainer.distillation.job import DistillationJob
from sonyc_trainer.distillation.learning import distil
from sonyc_trainer.distillation.teacher import Layer, read_teacher
from sonyc_trainer.embeddings.compact_frames import make_frames
from sonyc_trainer.embeddings.compact_training import TrainingJob, train_compact
from sonyc_trainer.embeddings.embedding import Embedding
from sonyc_trainer.embeddings.sound_frames import SoundPlan, find_sounds, make_sound_frames
from sonyc_trainer.errors import EmbeddingError, TrainingError
from sonyc_trainer.execution import run_one
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import DistilSettings, Study
from sonyc_trainer.tables import CODED, SELECTION, read_table

WINDOW_S: Final = 0.975
"""96 frames of 25 ms every 10 ms."""

CURVE_FILE: Final = "curve.csv"
LOG_FILE: Final = "tensorflow.log"

Job = TypeVar("Job", TrainingJob, DistillationJob)


@dataclass(frozen=True)
class CompactEmbedding:
    """`compact`, trained in the run on the study's training clips, or distilled with them from a teacher."""

    study: Study

    @property
    def spec(self) -> EmbeddingSpec:
        """What is to be trained."""
        return EmbeddingSpec(
            name="compact",
            frontend=COMPACT,
            window_s=WINDOW_S,
            hop_s=self.study.embedding.hop_s,
            n_dimensions=self.study.pretrain.n_dimensions,
        )

    def make(self, folder: StudyFolder, context: StageContext) -> Embedding:
        """Compute the log-mel of training and validation clips, train, and quantise.

        Raises:
            EmbeddingError: there is no teacher to distil from, or it is another one than the study's.
            TrainingError: there is nothing to train on or to stop by, or the training went astray.
        """
        settings, levels = self.study.pretrain, self.study.pretrain.levels
        splits = set(read_table(folder.coded(levels[0]), CODED)["split"])
        if missing := {"train", "validation"} - splits:
            raise TrainingError(f"no {min(missing)} clips to train 'compact' with: change [split], or add clips")
        stage_folder = folder.of(Stage.PRETRAIN)
        teacher = teacher_of(settings.distil) if settings.distil else []
        left_out = _clips_of(folder, settings.distil.without_fold) if settings.distil else set()
        frames = make_frames(folder, levels, self.spec, context=context, without=left_out)
        curve, log = stage_folder / CURVE_FILE, stage_folder / LOG_FILE
        if settings.distil:
            sounds = self._sounds(settings.distil, stage_folder / "frames" / "sounds", context)
            job = DistillationJob(self.spec, settings.distil, teacher, self.study.seed, frames, curve, log, sounds)
            embedding = _followed(distil, job, settings.distil.rounds * settings.distil.epochs, context)
        else:
            own = TrainingJob(self.spec, settings, self.study.labels, self.study.seed, frames, curve, log)
            embedding = _followed(train_compact, own, settings.epochs, context)
        shutil.rmtree(stage_folder / "frames")
        return embedding

    def _sounds(self, settings: DistilSettings, target: Path, context: StageContext) -> dict[Level, list[Path]]:
        """Compute the frames of the recordings that are heard beside the study's clips."""
        if settings.sounds is None:
            return {}
        files = find_sounds(settings.sounds, at_most=settings.n_sounds, seed=self.study.seed)
        trim = TrimPlan(self.study.trim, self.study.compress.storage_rate_hz)
        return make_sound_frames(files, target, SoundPlan(trim, self.study.pretrain.levels, self.spec), context=context)


def teacher_of(settings: DistilSettings) -> list[Layer]:
    """Read the teacher.

    Raises:
        EmbeddingError: none is named, or it is not the study's.
    """
    if settings.teacher is None:
        raise EmbeddingError(
            "[pretrain.distil] names no teacher: give YAMNet's TFLite file with --teacher FILE (docs/compact.md says "
            "where it is published)"
        )
    return read_teacher(settings.teacher, sha256=settings.teacher_sha256)


def _clips_of(folder: StudyFolder, fold: int | None) -> set[str]:
    """Give the clips of a fold, and all others of the recordings that are in it."""
    if fold is None:
        return set()
    selection = read_table(folder.selection, SELECTION)
    groups = set(selection.loc[selection["fold"] == fold, "group"])
    if not groups:
        raise TrainingError(f"[pretrain.distil] without_fold is {fold}; there are {sorted(set(selection['fold']))}")
    return set(selection.loc[selection["group"].isin(groups), "clip_id"])


def _followed(train: Callable[[Job], Embedding], job: Job, n_epochs: int, context: StageContext) -> Embedding:
    """Train in a process of its own, and follow its curve."""
    n_done = 0
    job.curve.unlink(missing_ok=True)

    def follow() -> None:
        nonlocal n_done
        n_now = _n_epochs_in(job.curve)
        advance(n_now - n_done)
        n_done = n_now

    advance: Callable[[int], None]
    with context.progress.task("pretrain: epochs", n_epochs) as advance, context.executor() as executor:
        embedding = run_one(executor, train, job, meanwhile=follow)
        advance(n_epochs - n_done)
        return embedding


def _n_epochs_in(curve: Path) -> int:
    return max(0, curve.read_text().count("\n") - 1) if curve.is_file() else 0
