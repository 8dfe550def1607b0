"""What of a clip is learned from: its loudest part, at the storage rate, in the band that the study says."""

from dataclasses import dataclass

import numpy as np

from sonyc_contract.audio import Audio, FloatArray, resample
from sonyc_trainer.band_limit import band_limited
from sonyc_trainer.loudness import Moment, loudest_moment
from sonyc_trainer.study import Fill, TrimMode, TrimSettings


@dataclass(frozen=True)
class TrimPlan:
    """What is done to every clip.

    Attributes:
        settings: The study's.
        rate_hz: The study's storage rate.
    """

    settings: TrimSettings
    rate_hz: int


def trimmed(audio: Audio, plan: TrimPlan) -> tuple[FloatArray, Moment]:
    """Bring one clip to the storage rate, limit its band and cut out what is kept.

    Returns:
        float32 [n] at the plan's rate, and where it was in the clip at that rate; a clip that is shorter than what is
        to be kept is filled as the settings say.
    """
    settings = plan.settings
    samples = resample(audio.samples, audio.rate_hz, plan.rate_hz)
    if len(samples) == 0:  # a sample or two at a high rate
        samples = audio.samples[:1]
    samples = _limited(samples, plan)
    moment = loudest_moment(samples, plan.rate_hz, keep_s=settings.keep_s)
    if settings.mode is TrimMode.WHOLE:
        moment = Moment(0, len(samples), moment.snr_db)
    part = samples[moment.start : moment.start + moment.n_samples]
    whole = filled(part, round(settings.keep_s * plan.rate_hz), settings.fill)
    if len(whole) > len(part) and settings.fill is Fill.LOOP:
        whole = _limited(whole, plan)  # the joins click
    return whole, moment


def filled(samples: FloatArray, n_wanted: int, fill: Fill) -> FloatArray:
    """Lengthen float32 [n] to [n_wanted] with zeros or by repeating it; what is long enough stays as it is."""
    if len(samples) >= n_wanted or fill is Fill.NONE:
        return samples
    if fill is Fill.ZEROS:
        return np.pad(samples, (0, n_wanted - len(samples)))
    return np.resize(samples, n_wanted)


def _limited(samples: FloatArray, plan: TrimPlan) -> FloatArray:
    limit_hz = plan.settings.band_limit_hz
    return samples if limit_hz is None else band_limited(samples, plan.rate_hz, limit_hz=limit_hz)
