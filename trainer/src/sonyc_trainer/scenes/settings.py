"""What the generator makes, and the streams of random numbers that it makes it from."""

import hashlib
import json
from enum import IntEnum
from typing import Final

import numpy as np
from pydantic import Field, ValidationError, model_validator

from sonyc_contract.errors import ConfigError
from sonyc_contract.settings import Settings, describe

GENERATOR_VERSION: Final = 1
"""Raised when the same settings give other samples or other rows."""

BACKGROUND_VERSION: Final = 1
"""Raised when the same settings of made background give other samples."""

RATE_HZ: Final = 44_100
CLIP_S: Final = 10
N_SAMPLES: Final = RATE_HZ * CLIP_S

Rng = np.random.Generator


class ScenesConfig(Settings):
    """What the generator makes; the same settings give the same bytes on the same machine and libraries.

    Clip k does not depend on `n_clips`, and sensor k not on `n_sensors`.
    """

    n_clips: int = Field(default=400, ge=1, le=1_000_000)
    """Clips of 10 s."""
    n_sensors: int = Field(default=12, ge=1, le=100)
    """Each in a place and with a microphone of its own."""
    seed: int = Field(default=1, ge=0, lt=2**63)
    """Another one makes other scenes."""
    verified_fraction: float = Field(default=0.9, ge=0, le=1)
    """Share of the clips of splits `train` and `validate` with an agreed row; those of `test` all have one."""
    multi_label_fraction: float = Field(default=0.15, ge=0, le=1)
    """Share of the clips with two or three of the eight classes."""
    none_fraction: float = Field(default=0.08, ge=0, le=1)
    """Share of the clips with none of them."""
    snr_low_db: float = Field(default=0, ge=-30, le=60)
    """Active level of the faintest events over the steady background, both above about 200 Hz."""
    snr_high_db: float = Field(default=28, ge=-30, le=60)
    """The same of the loudest events."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "ScenesConfig":
        share = self.multi_label_fraction + self.none_fraction
        if share > 1:
            raise ValueError(f"multi_label_fraction + none_fraction is {share:g}: it must be at most 1")
        if self.snr_low_db > self.snr_high_db:
            raise ValueError(f"snr_low_db = {self.snr_low_db:g} is above snr_high_db = {self.snr_high_db:g}")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of everything that the dataset depends on."""
        return _digest(self.model_dump(mode="json"))

    @property
    def recipe_digest(self) -> str:
        """SHA-256 of everything that one clip depends on: all but the number of clips."""
        return _digest(self.model_dump(mode="json", exclude={"n_clips"}))


class BackgroundConfig(Settings):
    """Made background, in format `background`: clips of 10 s of noise of many kinds, with none of the eight classes."""

    hours: float = Field(default=0.5, gt=0, le=1_000)
    """How much of it; 0.5 are 180 clips."""
    seed: int = Field(default=1, ge=0, lt=2**63)
    """Another one makes other clips, such as for a check of what was learned."""
    faint_fraction: float = Field(default=0.3, ge=0, le=1)
    """Share of the clips with one or two sounds of the eight classes, so faint that none should be detected."""
    faint_low_db: float = Field(default=-40, ge=-90, le=-15)
    """How far the faintest of them are under the noise: their active level over that of the noise's quiet moments, in
    the octave band where they stand out most."""
    faint_high_db: float = Field(default=-25, ge=-90, le=-15)
    """The same of the loudest of them."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "BackgroundConfig":
        if self.faint_low_db > self.faint_high_db:
            raise ValueError(f"faint_low_db = {self.faint_low_db:g} is above faint_high_db = {self.faint_high_db:g}")
        return self

    @property
    def n_clips(self) -> int:
        """Clips of 10 s."""
        return max(1, round(self.hours * 3_600 / CLIP_S))

    @property
    def digest(self) -> str:
        """SHA-256 of everything that one clip depends on: all but their number."""
        return _digest(self.model_dump(mode="json", exclude={"hours"}), version=BACKGROUND_VERSION)


def scenes_config(**options: object) -> ScenesConfig:
    """Check options that come from outside, such as a command line.

    Raises:
        ConfigError: an unknown option, a wrong type or a value out of range; the message names option and value.
    """
    try:
        return ScenesConfig.model_validate(options)
    except ValidationError as error:
        raise ConfigError(f"scenes: {describe(error)}") from error


def background_config(**options: object) -> BackgroundConfig:
    """Check options that come from outside, such as a command line.

    Raises:
        ConfigError: an unknown option, a wrong type or a value out of range; the message names option and value.
    """
    try:
        return BackgroundConfig.model_validate(options)
    except ValidationError as error:
        raise ConfigError(f"made background: {describe(error)}") from error


class Stream(IntEnum):
    """What a stream of random numbers is for; every sensor, block and clip has its own."""

    SENSOR = 0
    BLOCK = 1
    PLAN = 2
    BACKGROUND = 3
    EVENT = 4
    ANNOTATION = 5
    MADE = 6


def random_stream(seed: int, stream: Stream, *keys: int) -> Rng:
    """Give the generator for one purpose; streams of different keys are independent."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, *keys)))


def _digest(document: dict[str, object], *, version: int = GENERATOR_VERSION) -> str:
    text = json.dumps({"generator": version, "config": document}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
