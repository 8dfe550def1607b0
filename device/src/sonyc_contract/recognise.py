"""From samples to the scores of one clip; the same code for evaluation, node, benchmark and self-test."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sonyc_contract.audio import FloatArray, check_finite, resample
from sonyc_contract.errors import FrontendError, LevelError, ModelError
from sonyc_contract.frontend import Frontend, FrontendSpec
from sonyc_contract.labels import LABELS, N_LABELS
from sonyc_contract.levels import Level
from sonyc_contract.runtime import Interpreter

ANY_HEAD: Final = "any"
"""Name of the level-robust head, for levels without their own."""

_FIRST_SAMPLES = 1_024

Probabilities = NDArray[np.float64]


class Pooling(StrEnum):
    """How the windows of a clip become one label."""

    MEAN_EMBEDDING = "mean-embedding"
    MAX_EMBEDDING = "max-embedding"
    MEAN_LOGIT = "mean-logit"
    MAX_LOGIT = "max-logit"


class InputLayout(StrEnum):
    """The axes of an embedding model's input."""

    TIME_MEL = "time-mel"
    """[n_frames, n_mels, 1]"""
    MEL_TIME = "mel-time"
    """[n_mels, n_frames, 1]"""


class EmbeddingSpec(BaseModel):
    """What surrounds an embedding model: front end, windows, and the axes of its input."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=80)
    frontend: FrontendSpec
    window_s: float = Field(gt=0, le=60)
    hop_s: float = Field(gt=0, le=60)
    layout: InputLayout = InputLayout.TIME_MEL
    n_dimensions: int = Field(ge=1, le=65_536)

    @model_validator(mode="after")
    def _hop_fits_frames(self) -> "EmbeddingSpec":
        n_hop = round(self.hop_s * self.frontend.rate_hz)
        if n_hop == 0 or (self.frontend.shares_stft and n_hop % self.frontend.hop_samples):
            raise ValueError(f"hop_s = {self.hop_s} is no multiple of the frames' hop of {self.frontend.name!r}")
        return self


class Calibration(BaseModel):
    """How logits become probabilities: sigmoid(slope * logit + offset), per class in taxonomy order."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    slope: tuple[float, ...] = Field(default=(1.0,) * N_LABELS, min_length=N_LABELS, max_length=N_LABELS)
    offset: tuple[float, ...] = Field(default=(0.0,) * N_LABELS, min_length=N_LABELS, max_length=N_LABELS)


class HeadSpec(BaseModel):
    """What belongs to one head: its calibration and the thresholds of its classes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    thresholds: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        default=(0.5,) * N_LABELS, min_length=N_LABELS, max_length=N_LABELS
    )
    calibration: Calibration = Calibration()


@dataclass(frozen=True)
class Scores:
    """What the recogniser says of one clip.

    Attributes:
        probabilities: float64 [8] in taxonomy order, each within 0 ... 1 and independent of the others.
        detections: Classes at or over their threshold, in taxonomy order.
        head: Name of the head that was used, such as `v5` or `any`.
        n_windows: Over how many windows the clip was pooled.
        is_short: Whether the clip was shorter than one window and filled with zeros.
        is_silent: Whether every sample was zero.
        peaks: float64 [8], the highest probability that any single window has of each class. A mean over windows hides
            what is short: 4 s of children's voices within 10 s of other street sound were over the default bundle's
            threshold in 16 % of 80 clips at v5, their best window in 82 %.
    """

    probabilities: Probabilities
    detections: tuple[str, ...]
    head: str
    n_windows: int
    is_short: bool
    is_silent: bool
    peaks: Probabilities


class Embedder:
    """Front end and embedding model: samples to one embedding per window.

    Raises:
        FrontendError: the model's input is not what the front end gives.
        ModelError: the model's output has another size than `spec.n_dimensions`.
    """

    def __init__(self, spec: EmbeddingSpec, interpreter: Interpreter) -> None:
        self.spec = spec
        self._frontend = Frontend(spec.frontend)
        self._interpreter = interpreter
        n_frames = spec.frontend.n_frames(round(spec.window_s * spec.frontend.rate_hz))
        time_mel = (n_frames, spec.frontend.n_mels, 1)
        wanted = time_mel if spec.layout is InputLayout.TIME_MEL else (time_mel[1], time_mel[0], 1)
        if interpreter.input_shape != wanted:
            raise FrontendError(
                f"the model takes {interpreter.input_shape}, but front end {spec.frontend.name!r} with windows of "
                f"{spec.window_s} s gives {wanted}"
            )
        if math.prod(interpreter.output_shape) != spec.n_dimensions:
            raise ModelError(f"the model gives {interpreter.output_shape}, not {spec.n_dimensions} dimensions")

    def features(self, samples: FloatArray, rate_hz: int) -> FloatArray:
        """Give the model's inputs for a clip: float32 [n_windows, *input_shape]."""
        at_rate = resample(samples, rate_hz, self.spec.frontend.rate_hz)
        windows = self._frontend.windows(at_rate, window_s=self.spec.window_s, hop_s=self.spec.hop_s)
        if self.spec.layout is InputLayout.MEL_TIME:
            windows = np.ascontiguousarray(windows.transpose(0, 2, 1))
        return windows[..., np.newaxis]

    def embed(self, samples: FloatArray, rate_hz: int) -> FloatArray:
        """Give the embeddings of a clip's windows.

        Args:
            samples: float32 [n_samples], n_samples >= 1.
            rate_hz: Their rate.

        Returns:
            float32 [n_windows, n_dimensions].
        """
        outputs = self._interpreter.run(self.features(samples, rate_hz))
        return outputs.reshape(len(outputs), -1)


