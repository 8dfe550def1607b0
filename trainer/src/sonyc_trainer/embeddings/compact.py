"""`compact`: our own embedding, a small convolution network on the front end of the same name."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonyc_contract.frontend import COMPACT
from sonyc_contract.recognise import EmbeddingSpec
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.compact_frames import make_frames
from sonyc_trainer.embeddings.compact_training import TrainingJob, train_compact
from sonyc_trainer.embeddings.embedding import Embedding
from sonyc_trainer.errors import TrainingError
from sonyc_trainer.execution import run_one
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import Study
from sonyc_trainer.tables import CODED, read_table

WINDOW_S: Final = 0.975
"""96 frames of 25 ms every 10 ms."""

CURVE_FILE: Final = "curve.csv"
LOG_FILE: Final = "tensorflow.log"


@dataclass(frozen=True)
class CompactEmbedding:
    """`compact`, trained in the run on the study's training clips."""

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
            TrainingError: there is nothing to train on or to stop by, or the training went astray.
        """
        levels = self.study.pretrain.levels
        splits = set(read_table(folder.coded(levels[0]), CODED)["split"])
        if missing := {"train", "validation"} - splits:
            raise TrainingError(f"no {min(missing)} clips to train 'compact' with: change [split], or add clips")
        stage_folder = folder.of(Stage.PRETRAIN)
        frames = make_frames(folder, levels, COMPACT, window_s=WINDOW_S, context=context)
        job = TrainingJob(
            spec=self.spec,
            settings=self.study.pretrain,
            labels=self.study.labels,
            seed=self.study.seed,
            frames=frames,
            curve=stage_folder / CURVE_FILE,
            log=stage_folder / LOG_FILE,
        )
        embedding = self._train(job, context)
        shutil.rmtree(stage_folder / "frames")
        return embedding

    def _train(self, job: TrainingJob, context: StageContext) -> Embedding:
        """Train in a process of its own, and follow its curve."""
        n_epochs, n_done = self.study.pretrain.epochs, 0
        job.curve.unlink(missing_ok=True)

        def follow() -> None:
            nonlocal n_done
            n_now = _n_epochs_in(job.curve)
            advance(n_now - n_done)
            n_done = n_now

        with context.progress.task("pretrain: epochs", n_epochs) as advance, context.executor() as executor:
            embedding = run_one(executor, train_compact, job, meanwhile=follow)
            advance(n_epochs - n_done)
            return embedding


def _n_epochs_in(curve: Path) -> int:
    return max(0, curve.read_text().count("\n") - 1) if curve.is_file() else 0
