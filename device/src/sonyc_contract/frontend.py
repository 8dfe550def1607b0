"""Log-mel front ends: one declaration each, and one implementation, float32 in and out, outside the TFLite graph.

`compact`, ours, needs no padding, so that one STFT over a clip serves all its windows. The others are those of
published models and pad every window by itself. The id of the one used belongs in every embedding file and bundle.
"""

import hashlib
import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sonyc_contract.audio import FloatArray
from sonyc_contract.errors import FrontendError

_Real = NDArray[np.floating[Any]]
"""float32 or float64, as the front end computes."""


class Padding(StrEnum):
    """What is put around the samples before the STFT."""

    NONE = "none"
    """Nothing: frames lie wholly within the samples."""
    SAME = "same"
    """TensorFlow's 'same': ceil(n / hop) frames, zeros on both sides."""
    END = "end"
    """ceil(n / hop) frames, zeros at the end only."""
    CENTRE = "centre"
    """1 + n // hop frames, each centred on a multiple of the hop, zeros at both ends."""


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
    mel_bank_rate_hz: int | None = Field(default=None, ge=8_000, le=48_000)
    """Rate the mel bank is built for, where a published model built it for another one; None is `rate_hz`."""
    mel_power: float = Field(ge=0.5, le=2)
    scaling: Literal["db", "ln"]
    """`db` is 10 log10(max(x, floor)); `ln` is the natural logarithm of (x + floor)."""
    floor: float = Field(gt=0)
    reference: Literal["absolute", "window-max"]
    range_db: float | None = Field(default=None, gt=0)
    """With reference `window-max`: what lies further below the window's maximum is raised to it."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "FrontendSpec":
        if self.n_fft < self.window_samples:
            raise ValueError(f"n_fft = {self.n_fft} is less than window_samples = {self.window_samples}")
        if not self.mel_min_hz < self.mel_max_hz <= self.mel_bank_hz / 2:
            raise ValueError(
                f"mels from {self.mel_min_hz:g} to {self.mel_max_hz:g} Hz do not fit a bank for {self.mel_bank_hz} Hz"
            )
        if self.range_db is not None and self.reference != "window-max":
            raise ValueError("range_db needs reference 'window-max'")
        return self

    @property
    def mel_bank_hz(self) -> int:
        """The rate that the mel bank is built for."""
        return self.mel_bank_rate_hz or self.rate_hz

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


def _sonyc_8k(name: str, *, mel_max_hz: float, mel_bank_rate_hz: int | None) -> FrontendSpec:
    return FrontendSpec(
        name=name, rate_hz=8_000, window_samples=1_024, hop_samples=160, n_fft=1_024, padding=Padding.CENTRE,
        fft_power=1, n_mels=64, mel_min_hz=0, mel_max_hz=mel_max_hz, mel_scale="htk", mel_area_norm=True,
        mel_bank_rate_hz=mel_bank_rate_hz, mel_power=2, scaling="db", floor=1e-10, reference="window-max",
        range_db=80,
    )  # fmt: skip


COMPACT: Final = FrontendSpec(
    name="compact", rate_hz=16_000, window_samples=400, hop_samples=160, n_fft=512, padding=Padding.NONE,
    fft_power=1, n_mels=64, mel_min_hz=125, mel_max_hz=7_500, mel_scale="htk", mel_area_norm=False,
    mel_power=1, scaling="ln", floor=1e-3, reference="absolute",
)  # fmt: skip
"""Ours: 25 ms frames every 10 ms of 16 kHz audio, 64 mels from 125 Hz to 7.5 kHz, within what v9 leaves at 48 kHz."""

SONYC_8K: Final = _sonyc_8k("sonyc-8k", mel_max_hz=4_000, mel_bank_rate_hz=None)
"""The 8 kHz model of SONYC's own node, as it was meant."""

SONYC_COMPAT: Final = _sonyc_8k("sonyc-compat", mel_max_hz=22_050, mel_bank_rate_hz=44_100)
"""The same with a mel bank for the file's 44.1 kHz, 0 to 22.05 kHz, laid over the bins of the resampled 8 kHz signal.

A fault of the program that made the model's published output, which bakes it in: mel k hears 8 / 44.1 of its pitch.
"""

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

