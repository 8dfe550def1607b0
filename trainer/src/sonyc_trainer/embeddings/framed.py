"""Embeddings that begin at the waveform, or at features that bundles do not have; they stay in the trainer.

A study with one runs to its report, and has no bundle.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sonyc_contract.audio import FloatArray, resample
from sonyc_contract.errors import ModelError
from sonyc_contract.frontend import COMPACT, OPENL3, Frontend
from sonyc_contract.runtime import Interpreter
from sonyc_trainer.embeddings.ncnn_network import NcnnInterpreter
from sonyc_trainer.quiet import NOWHERE, output_to

_OPENL3_RANGE_DB: Final = 80.0
_LINEAR_N_FFT: Final = 512


class Features(StrEnum):
    """What is computed from a window before the model sees it."""

    WAVEFORM = "waveform"
    """Nothing: float32 [n_samples]."""
    LOG_MEL_STATISTICS = "log-mel-statistics"
    """Mean and standard deviation of each of `compact`'s mel bands over the window, float32 [2 * n_mels]; no model."""
    OPENL3_LINEAR = "openl3-linear"
    """The openl3 package's linear spectrogram in dB, float32 [257, 197, 1]."""
    OPENL3_MEL128 = "openl3-mel128"
    """Its log-mel of 128 bands, float32 [128, 199, 1]."""
    OPENL3_MEL256 = "openl3-mel256"
    """Its log-mel of 256 bands, float32 [256, 199, 1]."""


class FramedSpec(BaseModel):
    """How a clip is cut into the windows that a model takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=80)
    features: Features
    rate_hz: int = Field(ge=8_000, le=48_000)
    window_samples: int = Field(ge=16)
    hop_samples: int = Field(ge=1)
    is_centred: bool = False
    """Half a window of zeros comes before the clip, so that the first window is centred on its first sample."""
    keeps_end: bool = False
    """The clip is filled with zeros to whole windows; otherwise what remains at its end is left out."""
    n_dimensions: int = Field(ge=1, le=65_536)

    @property
    def frontend_id(self) -> str:
        """Features and a digest of everything that comes before the model."""
        document = self.model_dump_json(exclude={"name", "n_dimensions"})
        return f"{self.features}-{hashlib.sha256(document.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class FramedEmbedding:
    """An embedding of the trainer's own.

    Attributes:
        spec: Windows, features and size.
        model: The TFLite file of a model that takes the waveform; else a network for ncnn.
    """

    spec: FramedSpec
    model: bytes

    @property
    def id(self) -> str:
        """Front end and a digest of everything that changes a result; embeddings of two ids never mix."""
        document = self.spec.model_dump_json().encode() + self.model
        return f"{self.spec.frontend_id}+{hashlib.sha256(document).hexdigest()[:16]}"

    def open(self) -> "FramedEmbedder":
        """Load the model on one thread of ai-edge-litert or ncnn.

        Raises:
            ModelError: the runtime is missing or cannot load it.
        """
        if self.spec.features is Features.WAVEFORM:
            return FramedEmbedder(self.spec, WaveformInterpreter(self.model))
        if self.spec.features is Features.LOG_MEL_STATISTICS:
            return FramedEmbedder(self.spec, NoModel(self.spec.n_dimensions))
        return FramedEmbedder(self.spec, NcnnInterpreter(self.model))


class FramedEmbedder:
    """Windows, features and model: samples to one embedding per window."""

    def __init__(self, spec: FramedSpec, interpreter: Interpreter) -> None:
        self.spec = spec
        self._interpreter = interpreter
        self._frontend = _mel_frontend(spec.features)

    def embed(self, samples: FloatArray, rate_hz: int) -> FloatArray:
        """Give the embeddings of a clip's windows.

        Args:
            samples: float32 [n_samples], n_samples >= 1.
            rate_hz: Their rate.

        Returns:
            float32 [n_windows, n_dimensions].
        """
        windows = framed(resample(samples, rate_hz, self.spec.rate_hz), self.spec)
        outputs = [self._interpreter.run(self._features(window)[np.newaxis]) for window in windows]
        return np.concatenate(outputs).reshape(len(windows), -1)

    def _features(self, window: FloatArray) -> FloatArray:
        if self.spec.features is Features.WAVEFORM:
            return window
        if self.spec.features is Features.LOG_MEL_STATISTICS:
            return log_mel_statistics(window)
        if self._frontend is None:
            return openl3_linear(window)[..., np.newaxis]
        return np.ascontiguousarray(self._frontend.log_mel(window).T)[..., np.newaxis]


def framed(samples: FloatArray, spec: FramedSpec) -> FloatArray:
    """Cut a clip into windows, as openl3 0.4's `preprocess_audio` does where `keeps_end` is set.

    Args:
        samples: float32 [n_samples] at `spec.rate_hz`.
        spec: Length, hop and filling.

    Returns:
        float32 [n_windows, window_samples], at least one window.
    """
    if spec.is_centred:
        samples = np.pad(samples, (spec.window_samples // 2, 0))
    missing = spec.window_samples - len(samples)
    if missing < 0:
        missing = (missing % spec.hop_samples) if spec.keeps_end else 0
    samples = np.pad(samples, (0, missing))
    view = np.lib.stride_tricks.sliding_window_view(samples, spec.window_samples)
    return np.ascontiguousarray(view[:: spec.hop_samples], dtype=np.float32)


def log_mel_statistics(window: FloatArray) -> FloatArray:
    """Give mean and standard deviation over frames of `compact`'s log-mel: float32 [2 * n_mels]."""
    log_mel = Frontend(COMPACT).log_mel(window)
    return np.asarray(np.concatenate([log_mel.mean(axis=0), log_mel.std(axis=0)]), np.float32)


