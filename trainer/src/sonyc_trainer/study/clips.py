"""How clips are divided, trimmed and compressed."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from sonyc_contract.codec import DEFAULT_STORAGE_RATE_HZ, STORAGE_RATES_HZ
from sonyc_contract.levels import Level
from sonyc_contract.settings import Settings

Fraction = Annotated[float, Field(gt=0, lt=1)]


def _each_once(levels: tuple[Level, ...]) -> tuple[Level, ...]:
    if not levels:
        raise ValueError("needs at least one level")
    if len(set(levels)) != len(levels):
        raise ValueError("holds one level twice")
    return levels


Levels = Annotated[tuple[Level, ...], AfterValidator(_each_once)]


class SplitMode(StrEnum):
    """How clips are divided into train, validation and test."""

    GROUPED = "grouped"
    """Stratified by class; all clips of a source recording or sensor stay together."""
    RANDOM = "random"
    """Stratified by class only, as the original study did; leaks sensors."""
    FOLDS = "folds"
    """The named folds are the test set; validation is taken from the rest, grouped."""


class SplitSettings(Settings):
    """Train, validation and test; always decided before compression."""

    mode: SplitMode = SplitMode.GROUPED
    """What stays together."""
    validation_fraction: Fraction = 0.2
    """Of all clips; in mode `folds`, of those that are not in the test folds."""
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of all clips; not used in mode `folds`. Without test clips (0) all figures are of
    validation clips."""
    test_folds: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Clips of a dataset without folds are never tested."""

    @model_validator(mode="after")
    def _fits_mode(self) -> "SplitSettings":
        if bool(self.test_folds) != (self.mode is SplitMode.FOLDS):
            raise ValueError("'test_folds' belongs to mode 'folds', which needs at least one")
        if self.mode is not SplitMode.FOLDS and self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave nothing to train on")
        return self

    @property
    def has_test(self) -> bool:
        """Whether there are to be test clips."""
        return self.mode is SplitMode.FOLDS or self.test_fraction > 0


class TrimMode(StrEnum):
    """Which part of a clip is kept."""

    LOUDEST = "loudest"
    """Around the 1 s window with the highest level over the clip's background."""
    WHOLE = "whole"
    """All of it."""


class Fill(StrEnum):
    """What is done with a clip that is shorter than what is kept."""

    NONE = "none"
    """It stays as it is."""
    ZEROS = "zeros"
    """Zeros follow it."""
    LOOP = "loop"
    """It is repeated."""


class TrimSettings(Settings):
    """The part of each clip that is learned from."""

    mode: TrimMode = TrimMode.LOUDEST
    """Which part is kept."""
    keep_s: float = Field(default=2.0, ge=0.1, le=60)
    """How much is kept; in mode `whole`, up to what length a shorter clip is filled."""
    fill: Fill = Fill.NONE
    """What is done with a shorter clip."""
    band_limit_hz: float | None = Field(default=None, ge=1_000, le=24_000)
    """Nothing at or above it is kept (the low-pass begins a tenth below), where datasets of different band widths are
    mixed."""


class CompressSettings(Settings):
    """The levels of the study, at one storage rate."""

    storage_rate_hz: int = DEFAULT_STORAGE_RATE_HZ
    """Rate at which clips are coded: 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100 or 48000. It is also
    the rate at which nodes must store."""
    levels: Levels = (Level.PCM, Level.V3, Level.V5, Level.V7, Level.V9)
    """What every clip is coded at and every head tested on; `pcm` is what the others are compared with."""

    @model_validator(mode="after")
    def _can_be_encoded(self) -> "CompressSettings":
        if self.storage_rate_hz not in STORAGE_RATES_HZ:
            raise ValueError(f"storage_rate_hz must be one of {', '.join(map(str, STORAGE_RATES_HZ))}")
        return self
