"""Embeddings, and the heads that are trained on them."""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from sonyc_contract.errors import ConfigError
from sonyc_contract.frontend import COMPACT
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Pooling
from sonyc_contract.settings import Settings
from sonyc_trainer.attention import Attention, ClipPooling
from sonyc_trainer.study.clips import Levels


class OpenL3Settings(Settings):
    """What the openl3 package calls its options; its own defaults are music, 6144, centred."""

    content_type: Literal["env", "music"] = "env"
    """What its weights were trained on; it chooses among those that came with the package."""
    input_repr: Literal["linear", "mel128", "mel256"] = "mel256"
    """The spectrogram that the network takes."""
    size: Literal[512, 6144] = 512
    """Numbers per window."""
    centre: bool = False
    """Half a second of zeros comes before the clip, so that the first window is centred on its first sample."""


class EmbeddingSettings(Settings):
    """Which embedding, and how a clip's windows become one label."""

    kind: str = Field(default="compact", pattern=r"^(compact|openl3|edgel3-sea|log-mel|tflite:.+)$")
    """`compact` is trained in the run; `openl3`, `edgel3-sea` and `tflite:PATH`, such as YAMNet, are given. `log-mel`
    is no model: mean and standard deviation of mel bands, which every embedding has to be better than."""
    weights: Path | None = None
    """`compact`: a bundle whose embedding is used instead of training one in the run, or the `spec.json` of one that a
    study made. `edgel3-sea`: its Keras weights,
    `.h5` or `.h5.gz`, or those that are published, which are fetched. `openl3`: its weights in the same forms, or those
    that came with the package."""
    weights_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """`openl3`: what the digest of the file must be."""
    openl3: OpenL3Settings = OpenL3Settings()
    frontend: str | None = None
    """`tflite:PATH`: the front end whose log-mel the model takes; a model that takes the waveform has none."""
    window_s: float | None = Field(default=None, gt=0, le=60)
    """`tflite:PATH`: length of the model's window; 1 s where it is not given."""
    hop_s: float = Field(default=0.96, ge=0.01, le=60)
    """From one window of a clip to the next."""
    pooling: ClipPooling = Pooling.MEAN_EMBEDDING
    """How windows become one label; `attention` is learned, and for `[[compare]]` only: nodes do not have it."""

    @model_validator(mode="after")
    def _fits_kind(self) -> "EmbeddingSettings":
        if self.model_path is None and (self.frontend is not None or self.window_s is not None):
            raise ValueError("'frontend' and 'window_s' belong to kind 'tflite:PATH'")
        if self.model_path is not None and self.weights is not None:
            raise ValueError("'weights' does not belong to kind 'tflite:PATH', which names its file itself")
        if self.kind != "openl3" and (self.weights_sha256 is not None or self.openl3 != OpenL3Settings()):
            raise ValueError("'openl3' and 'weights_sha256' belong to kind 'openl3'")
        is_ours = self.kind == "compact" and self.weights is None
        if is_ours and round(self.hop_s * COMPACT.rate_hz) % COMPACT.hop_samples:
            raise ValueError(f"hop_s of 'compact' must be a multiple of {COMPACT.hop_samples / COMPACT.rate_hz:g} s")
        return self

    @property
    def node_pooling(self) -> Pooling:
        """The pooling, which must be one that nodes have.

        Raises:
            ConfigError: it is attention.
        """
        if isinstance(self.pooling, Attention):
            raise ConfigError(
                "[embedding] pooling = 'attention' cannot run on nodes: name it in a [[compare]], beside a study that "
                f"pools by one of {', '.join(Pooling)}"
            )
        return self.pooling

    @property
    def model_path(self) -> Path | None:
        """File of `tflite:PATH`; None for the other kinds."""
        name, _, path = self.kind.partition(":")
        return Path(path) if name == "tflite" else None


class AugmentSettings(Settings):
    """How far windows are altered while the `compact` embedding is trained on them; 0 turns a part off."""

    gain_db: float = Field(default=10.0, ge=0, le=60)
    """Windows get up to this much louder or softer."""
    equaliser_db: float = Field(default=6.0, ge=0, le=60)
    """Largest gain of a random smooth filter."""
    mix_probability: float = Field(default=0.5, ge=0, le=1)
    """Share of windows that another one is added to."""
    mix_db: float = Field(default=10.0, ge=0, le=60)
    """How much louder or softer the added one can be."""
    n_masks: int = Field(default=1, ge=0, le=10)
    """Stretches of frames and of mels that are hidden."""
    mask_frames: int = Field(default=20, ge=0, le=1_000)
    """Longest stretch of frames that is hidden."""
    mask_mels: int = Field(default=10, ge=0, le=512)
    """Widest stretch of mels that is hidden."""


class MixtureSettings(Settings):
    """How clips are altered and mixed for the teacher and the student to hear; 0 turns a part off."""

    mix_probability: float = Field(default=0.6, ge=0, le=1)
    """Share of windows that another one is added to."""
    mix_db: float = Field(default=15.0, ge=0, le=60)
    """How much louder or softer the added one can be."""
    softer_db: float = Field(default=20.0, ge=0, le=60)
    """How much softer a mixture can be than its clips."""
    louder_db: float = Field(default=10.0, ge=0, le=60)
    """How much louder."""
    equaliser_db: float = Field(default=6.0, ge=0, le=60)
    """Largest gain of a random smooth filter."""
    stretch: float = Field(default=0.35, ge=0, le=1)
    """Largest change of tempo, as a natural logarithm: 0.35 is 1.4 times slower or faster."""
    spread: float = Field(default=0.2, ge=0, le=1)
    """Largest change of the distance between mels, as a natural logarithm."""
    shift_mels: float = Field(default=4.0, ge=0, le=64)
    """Largest shift along the mels."""
    turn_probability: float = Field(default=0.3, ge=0, le=1)
    """Share of windows that run backwards."""
    unaltered: float = Field(default=0.3, ge=0, le=1)
    """Share of windows that keep their tempo, and share of those that keep their mels."""
    last_level: float = Field(default=0.25, ge=0, le=1)
    """Share of clips that are heard at the last of `pretrain.levels`; the level of all others is drawn evenly."""


