"""What a distillation is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sonyc_contract.levels import Level
from sonyc_contract.recognise import EmbeddingSpec
from sonyc_trainer.distillation.teacher import Layer
from sonyc_trainer.study import DistilSettings


@dataclass(frozen=True)
class DistillationJob:
    """All that the process needs.

    Attributes:
        spec: The embedding that is wanted.
        settings: `[pretrain.distil]`.
        teacher: Its layers.
        seed: Of everything random.
        frames: Folders of frames by level, as `make_frames` gives them; the first level is `pcm`.
        sounds: The same of recordings without known classes, by the same levels; none where there are none.
        curve: Where the training curve is written, a line per epoch.
        log: Where TensorFlow's own output goes.
    """

    spec: EmbeddingSpec
    settings: DistilSettings
    teacher: list[Layer]
    seed: int
    frames: Mapping[Level, list[Path]]
    curve: Path
    log: Path
    sounds: Mapping[Level, list[Path]] = field(default_factory=dict)

    @property
    def n_frames(self) -> int:
        """Frames of log-mel in a window."""
        return self.spec.frontend.n_frames(round(self.spec.window_s * self.spec.frontend.rate_hz))