class NoModel:
    """The contract's `Interpreter` that gives back what it is given."""

    def __init__(self, n_dimensions: int) -> None:
        self.input_shape = self.output_shape = (n_dimensions,)

    def run(self, batch: FloatArray) -> FloatArray:
        """Give float32 [n, n_dimensions] as it is."""
        return batch


def openl3_linear(window: FloatArray) -> FloatArray:
    """Compute the linear spectrogram of openl3 0.4 (`get_stft_magnitude_layer`): float32 [257, n_frames] in dB.

    Magnitudes of 512 samples every 242 under a periodic Hann window, unpadded; 10 log10, minus the maximum, floor -80.
    """
    import scipy.fft
    import scipy.signal

    frames = np.lib.stride_tricks.sliding_window_view(window, _LINEAR_N_FFT)[:: OPENL3.hop_samples]
    magnitude = np.abs(scipy.fft.rfft(frames * scipy.signal.windows.hann(_LINEAR_N_FFT, sym=False)))
    decibels = 10 * np.log10(np.maximum(magnitude, OPENL3.floor)).T
    return np.asarray(np.maximum(decibels - decibels.max(), -_OPENL3_RANGE_DB), dtype=np.float32)


def takes_waveform(model: bytes) -> bool:
    """Whether a TFLite file takes samples, [n] or [1, n], and not a spectrogram.

    Raises:
        ModelError: it does not load.
    """
    return len(WaveformInterpreter(model).shape) <= 2


class WaveformInterpreter:
    """The contract's `Interpreter` over a model that takes samples, with or without a batch axis.

    It runs without the default delegate: on a YAMNet that computes its log-mel itself, that of ai-edge-litert 2.3 gives
    embeddings whose cosine to the right ones is 0.53 to 0.89.
    """

    def __init__(self, model: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter as Litert
        from ai_edge_litert.interpreter import OpResolverType

        try:
            with output_to(NOWHERE):
                self._interpreter: Any = Litert(
                    model_content=model,
                    num_threads=1,
                    experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise ModelError(f"litert cannot load this model of {len(model)} bytes: {reason}") from error
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the model's input as it is in the file."""
        return tuple(int(size) for size in self._input["shape"])

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""
        return self.shape[-1:]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output, without the batch axis."""
        return (int(self._output["shape"][-1]),)

    def run(self, batch: FloatArray) -> FloatArray:
        """Give float32 [n, *output_shape] for float32 [n, *input_shape], n >= 1, one invocation each."""
        outputs = []
        for window in batch:
            self._interpreter.set_tensor(self._input["index"], window.reshape(self._input["shape"]))
            self._interpreter.invoke()
            outputs.append(self._interpreter.get_tensor(self._output["index"]).reshape(-1))
        return np.stack(outputs)


def _mel_frontend(features: Features) -> Frontend | None:
    if features is Features.OPENL3_MEL256:
        return Frontend(OPENL3)
    if features is Features.OPENL3_MEL128:
        return Frontend(OPENL3.model_copy(update={"name": "openl3-mel128", "n_mels": 128}))
    return None
