"""What is made of the heads: costs, thresholds, the bundle."""

from typing import Annotated

from pydantic import Field, model_validator

from sonyc_contract.codec import STORAGE_RATES_HZ
from sonyc_contract.golden import MAX_TOLERANCE
from sonyc_contract.settings import Settings
from sonyc_trainer.statistics.calibration import CalibrationMethod
from sonyc_trainer.study.clips import Fraction


class CostsSettings(Settings):
    """What the study's levels are compared with in bytes and macro-F1."""

    storage_rates_hz: tuple[int, ...] = (16_000, 24_000)
    """Rates at which the levels are tried too; those under the study's own count."""
    opus_kbps: tuple[Annotated[int, Field(ge=6, le=256)], ...] = (16, 32)
    """Slow to encode: 26 ms per second of audio here, LAME 3."""
    max_clips: int = Field(default=160, ge=0)
    """Test clips that macro-F1 is taken on, thinned evenly; 0 measures the study's own levels' bytes only."""
    max_pieces: int = Field(default=16, ge=1)
    """Pieces of 10 s that bytes and times are measured on."""

    @model_validator(mode="after")
    def _can_be_encoded(self) -> "CostsSettings":
        if wrong := [rate for rate in self.storage_rates_hz if rate not in STORAGE_RATES_HZ]:
            allowed = ", ".join(map(str, STORAGE_RATES_HZ))
            raise ValueError(f"storage_rates_hz has {wrong[0]}; it must be of {allowed}")
        return self


class CalibrationSettings(Settings):
    """What is chosen for each head on the validation clips at the levels that it serves."""

    method: CalibrationMethod = CalibrationMethod.TEMPERATURE
    """How logits become probabilities."""
    target_precision: Fraction | None = None
    """Thresholds are the lowest whose detections are right this often; without it those of the highest F1."""


class ExportSettings(Settings):
    """The bundle and what it must satisfy to be written."""

    name: str = Field(default="study", pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")
    """Of the bundle and its file."""
    licence: str = Field(default="not stated", min_length=1)
    """Of the weights; it follows from what they were trained on."""
    sources: tuple[str, ...] = ()
    """Lines for the model card: who made the data, and under what licence."""
    notes: tuple[str, ...] = ()
    """Lines for the model card: what else its user must know, such as figures that another study measured."""
    min_top1_agreement: Fraction = 0.9
    """Share of validation clips that must get the same class as from Keras, per head and runtime."""
    max_probability_difference: Fraction = 0.4
    """How far a probability may be off there; int8 of a small study had 0.28 on one clip of 56, 0.02 on most."""
    golden_tolerance: float = Field(default=0.05, gt=0, le=MAX_TOLERANCE)
    """How far a probability may be off in the bundle's self-test; the two runtimes were up to 0.058 apart on it."""
