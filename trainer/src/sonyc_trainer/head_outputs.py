"""What the heads of a study say of the validation and test clips at every level, with the runtime that nodes use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_contract.recognise import HeadSpec, Probabilities, calibrated
from sonyc_contract.runtime import Interpreter
from sonyc_trainer.attention import ClipPooling, clip_logits
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.embedding import load_embedding, open_quietly
from sonyc_trainer.embeddings.vectors import ClipVectors, read_vectors
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.learning import class_flags
from sonyc_trainer.statistics.counts import Flags

if TYPE_CHECKING:
    import pandas as pd

VALIDATION: Final = "validation"
TEST: Final = "test"


@dataclass(frozen=True)
class SplitOutputs:
    """What all heads say of the clips of one split.

    Attributes:
        clips: A row per clip: `clip_id`, `labels`, `group`, `split`.
        heads: Names of the heads.
        levels: Names of the levels.
        logits: float32 [n_seeds, n_heads, n_levels, n_clips, 8], pooled over the windows of a clip.
        embeddings: float32 [n_levels, n_clips, n_dimensions], the mean over the windows of a clip.
    """

    clips: "pd.DataFrame"
    heads: tuple[str, ...]
    levels: tuple[str, ...]
    logits: FloatArray
    embeddings: FloatArray

    @property
    def truth(self) -> Flags:
        """Classes that are in each clip, bool [n_clips, 8]."""
        return class_flags(self.clips["labels"])

    def probabilities(self, specs: Sequence[Mapping[str, HeadSpec]]) -> Probabilities:
        """Calibrate as nodes do: float64, the shape of `logits`, with what was chosen by seed and head."""
        found = np.zeros(self.logits.shape)
        for seed, of_heads in enumerate(specs):
            for index, name in enumerate(self.heads):
                found[seed, index] = calibrated(self.logits[seed, index], of_heads[name].calibration)
        return found

    def of_clips(self, chosen: NDArray[np.bool_]) -> "SplitOutputs":
        """Give some of the clips, bool [n_clips], in the same order."""
        clips = self.clips[chosen].reset_index(drop=True)
        logits, embeddings = self.logits[..., chosen, :], self.embeddings[:, chosen]
        return SplitOutputs(clips, self.heads, self.levels, logits, embeddings)

    def served(self, seed: int, head: str, levels: Sequence[str]) -> tuple[FloatArray, Flags]:
        """Give logits [n, 8] and truth [n, 8] of one head at some levels, each clip once at every level."""
        at = [self.levels.index(level) for level in levels]
        logits = self.logits[seed, self.heads.index(head), at]
        return logits.reshape(-1, logits.shape[-1]), np.tile(self.truth, (len(at), 1))


def head_outputs(folder: StudyFolder, context: StageContext) -> dict[str, SplitOutputs]:
    """Run all heads of all seeds over the clips of the splits `validation` and `test`.

    Returns:
        By split; a split without clips is missing.

    Raises:
        StageError: embeddings are missing, or are of another embedding.
        ModelError: a head does not load.
    """
    heads = [
        [open_quietly(folder.head_model(name, seed).read_bytes()) for name in folder.head_names]
        for seed in range(folder.study.train.seeds)
    ]
    embedding_id = load_embedding(folder.embedding_model).id
    found: dict[str, list[_LevelOutputs]] = {VALIDATION: [], TEST: []}
    with context.progress.task("evaluate: trained x tested", len(folder.study.compress.levels)) as advance:
        for level in folder.study.compress.levels:
            vectors = read_vectors(folder.embeddings(level), embedding_id=embedding_id)
            for split, of_levels in found.items():
                of_levels.append(_level_outputs(vectors.of_split(split), heads, folder.study.embedding.pooling))
            advance(1)
    return {split: _joined(folder, of_levels) for split, of_levels in found.items() if len(of_levels[0].clips)}


@dataclass(frozen=True)
class _LevelOutputs:
    """The same of one level: logits float32 [n_seeds, n_heads, n_clips, 8], embeddings [n_clips, n_dimensions]."""

    clips: "pd.DataFrame"
    logits: FloatArray
    embeddings: FloatArray


def _level_outputs(vectors: ClipVectors, heads: Sequence[Sequence[Interpreter]], pooling: ClipPooling) -> _LevelOutputs:
    clips = vectors.per_clip()
    logits = [[[clip_logits(clip, head, pooling) for clip in clips] for head in of_seed] for of_seed in heads]
    embeddings = [clip.mean(axis=0) for clip in clips]
    return _LevelOutputs(vectors.clips, np.array(logits, np.float32), np.array(embeddings, np.float32))


def _joined(folder: StudyFolder, of_levels: Sequence[_LevelOutputs]) -> SplitOutputs:
    return SplitOutputs(
        clips=of_levels[0].clips,
        heads=folder.head_names,
        levels=tuple(level.value for level in folder.study.compress.levels),
        logits=np.stack([level.logits for level in of_levels], axis=2),
        embeddings=np.stack([level.embeddings for level in of_levels]),
    )
