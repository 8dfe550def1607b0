"""Where in a clip its loudest moment is: the second that stands out most over the clip's own background."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray

WINDOW_S: Final = 1.0
HOP_S: Final = 0.1
BACKGROUND_PERCENTILE: Final = 10.0
FLOOR_DBFS: Final = -100.0
"""Below the noise of 16 bits, so that digital silence does not count as an infinitely quiet background."""


class Moment(NamedTuple):
    """Part of a clip.

    Attributes:
        start: Index of its first sample.
        n_samples: Its length.
        snr_db: Level of its loudest window over the clip's background, in dB; 0 where a clip is one window or less.
    """

    start: int
    n_samples: int
    snr_db: float


def loudest_moment(samples: FloatArray, rate_hz: int, *, keep_s: float) -> Moment:
    """Find the part of `keep_s` seconds around the loudest window.

    Windows of 1 s every 0.1 s are compared by their RMS level; the background is the 10th percentile of those levels.
    The part is centred on the loudest window (the first of equals) and moved into the clip where it would overlap an
    end. This is the trim of the original study; the loudest second need not hold the labelled sound.

    Args:
        samples: float32 [n], n >= 1.
        rate_hz: Their rate.
        keep_s: How much to keep; a clip that is not longer is kept whole.
    """
    n_window = round(WINDOW_S * rate_hz)
    n_keep = min(round(keep_s * rate_hz), len(samples))
    levels = window_levels_dbfs(samples, rate_hz)
    best = int(np.argmax(levels))
    snr_db = float(levels[best] - np.percentile(levels, BACKGROUND_PERCENTILE))
    centre = round(best * HOP_S * rate_hz) + min(n_window, len(samples)) // 2
    start = min(max(centre - n_keep // 2, 0), len(samples) - n_keep)
    return Moment(start, n_keep, snr_db)


def window_levels_dbfs(samples: FloatArray, rate_hz: int) -> NDArray[np.float64]:
    """Give the RMS level of every window of 1 s, every 0.1 s.

    Args:
        samples: float32 [n], n >= 1.
        rate_hz: Their rate.

    Returns:
        float64 [1 + floor((n - n_window) / n_hop)] in dB re full scale, 10 log10(mean(x^2)), at least `FLOOR_DBFS`;
        one level, of the whole, where the clip is shorter than a window.
    """
    n_window = min(round(WINDOW_S * rate_hz), len(samples))
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    n_windows = 1 + int((len(samples) - n_window) / (HOP_S * rate_hz))
    starts = np.rint(np.arange(n_windows) * HOP_S * rate_hz).astype(np.intp)
    means = (energy[starts + n_window] - energy[starts]) / n_window
    floor = 10.0 ** (FLOOR_DBFS / 10.0)
    return np.asarray(10.0 * np.log10(np.maximum(means, floor)))