class DistilSettings(Settings):
    """Distillation of the `compact` embedding from a larger network, the teacher."""

    teacher: Path | None = None
    """A TFLite file of YAMNet; `distill` takes it as `--teacher FILE`, `run` as `--model teacher=FILE`."""
    teacher_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """What the digest of the file must be."""
    without_fold: int | None = Field(default=None, ge=0)
    """A fold that is left out altogether, with every recording that it has a piece of: for a yardstick that judges by
    it."""
    sounds: Path | None = None
    """A folder of recordings whose classes nobody knows, music, voices, effects: they are mixed as the study's clips
    are, and nothing but their sound is learned from. `distill` takes it as `--sounds DIR`."""
    n_sounds: int = Field(default=8_000, ge=1)
    """At most so many files of it."""
    width: float = Field(default=0.5, gt=0, le=1)
    """How many of the teacher's channels are kept."""
    n_last: int = Field(default=384, ge=8, le=1024)
    """Channels that are kept of its last layer."""
    rounds: int = Field(default=2, ge=1, le=100)
    """How often mixtures are drawn and learned from; the learning rate begins anew in each."""
    n_mixtures: int = Field(default=65_536, ge=1)
    """Windows that the teacher hears in a round."""
    epochs: int = Field(default=6, ge=1, le=1_000)
    """How often the student hears each of them in its round."""
    batch_size: int = Field(default=64, ge=1)
    """Windows per step."""
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    """Its peak: in a round it rises over the first 200 steps and falls along a cosine to 0."""
    weight_decay: float = Field(default=1e-4, ge=0, le=1)
    """Of AdamW."""
    view_weight: float = Field(default=4.0, ge=0, le=1_000)
    """Of the squared difference to the teacher's embedding, beside that of their directions, which counts 1."""
    found_weight: float = Field(default=0.5, ge=0, le=1_000)
    """Of the classes that a logistic regression finds in the teacher's embedding."""
    label_weight: float = Field(default=0.5, ge=0, le=1_000)
    """Of the classes that the clips of a mixture have."""
    mixtures: MixtureSettings = MixtureSettings()


class PretrainSettings(Settings):
    """Training of the `compact` embedding in the run."""

    levels: Levels = (Level.PCM,)
    """Levels whose training clips it sees."""
    n_channels: int = Field(default=16, ge=4, le=64)
    """Channels of its first layer; the others follow."""
    n_dimensions: int = Field(default=128, ge=8, le=1024)
    """Numbers per window."""
    epochs: int = Field(default=60, ge=1, le=10_000)
    """At most."""
    patience: int = Field(default=60, ge=1)
    """Epochs without a better validation loss after which to stop."""
    batch_size: int = Field(default=64, ge=1)
    """Windows per step."""
    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    """Its peak: it rises over the first twentieth of all steps and falls along a cosine to 0."""
    weight_decay: float = Field(default=1e-4, ge=0, le=1)
    """Of AdamW."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the numbers before the last layer that are left out at each step."""
    augment: AugmentSettings = AugmentSettings()
    distil: DistilSettings | None = None
    """With this table the embedding is distilled from a teacher. Of the keys above, only `levels`, which must begin
    with `pcm`, and `n_dimensions` count then."""

    @model_validator(mode="after")
    def _distils_from_pcm(self) -> "PretrainSettings":
        if self.distil is not None and self.levels[0] is not Level.PCM:
            raise ValueError("levels must begin with 'pcm' to distil: it is what the teacher hears")
        return self


class ClassWeights(StrEnum):
    """How much a clip counts while a head learns."""

    BALANCED = "balanced"
    """All classes count alike, however many clips they have; so do background clips of a single-label study, as one
    more class."""
    NONE = "none"
    """All clips count alike."""


class TrainSettings(Settings):
    """The heads: one per trained level, and one level-robust."""

    levels: Levels = (Level.PCM, Level.V3, Level.V5)
    """A head is trained on each; they must be in `compress.levels`."""
    robust: bool = True
    """Whether one more head, `any`, learns from each clip at a random level per epoch; it serves the
    levels without a head."""
    seeds: int = Field(default=1, ge=1, le=100)
    """How often each head is trained, each time with another seed; figures are means, the first goes into the
    bundle."""
    class_weights: ClassWeights = ClassWeights.BALANCED
    """How much a clip counts."""
    hidden_units: int = Field(default=0, ge=0, le=4096)
    """0 is a linear head."""
    epochs: int = Field(default=200, ge=1, le=10_000)
    """At most."""
    patience: int = Field(default=20, ge=1)
    """Epochs without a better validation loss after which to stop."""
    batch_size: int = Field(default=32, ge=1)
    """Clips per step."""
    learning_rate: float = Field(default=1e-2, gt=0, le=1)
    """Of AdamW."""
    weight_decay: float = Field(default=1e-2, ge=0, le=1)
    """Of AdamW."""
