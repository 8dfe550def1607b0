"""From logits to probabilities that mean what they say, and thresholds for a precision; on validation clips only.

Platt's method gives each class a slope and an offset (J. Platt, Probabilistic Outputs for Support Vector Machines,
1999, with his softened targets); temperature gives all classes one slope (Guo et al., On Calibration of Modern Neural
Networks, ICML 2017), and cannot change which output is largest. Both are held near slope 1 and offset 0 by a Gaussian
prior, because a class with a handful of validation clips would otherwise get a slope without bound.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.labels import N_LABELS
from sonyc_contract.recognise import Calibration
from sonyc_trainer.statistics.counts import Flags

MIN_POSITIVES: Final = 5
"""A class with fewer clips, or fewer clips without it, keeps slope 1 and offset 0, and cannot reach a precision."""

UNREACHED_THRESHOLD: Final = 0.95
"""Where no threshold up to this one has the wanted precision."""

_PRIOR_STD_SLOPE, _PRIOR_STD_OFFSET = 0.5, 2.0
_SLOPES, _OFFSETS = (0.05, 5.0), (-10.0, 10.0)
_DECIMALS = 6  # what the optimiser leaves undetermined


class CalibrationMethod(StrEnum):
    """How logits become probabilities."""

    NONE = "none"
    """As the head gives them."""
    TEMPERATURE = "temperature"
    """One slope for all classes; the largest output stays the largest."""
    PLATT = "platt"
    """A slope and an offset for each class; the largest output may become another."""


@dataclass(frozen=True)
class Threshold:
    """A threshold, and whether it has the precision that was wanted."""

    value: float
    is_reached: bool


def fit_calibration(method: CalibrationMethod, logits: NDArray[np.float64], truth: Flags) -> Calibration:
    """Fit a calibration.

    Args:
        method: Which.
        logits: float64 [n_clips, 8].
        truth: bool [n_clips, 8].
    """
    if method is CalibrationMethod.TEMPERATURE:
        return temperature(logits, truth)
    return platt(logits, truth) if method is CalibrationMethod.PLATT else Calibration()


def platt(logits: NDArray[np.float64], truth: Flags) -> Calibration:
    """Fit a slope and an offset for each class; arguments as of `fit_calibration`."""
    fits = [_platt_of_class(logits[:, k], truth[:, k]) for k in range(N_LABELS)]
    return Calibration(slope=tuple(slope for slope, _ in fits), offset=tuple(offset for _, offset in fits))


def temperature(logits: NDArray[np.float64], truth: Flags) -> Calibration:
    """Fit one slope, 1 / temperature, for all classes; arguments as of `fit_calibration`."""
    from scipy.optimize import minimize_scalar

    if not MIN_POSITIVES <= np.count_nonzero(truth) <= truth.size - MIN_POSITIVES:
        return Calibration()

    def cost(slope: float) -> float:
        return _log_loss(slope * logits, truth.astype(np.float64)) + _prior((slope - 1) / _PRIOR_STD_SLOPE)

    slope = round(float(minimize_scalar(cost, bounds=_SLOPES, method="bounded", options={"xatol": 1e-9}).x), _DECIMALS)
    return Calibration(slope=(slope,) * N_LABELS)


def brier(probabilities: NDArray[np.float64], truth: Flags) -> float:
    """Give the mean squared error of probabilities [n] (G. W. Brier, Monthly Weather Review 78, 1950); 0 is perfect."""
    return float(np.mean(np.square(probabilities - truth)))


def threshold_for_precision(probabilities: NDArray[np.float64], truth: Flags, *, target: float) -> Threshold:
    """Choose the lowest threshold whose detections have the wanted precision: of those, it misses fewest clips.

    A higher target never gives a lower threshold. Fewer than `MIN_POSITIVES` right detections do not count, because
    one or two high ones are always right.

    Args:
        probabilities: float64 [n_clips] of one class.
        truth: bool [n_clips].
        target: Share of detections that shall be right, within 0 ... 1.

    Returns:
        A threshold halfway between two neighbouring probabilities, or `UNREACHED_THRESHOLD`.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked, hits = probabilities[order], np.cumsum(truth[order])
    following = np.append(ranked[1:], 0.0)
    candidates = (ranked + following) / 2
    precision = hits / np.arange(1, len(ranked) + 1)
    is_fit = (precision >= target) & (hits >= MIN_POSITIVES) & (ranked > following)
    reached = candidates[is_fit & (candidates <= UNREACHED_THRESHOLD)]
    if len(reached) == 0:
        return Threshold(UNREACHED_THRESHOLD, is_reached=False)
    return Threshold(float(reached.min()), is_reached=True)


def _platt_of_class(logits: NDArray[np.float64], truth: Flags) -> tuple[float, float]:
    from scipy.optimize import minimize

    n_positive, n_negative = np.count_nonzero(truth), np.count_nonzero(~truth)
    if min(n_positive, n_negative) < MIN_POSITIVES:
        return 1.0, 0.0
    targets = np.where(truth, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

    def cost(of: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = of[0] * logits + of[1]
        errors = 0.5 * (1 + np.tanh(0.5 * scaled)) - targets
        deviation = np.array([(of[0] - 1) / _PRIOR_STD_SLOPE, of[1] / _PRIOR_STD_OFFSET])
        gradient = [errors @ logits, errors.sum()] + deviation / (_PRIOR_STD_SLOPE, _PRIOR_STD_OFFSET)
        return _log_loss(scaled, targets) + _prior(deviation), np.asarray(gradient)

    options = {"ftol": 1e-14, "gtol": 1e-9}
    bounds = (_SLOPES, _OFFSETS)
    found = minimize(cost, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return round(float(found[0]), _DECIMALS), round(float(found[1]), _DECIMALS)


def _log_loss(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    return float(np.sum(np.logaddexp(0, logits) - targets * logits))


def _prior(deviation: NDArray[np.float64] | float) -> float:
    return float(0.5 * np.sum(np.square(deviation)))
