"""Recognises the tone of a sound calibrator (IEC 60942) in a signal, and measures it."""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from sonyc_device.level.meter import Samples, full_scale_one
from sonyc_device.level.sections import Float64Array

CALIBRATOR_HZ: Final = 1_000.0
MAX_DETUNED: Final = 0.02
"""What class 2 of IEC 60942 allows a calibrator, as a fraction."""
MAX_RESIDUAL_DB: Final = -20.0
"""All else that is heard must be so far below the tone; a calibrator that fits has -30 to -40."""
MAX_SPREAD_DB: Final = 0.2
NEEDED_S: Final = 5.0

_FRAME_S: Final = 0.5
_LOBE_HZ: Final = 12.0
"""Half the width of the tone in a spectrum of half a second with a Hann window."""
_LOWEST_HZ: Final = 20.0
_CLIPPED: Final = 0.999
_SILENT_DBFS: Final = -90.0
_SILENCE: Final = 1e-20
_FIT: Final = "does the calibrator sit tightly on the microphone, and is it on?"


@dataclass(frozen=True)
class Tone:
    """A steady tone.

    Attributes:
        frequency_hz: Its frequency.
        level_dbfs: Its level in dB re a full-scale square wave.
        spread_db: Its highest less its lowest level, by half seconds.
        residual_db: Level of all else from 20 Hz, re the tone.
    """

    frequency_hz: float
    level_dbfs: float
    spread_db: float
    residual_db: float


class ToneSearch:
    """Looks for five seconds of steady tone in a stream, half a second at a time."""

    def __init__(self, rate_hz: int) -> None:
        """Begin with a stream's first sample.

        Args:
            rate_hz: Its samples per second.
        """
        self._rate_hz = rate_hz
        self._frame_samples = round(_FRAME_S * rate_hz)
        self._pending: Float64Array = np.empty(0)
        self._tones: deque[Tone] = deque(maxlen=round(NEEDED_S / _FRAME_S))
        self._refused: dict[str, list[str]] = {}
        self._n_frames = 0

    def push(self, samples: Samples) -> Tone | None:
        """Take the next samples, int16 [n] or float [n] of full scale 1, and give the tone as soon as it is certain."""
        self._pending = np.concatenate([self._pending, full_scale_one(samples)])
        while len(self._pending) >= self._frame_samples:
            frame, self._pending = np.split(self._pending, [self._frame_samples])
            tone = self._look(frame)
            if tone is not None:
                return tone
        return None

    def restart(self) -> None:
        """Begin anew after a gap; what was refused before it is remembered."""
        self._pending = np.empty(0)
        self._tones.clear()

    def refusal(self) -> str:
        """Say why no tone was found: what was wrong most often, as it was the last time."""
        if self._refused:
            return max(self._refused.values(), key=len)[-1]
        return f"only {self._n_frames * _FRAME_S:g} s were heard; {NEEDED_S:g} s of the tone are needed"

    def _look(self, frame: Float64Array) -> Tone | None:
        self._n_frames += 1
        tone = _measure(frame, self._rate_hz)
        reason, words = _what_is_wrong(frame, tone)
        if not reason:
            self._tones.append(tone)
            spread_db = _spread_db(self._tones)
            if spread_db <= MAX_SPREAD_DB:
                return self._joined(spread_db) if len(self._tones) == self._tones.maxlen else None
            reason = "unsteady"
            words = f"the tone's level varies by {spread_db:.1f} dB; up to {MAX_SPREAD_DB} dB are allowed: {_FIT}"
        else:
            self._tones.clear()
        self._refused.setdefault(reason, []).append(words)
        return None

    def _joined(self, spread_db: float) -> Tone:
        tones = list(self._tones)
        return Tone(
            frequency_hz=float(np.mean([tone.frequency_hz for tone in tones])),
            level_dbfs=10.0 * float(np.log10(np.mean([10.0 ** (tone.level_dbfs / 10.0) for tone in tones]))),
            spread_db=spread_db,
            residual_db=max(tone.residual_db for tone in tones),
        )


def _measure(frame: Float64Array, rate_hz: int) -> Tone:
    """Measure the strongest component of float64 [n] from 20 Hz, by its spectrum with a Hann window."""
    window = np.hanning(len(frame))
    energies = np.abs(np.fft.rfft((frame - frame.mean()) * window)) ** 2 * 2.0 / (len(frame) * np.sum(window**2))
    f = np.fft.rfftfreq(len(frame), 1.0 / rate_hz)
    energies[f < _LOWEST_HZ] = 0.0
    loudest_hz = f[np.argmax(energies)]
    is_tone = np.abs(f - loudest_hz) < _LOBE_HZ
    energy = max(float(energies[is_tone].sum()), _SILENCE)
    rest = max(float(energies[~is_tone].sum()), _SILENCE)
    centre_hz = float(np.sum(energies[is_tone] * f[is_tone])) / energy
    return Tone(centre_hz, 10.0 * float(np.log10(energy)), 0.0, 10.0 * float(np.log10(rest / energy)))


def _what_is_wrong(frame: Float64Array, tone: Tone) -> tuple[str, str]:
    """Give the name of what is wrong with half a second, and words for it; empty where nothing is."""
    if np.abs(frame).max() >= _CLIPPED:
        return "clipped", "the signal clips: lower the gain of the input"
    if tone.level_dbfs < _SILENT_DBFS:
        return "silent", f"there is no signal ({tone.level_dbfs:.0f} dBFS): is this the right input, and is it muted?"
    if abs(tone.frequency_hz / CALIBRATOR_HZ - 1.0) > MAX_DETUNED:
        return "frequency", (
            f"the strongest tone is at {tone.frequency_hz:.0f} Hz; a calibrator's is at {CALIBRATOR_HZ:.0f} Hz, "
            f"{MAX_DETUNED:.0%} more or less"
        )
    if tone.residual_db > MAX_RESIDUAL_DB:
        return "impure", (
            f"all else than the tone is only {-tone.residual_db:.0f} dB below it; {-MAX_RESIDUAL_DB:.0f} dB are "
            f"needed: {_FIT}"
        )
    return "", ""


def _spread_db(tones: deque[Tone]) -> float:
    levels = [tone.level_dbfs for tone in tones]
    return max(levels) - min(levels)
