"""Log-mel front ends: one declaration each, and one float32 implementation outside the TFLite graph.

`compact`, ours, needs no padding, so that one STFT over a clip serves all its windows. The others are those of
published models and pad every window by itself. The id of the one used belongs in every embedding file and bundle.
"""

import hashlib
import json
from enum import StrEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sonyc_contract.audio import FloatArray
from sonyc_contract.errors import FrontendError


class Padding(StrEnum):
    """What is put around the samples before the STFT."""

    NONE = "none"
    """Nothing: frames lie wholly within the samples."""
    SAME = "same"
    """TensorFlow's 'same': ceil(n / hop) frames, zeros on both sides."""
    END = "end"
    """ceil(n / hop) frames, zeros at the end only."""
    CENTRE = "centre"
    """1 + n // hop frames, each centred on a multiple of the hop, mirrored at both ends."""


class FrontendSpec(BaseModel):
    """A log-mel front end, declared.

    The order of operations: frames of `window_samples` every `hop_samples`, periodic Hann window, FFT of `n_fft`,
    magnitude to the power `fft_power`, mel bank, power `mel_power`, logarithm with floor, reference, range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    rate_hz: int = Field(ge=8_000, le=48_000)
    window_samples: int = Field(ge=16, le=8_192)
    hop_samples: int = Field(ge=1, le=8_192)
    n_fft: int = Field(ge=16, le=8_192)
    padding: Padding
    fft_power: Literal[1, 2]
    n_mels: int = Field(ge=1, le=512)
    mel_min_hz: float = Field(ge=0)
    mel_max_hz: float = Field(gt=0)
    mel_scale: Literal["htk", "slaney"]
    mel_area_norm: bool
    mel_bank_rate_hz: int | None = None
    """Rate the mel bank is built for, where a published model built it for another one; None is `rate_hz`."""
    mel_power: float = Field(ge=0.5, le=2)
    scaling: Literal["db", "ln"]
    """`db` is 10 log10(max(x, floor)); `ln` is the natural logarithm of (x + floor)."""
    floor: float = Field(gt=0)
    reference: Literal["absolute", "window-max"]
    range_db: float | None = Field(default=None, gt=0)
    """With reference `window-max`: what lies further below the window's maximum is raised to it."""

    @property
    def id(self) -> str:
        """Name and a digest of every field, such as `compact-1a2b3c4d5e6f`."""
        document = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return f"{self.name}-{hashlib.sha256(document.encode()).hexdigest()[:12]}"

    @property
    def shares_stft(self) -> bool:
        """Whether one STFT over a clip serves all windows: nothing is padded and no window has its own reference."""
        return self.padding is Padding.NONE and self.reference == "absolute"

    def n_frames(self, n_samples: int) -> int:
        """How many frames `n_samples` at `rate_hz` give."""
        if self.padding is Padding.NONE:
            return max(0, 1 + (n_samples - self.window_samples) // self.hop_samples)
        if self.padding is Padding.CENTRE:
            return 1 + n_samples // self.hop_samples
        return -(-n_samples // self.hop_samples)


def _sonyc_8k(name: str, *, mel_bank_rate_hz: int | None = None) -> FrontendSpec:
    return FrontendSpec(
        name=name, rate_hz=8_000, window_samples=1_024, hop_samples=160, n_fft=1_024, padding=Padding.CENTRE,
        fft_power=1, n_mels=64, mel_min_hz=0, mel_max_hz=4_000, mel_scale="htk", mel_area_norm=True,
        mel_bank_rate_hz=mel_bank_rate_hz, mel_power=2, scaling="db", floor=1e-10, reference="window-max",
        range_db=80,
    )  # fmt: skip


COMPACT: Final = FrontendSpec(
    name="compact", rate_hz=16_000, window_samples=400, hop_samples=160, n_fft=512, padding=Padding.NONE,
    fft_power=1, n_mels=64, mel_min_hz=125, mel_max_hz=7_500, mel_scale="htk", mel_area_norm=False,
    mel_power=1, scaling="ln", floor=1e-3, reference="absolute",
)  # fmt: skip
"""Ours: 25 ms frames every 10 ms of 16 kHz audio, 64 mels from 125 Hz to 7.5 kHz, within what v9 leaves at 48 kHz."""

SONYC_8K: Final = _sonyc_8k("sonyc-8k")
"""The 8 kHz model of SONYC's own node, as it was meant."""

SONYC_COMPAT: Final = _sonyc_8k("sonyc-compat", mel_bank_rate_hz=44_100)
"""The same with its mel bank built for 44.1 kHz, a fault that the model's published output bakes in."""

EDGEL3_SEA: Final = FrontendSpec(
    name="edgel3-sea", rate_hz=8_000, window_samples=1_024, hop_samples=160, n_fft=1_024, padding=Padding.SAME,
    fft_power=2, n_mels=64, mel_min_hz=0, mel_max_hz=4_000, mel_scale="htk", mel_area_norm=True, mel_power=0.5,
    scaling="db", floor=1e-10, reference="window-max", range_db=80,
)  # fmt: skip
"""EdgeL3's SONYC-specialised embedding (SEA), as it was trained."""

OPENL3: Final = FrontendSpec(
    name="openl3", rate_hz=48_000, window_samples=2_048, hop_samples=242, n_fft=2_048, padding=Padding.END,
    fft_power=1, n_mels=256, mel_min_hz=0, mel_max_hz=24_000, mel_scale="slaney", mel_area_norm=True, mel_power=1,
    scaling="db", floor=1e-10, reference="window-max", range_db=80,
)  # fmt: skip
"""What the openl3 package 0.4 computes; not what its weights were trained on."""

OPENL3_AS_TRAINED: Final = FrontendSpec(
    name="openl3-as-trained", rate_hz=48_000, window_samples=2_048, hop_samples=242, n_fft=2_048,
    padding=Padding.SAME, fft_power=2, n_mels=256, mel_min_hz=0, mel_max_hz=24_000, mel_scale="htk",
    mel_area_norm=True, mel_power=0.5, scaling="db", floor=1e-10, reference="window-max", range_db=80,
)  # fmt: skip
"""What OpenL3's weights were trained on (openl3 0.3.1)."""

PRESETS: Final = {spec.name: spec for spec in (COMPACT, OPENL3, OPENL3_AS_TRAINED, EDGEL3_SEA, SONYC_8K, SONYC_COMPAT)}


def preset(name: str) -> FrontendSpec:
    """Look a front end up by name.

    Raises:
        FrontendError: when there is none of that name.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise FrontendError(f"unknown front end {name!r}: use one of {', '.join(PRESETS)}") from None


class Frontend:
    """A front end ready to run: its window and mel bank are computed once."""

    def __init__(self, spec: FrontendSpec) -> None:
        self.spec = spec
        self._window = _hann(spec.window_samples)
        self._mel_bank = mel_bank(spec)

    def log_mel(self, samples: FloatArray) -> FloatArray:
        """Compute the log-mel spectrogram of one window, or of a whole clip where nothing is padded.

        Args:
            samples: float32 [n_samples] at `spec.rate_hz`.

        Returns:
            float32 [n_frames, n_mels], n_frames as `FrontendSpec.n_frames` says.
        """
        import scipy.fft

        frames = self._frames(np.asarray(samples, dtype=np.float32))
        spectrum = scipy.fft.rfft(frames * self._window, n=self.spec.n_fft, axis=-1)
        magnitude = np.abs(spectrum)
        if self.spec.fft_power == 2:
            np.square(magnitude, out=magnitude)
        return self._scale(magnitude @ self._mel_bank)

    def windows(self, samples: FloatArray, *, window_s: float, hop_s: float) -> FloatArray:
        """Compute the log-mel spectrograms of all windows of a clip.

        Windows start every `hop_s` and lie wholly within the clip; what remains at its end is left out, and a clip
        shorter than one window is filled with zeros to one.

        Args:
            samples: float32 [n_samples] at `spec.rate_hz`.
            window_s: Length of a window in seconds.
            hop_s: From the start of one window to the start of the next, in seconds.

        Returns:
            float32 [n_windows, n_frames, n_mels], C-contiguous.

        Raises:
            FrontendError: one STFT is to serve all windows, and `hop_s` is no multiple of the frames' hop.
        """
        n_window, n_hop = round(window_s * self.spec.rate_hz), round(hop_s * self.spec.rate_hz)
        if len(samples) < n_window:
            samples = np.pad(samples, (0, n_window - len(samples)))
        n_windows = 1 + (len(samples) - n_window) // n_hop
        if not self.spec.shares_stft:
            starts = range(0, n_windows * n_hop, n_hop)
            return np.stack([self.log_mel(samples[start : start + n_window]) for start in starts])
        if n_hop % self.spec.hop_samples:
            raise FrontendError(
                f"hop_s = {hop_s} is {n_hop} samples, not a multiple of the {self.spec.hop_samples} samples between "
                f"the frames of {self.spec.name!r}"
            )
        frames = self.log_mel(samples[: (n_windows - 1) * n_hop + n_window])
        n_frames, step = self.spec.n_frames(n_window), n_hop // self.spec.hop_samples
        view = np.lib.stride_tricks.sliding_window_view(frames, n_frames, axis=0)[::step]
        return np.ascontiguousarray(view[:n_windows].transpose(0, 2, 1))

    def _frames(self, samples: FloatArray) -> FloatArray:
        spec = self.spec
        n_frames = spec.n_frames(len(samples))
        if n_frames == 0:
            raise FrontendError(f"{len(samples)} samples are fewer than one frame of {spec.window_samples}")
        if spec.padding is not Padding.NONE:
            samples = _padded(samples, spec, n_frames)
        view = np.lib.stride_tricks.sliding_window_view(samples, spec.window_samples)
        return view[:: spec.hop_samples][:n_frames]

    def _scale(self, mel: FloatArray) -> FloatArray:
        spec = self.spec
        if spec.mel_power != 1:
            np.power(mel, np.float32(spec.mel_power), out=mel)
        if spec.scaling == "ln":
            mel += np.float32(spec.floor)
            np.log(mel, out=mel)
        else:
            np.maximum(mel, np.float32(spec.floor), out=mel)
            np.log10(mel, out=mel)
            mel *= np.float32(10)
        if spec.reference == "window-max":
            mel -= mel.max()
            if spec.range_db is not None:
                np.maximum(mel, np.float32(-spec.range_db), out=mel)
        return mel


def mel_bank(spec: FrontendSpec) -> FloatArray:
    """Build the triangular mel bank of a front end.

    Mel scales: HTK 2595 log10(1 + f / 700); Slaney's Auditory Toolbox (linear below 1 kHz, logarithmic above). With
    `mel_area_norm` each triangle has the area 1 (divided by half its width in Hz).

    Returns:
        float32 [n_fft // 2 + 1, n_mels].
    """
    bank_rate_hz = spec.mel_bank_rate_hz or spec.rate_hz
    bins_hz = np.linspace(0, bank_rate_hz / 2, spec.n_fft // 2 + 1)
    to_mel, to_hz = _MEL_SCALES[spec.mel_scale]
    low, high = to_mel(np.array([spec.mel_min_hz, spec.mel_max_hz]))
    edges_hz = to_hz(np.linspace(low, high, spec.n_mels + 2))
    widths_hz = np.diff(edges_hz)
    rising = (bins_hz[:, None] - edges_hz[:-2]) / widths_hz[:-1]
    falling = (edges_hz[2:] - bins_hz[:, None]) / widths_hz[1:]
    bank = np.maximum(0, np.minimum(rising, falling))
    if spec.mel_area_norm:
        bank *= 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return np.ascontiguousarray(bank, dtype=np.float32)


def _padded(samples: FloatArray, spec: FrontendSpec, n_frames: int) -> FloatArray:
    if spec.padding is Padding.CENTRE:
        return np.pad(samples, spec.window_samples // 2, mode="reflect")
    missing = max(0, (n_frames - 1) * spec.hop_samples + spec.window_samples - len(samples))
    before = missing // 2 if spec.padding is Padding.SAME else 0
    return np.pad(samples, (before, missing - before))


def _hann(n_samples: int) -> FloatArray:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_samples) / n_samples), dtype=np.float32)


_Hz = NDArray[np.float64]

_SLANEY_BREAK_HZ = 1_000.0
_SLANEY_HZ_PER_MEL = 200.0 / 3
_SLANEY_LOG_STEP = np.log(6.4) / 27


def _htk_to_mel(hz: _Hz) -> _Hz:
    return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))


def _htk_to_hz(mel: _Hz) -> _Hz:
    return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))


def _slaney_to_mel(hz: _Hz) -> _Hz:
    above = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL + np.log(np.maximum(hz, 1e-9) / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
    return np.where(hz >= _SLANEY_BREAK_HZ, above, hz / _SLANEY_HZ_PER_MEL)


def _slaney_to_hz(mel: _Hz) -> _Hz:
    break_mel = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
    above = _SLANEY_BREAK_HZ * np.exp(_SLANEY_LOG_STEP * (mel - break_mel))
    return np.where(mel >= break_mel, above, mel * _SLANEY_HZ_PER_MEL)


_MEL_SCALES = {"htk": (_htk_to_mel, _htk_to_hz), "slaney": (_slaney_to_mel, _slaney_to_hz)}