@dataclass
class Recogniser:
    """Embedding, heads and pooling: samples to eight probabilities.

    Attributes:
        embedder: Gives one embedding per window.
        heads: Interpreters from embedding to eight logits, by name: a level's, or `any`.
        head_specs: Thresholds and calibration of each head.
        pooling: How windows become one label.
    """

    embedder: Embedder
    heads: Mapping[str, Interpreter]
    head_specs: Mapping[str, HeadSpec] = field(default_factory=dict)
    pooling: Pooling = Pooling.MEAN_EMBEDDING

    def score(self, samples: FloatArray, rate_hz: int, *, level: Level) -> Scores:
        """Score one clip that has been through the codec at `level`.

        Args:
            samples: float32 [n_samples], n_samples >= 1.
            rate_hz: Their rate.
            level: The level they were stored at; it chooses the head.

        Raises:
            LevelError: there is neither a head for `level` nor `head-any`.
            AudioError: a sample is NaN or infinite.
            ModelError: the model gives NaN or infinity.
        """
        return self.score_with(head_for(level, self.heads), samples, rate_hz)

    def score_with(self, head: str, samples: FloatArray, rate_hz: int) -> Scores:
        """Score one clip with a head of the caller's choice, as the self-test does.

        Args:
            head: One of `heads`.
            samples: float32 [n_samples], n_samples >= 1.
            rate_hz: Their rate.

        Raises:
            AudioError: a sample is NaN or infinite.
            ModelError: the model gives NaN or infinity.
        """
        check_finite(samples, "clip")
        embeddings = self.embedder.embed(samples, rate_hz)
        logits = pooled_logits(embeddings, self.heads[head], self.pooling)
        if not np.isfinite(logits).all():
            raise ModelError(f"head-{head} gives {logits[~np.isfinite(logits)][0]} for a clip of finite samples")
        spec = self.head_specs.get(head, HeadSpec())
        probabilities = calibrated(logits, spec.calibration)
        peaks = calibrated(self.heads[head].run(embeddings), spec.calibration).max(axis=0)
        return Scores(
            probabilities=probabilities,
            detections=detections(probabilities, spec.thresholds),
            head=head,
            n_windows=len(embeddings),
            is_short=len(samples) < self.embedder.spec.window_s * rate_hz,
            is_silent=_is_silent(samples),
            peaks=np.maximum(peaks, probabilities),
        )


def pooled_logits(embeddings: FloatArray, head: Interpreter, pooling: Pooling) -> FloatArray:
    """Give the eight logits of a clip, float32 [8], from its windows' embeddings [n_windows, n_dimensions]."""
    if pooling is Pooling.MEAN_EMBEDDING:
        return np.asarray(head.run(embeddings.mean(axis=0, keepdims=True))[0])
    if pooling is Pooling.MAX_EMBEDDING:
        return np.asarray(head.run(embeddings.max(axis=0, keepdims=True))[0])
    logits = head.run(embeddings)
    return np.asarray(logits.mean(axis=0) if pooling is Pooling.MEAN_LOGIT else logits.max(axis=0))


def calibrated(logits: FloatArray, calibration: Calibration) -> Probabilities:
    """Turn logits [..., 8] into probabilities, float64 [..., 8]: sigmoid(slope * logit + offset)."""
    scaled = np.asarray(logits, np.float64) * calibration.slope + np.asarray(calibration.offset)
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scaled)))  # the sigmoid, without overflow


def detections(probabilities: Probabilities, thresholds: tuple[float, ...]) -> tuple[str, ...]:
    """Name the classes whose probability reaches its threshold, in taxonomy order."""
    return tuple(name for name, p, t in zip(LABELS, probabilities, thresholds, strict=True) if p >= t)


def _is_silent(samples: FloatArray) -> bool:
    # Of a clip that begins with sound the rest need not be looked at, which takes 7 us per second of audio.
    return not (samples[:_FIRST_SAMPLES].any() or samples.any())


def head_for(level: Level, heads: Mapping[str, object]) -> str:
    """Choose the head for a level: its own, else the level-robust `any`.

    Raises:
        LevelError: there is neither.
    """
    if level.value in heads:
        return level.value
    if ANY_HEAD in heads:
        return ANY_HEAD
    raise LevelError(
        f"no head for level '{level}' and no head-any; heads are for {', '.join(sorted(heads)) or 'no level'}: choose "
        "one of those, or another bundle"
    )
