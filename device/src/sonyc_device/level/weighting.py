"""The frequency weightings A, C and Z of IEC 61672-1:2013 as second-order sections.

They are run one behind the other: Z is the signal without its mean, C is Z through two sections, and A is C through one
more, so that A, C and Z together cost four sections.
"""

from enum import StrEnum
from typing import Final

import numpy as np

from sonyc_device.level.sections import Float64Array, response

POLES_HZ: Final = (20.598997057618, 107.652648643047, 737.862230736290, 12194.217147998)
"""f1 to f4 of IEC 61672-1:2013, Annex E: f1 and f4 are double poles of A and C, f2 and f3 single ones of A."""
REFERENCE_HZ: Final = 1_000.0
"""All three weightings are 0 dB here."""
Z_CORNER_HZ: Final = 1.0
"""Z ends below: what a sound card adds to the signal as an offset is no sound. -0.04 dB at 10 Hz."""

_FIT_TO_HZ: Final = 20_500.0
_FIT_TO_RATE: Final = 0.49


class Weighting(StrEnum):
    """Frequency weightings."""

    A = "A"
    C = "C"
    Z = "Z"


def design_goal_db(weighting: Weighting, frequencies_hz: Float64Array) -> Float64Array:
    """Give a weighting as IEC 61672-1:2013, Annex E, equations (E.1) and (E.6), defines it.

    Args:
        weighting: Which.
        frequencies_hz: float64 [n], above 0.

    Returns:
        float64 [n], in dB re its value at 1 kHz.
    """
    gain, reference = (_analogue_gain(weighting, np.asarray(f, np.float64)) for f in (frequencies_hz, REFERENCE_HZ))
    return np.asarray(20.0 * np.log10(gain / reference))


def stages(rate_hz: int) -> dict[Weighting, Float64Array]:
    """Design the sections of each weighting, in the order they are run in, each after the ones before it.

    Args:
        rate_hz: Samples per second.

    Returns:
        Of each weighting, what it adds to the one before: float64 [n_sections, 6]. A and C are within 0.26 dB of the
        design goal from 10 Hz to 20 kHz at 44.1 kHz, within 0.12 dB at 48 kHz.
    """
    return {
        Weighting.Z: _normalised(np.array([_offset_filter(rate_hz)]), rate_hz),
        Weighting.C: _normalised(
            np.stack([_high_pass(POLES_HZ[0], POLES_HZ[0], rate_hz), _low_pass(rate_hz)]), rate_hz
        ),
        Weighting.A: _normalised(np.array([_high_pass(POLES_HZ[1], POLES_HZ[2], rate_hz)]), rate_hz),
    }


def _analogue_gain(weighting: Weighting, f: Float64Array) -> Float64Array:
    f1, f2, f3, f4 = POLES_HZ
    if weighting is Weighting.Z:
        return np.ones_like(f)
    gain = f4**2 * f**2 / ((f**2 + f1**2) * (f**2 + f4**2))
    if weighting is Weighting.A:
        gain = gain * f**2 / np.sqrt((f**2 + f2**2) * (f**2 + f3**2))
    return np.asarray(gain)


def _normalised(sections: Float64Array, rate_hz: int) -> Float64Array:
    """Make the gain at 1 kHz one."""
    sections = sections.copy()
    sections[0, :3] /= np.abs(response(sections, np.array([REFERENCE_HZ]), rate_hz))[0]
    return sections


def _offset_filter(rate_hz: int) -> list[float]:
    return [1.0, -1.0, 0.0, 1.0, -_bilinear_pole(Z_CORNER_HZ, rate_hz), 0.0]


def _high_pass(pole_hz: float, other_pole_hz: float, rate_hz: int) -> list[float]:
    """Two first-order high passes by the bilinear transform, whose poles lie so low that it does not warp them."""
    p, q = (_bilinear_pole(f, rate_hz) for f in (pole_hz, other_pole_hz))
    return [1.0, -2.0, 1.0, 1.0, -(p + q), p * q]


def _bilinear_pole(pole_hz: float, rate_hz: int) -> float:
    warped = float(np.tan(np.pi * pole_hz / rate_hz))
    return (1.0 - warped) / (1.0 + warped)


def _low_pass(rate_hz: int) -> Float64Array:
    """The double pole at f4, matched; its zeros are fitted to the analogue magnitude.

    The bilinear transform would be 6.2 dB low at 16 kHz for a rate of 48 kHz, and 8.2 dB for 44.1 kHz. The squared
    magnitude of a numerator is a polynomial in cos(w), so that its fit is linear.
    """
    pole = float(np.exp(-2.0 * np.pi * POLES_HZ[3] / rate_hz))
    denominator = np.array([1.0, -2.0 * pole, pole * pole])
    f = np.linspace(0.0, min(_FIT_TO_HZ, _FIT_TO_RATE * rate_hz), 800)
    all_pole = np.concatenate([[1.0, 0.0, 0.0], denominator])[np.newaxis]
    wanted = (1.0 + (f / POLES_HZ[3]) ** 2) ** -2 / np.abs(response(all_pole, f, rate_hz)) ** 2
    cosine = np.cos(2.0 * np.pi * f / rate_hz)
    powers = np.stack([np.ones_like(f), cosine, cosine**2], axis=1)
    fitted = np.linalg.lstsq(powers / wanted[:, np.newaxis], np.ones_like(f), rcond=None)[0]
    return np.concatenate([_minimum_phase(fitted), denominator])


def _minimum_phase(squared: Float64Array) -> Float64Array:
    """Give the numerator whose squared magnitude is a polynomial in cos(w), and whose zeros are within the unit circle.

    Args:
        squared: float64 [3], the polynomial's coefficients, of cos(w)^0 first.

    Returns:
        float64 [3], b0, b1, b2.
    """
    p0, p1, p2 = squared
    roots = np.roots([p2 / 4, p1 / 2, p0 + p2 / 2, p1 / 2, p2 / 4])
    numerator = np.real(np.poly(roots[np.abs(roots) < 1.0]))
    return np.asarray(numerator * np.sqrt(squared.sum()) / numerator.sum())