_BLOCK_FRAMES = 128
_GROUP_MELS = 16

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
    """A front end ready to run: its window and mel bank are computed once.

    Front ends in decibels compute in float64: they look 160 dB down in power, where a float32 FFT only has its own
    rounding (up to 5.3 dB off on a chirp). The floor of the others hides that, and float32 is twice as fast.
    """

    def __init__(self, spec: FrontendSpec) -> None:
        self.spec = spec
        self._dtype = np.float64 if spec.scaling == "db" else np.float32
        self._window = _hann(spec.window_samples).astype(self._dtype)
        self._mel_groups = list(_mel_groups(mel_bank(spec).astype(self._dtype)))

    def log_mel(self, samples: FloatArray) -> FloatArray:
        """Compute the log-mel spectrogram of one window, or of a whole clip where nothing is padded.

        Args:
            samples: float32 [n_samples] at `spec.rate_hz`.

        Returns:
            float32 [n_frames, n_mels], n_frames as `FrontendSpec.n_frames` says.

        Raises:
            FrontendError: `samples` are fewer than one frame, and nothing is padded.
        """
        import scipy.fft

        views = self._frames(samples)
        mel: _Real = np.zeros((len(views), self.spec.n_mels), self._dtype)
        # Filled to n_fft here, and block by block: for 10 s of `compact`, rfft's own filling adds 1.9 ms to 1.3, and
        # one block of 998 frames 1.6 (it no longer fits the cache).
        frames: _Real = np.zeros((min(_BLOCK_FRAMES, len(views)), self.spec.n_fft), self._dtype)
        for start in range(0, len(views), _BLOCK_FRAMES):
            block = views[start : start + _BLOCK_FRAMES]
            np.multiply(block, self._window, out=frames[: len(block), : self.spec.window_samples])
            magnitude = np.abs(scipy.fft.rfft(frames[: len(block)], axis=-1))
            if self.spec.fft_power == 2:
                np.square(magnitude, out=magnitude)
            for mels, bins, bank in self._mel_groups:
                np.matmul(magnitude[:, bins], bank, out=mel[start : start + len(block), mels])
        return self._scale(mel).astype(np.float32, copy=False)

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
            FrontendError: `hop_s` is under one sample or, where one STFT serves all windows, no multiple of the
                frames' hop; or a window is shorter than a frame.
        """
        n_window, n_hop = round(window_s * self.spec.rate_hz), round(hop_s * self.spec.rate_hz)
        if n_hop < 1:
            raise FrontendError(f"hop_s = {hop_s} is under one sample at {self.spec.rate_hz} Hz")
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
        if step == n_frames:  # windows that follow each other are there already: 9 us per second of audio less
            return frames.reshape(n_windows, n_frames, self.spec.n_mels)
        return np.stack([frames[start : start + n_frames] for start in range(0, n_windows * step, step)])

    def _frames(self, samples: FloatArray) -> FloatArray:
        spec = self.spec
        n_frames = spec.n_frames(len(samples))
        if n_frames == 0:
            raise FrontendError(f"{len(samples)} samples are fewer than one frame of {spec.window_samples}")
        if spec.padding is not Padding.NONE:
            samples = _padded(samples, spec, n_frames)
        view = np.lib.stride_tricks.sliding_window_view(samples, spec.window_samples)
        return view[:: spec.hop_samples][:n_frames]

    def _scale(self, mel: _Real) -> _Real:
        spec = self.spec
        if spec.mel_power != 1:
            np.power(mel, spec.mel_power, out=mel)
        if spec.scaling == "ln":
            mel += spec.floor
            np.log(mel, out=mel)
        else:
            np.maximum(mel, spec.floor, out=mel)
            np.log10(mel, out=mel)
            mel *= 10
        if spec.reference == "window-max":
            mel -= mel.max()
            if spec.range_db is not None:
                np.maximum(mel, -spec.range_db, out=mel)
        return mel


def mel_bank(spec: FrontendSpec) -> NDArray[np.float64]:
    """Build the triangular mel bank of a front end.

    Mel scales: HTK 2595 log10(1 + f / 700); Slaney's Auditory Toolbox (linear below 1 kHz, logarithmic above). With
    `mel_area_norm` each triangle has the area 1 (divided by half its width in Hz).

    Returns:
        float64 [n_fft // 2 + 1, n_mels].
    """
    bins_hz = np.linspace(0, spec.mel_bank_hz / 2, spec.n_fft // 2 + 1)
    to_mel, to_hz = _MEL_SCALES[spec.mel_scale]
    low, high = to_mel(np.array([spec.mel_min_hz, spec.mel_max_hz]))
    edges_hz = to_hz(np.linspace(low, high, spec.n_mels + 2))
    widths_hz = np.diff(edges_hz)
    rising = (bins_hz[:, None] - edges_hz[:-2]) / widths_hz[:-1]
    falling = (edges_hz[2:] - bins_hz[:, None]) / widths_hz[1:]
    bank = np.maximum(0, np.minimum(rising, falling))
    if spec.mel_area_norm:
        bank *= 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return np.asarray(bank)


def _mel_groups(bank: _Real) -> Iterator[tuple[slice, slice, _Real]]:
    """Give groups of neighbouring mels, the bins that they hear, and that part of the bank; the rest of it is zeros.

    For 1 s of `compact` the whole product takes 53 us on two cores, where BLAS divides it among threads that wait for
    each other, and 38 on one; groups of 32, 16 and 8 mels take 17, 12 and 17, and need no thread.
    """
    for first in range(0, bank.shape[1], _GROUP_MELS):
        mels = slice(first, first + _GROUP_MELS)
        heard = np.flatnonzero(bank[:, mels].any(axis=1))
        if len(heard):
            bins = slice(int(heard[0]), int(heard[-1]) + 1)
            yield mels, bins, np.ascontiguousarray(bank[bins, mels])


def _padded(samples: FloatArray, spec: FrontendSpec, n_frames: int) -> FloatArray:
    if spec.padding is Padding.CENTRE:
        return np.pad(samples, spec.window_samples // 2)
    missing = max(0, (n_frames - 1) * spec.hop_samples + spec.window_samples - len(samples))
    before = missing // 2 if spec.padding is Padding.SAME else 0
    return np.pad(samples, (before, missing - before))


def _hann(n_samples: int) -> NDArray[np.float64]:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_samples) / n_samples))


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
