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


def scenes_config(**options: object) -> ScenesConfig:
    """Check options that come from outside, such as a command line.

    Raises:
        ConfigError: an unknown option, a wrong type or a value out of range; the message names option and value.
    """
    try:
        return ScenesConfig.model_validate(options)
    except ValidationError as error:
        raise ConfigError(f"scenes: {describe(error)}") from error


class Stream(IntEnum):
    """What a stream of random numbers is for; every sensor, block and clip has its own."""

    SENSOR = 0
    BLOCK = 1
    PLAN = 2
    BACKGROUND = 3
    EVENT = 4
    ANNOTATION = 5


def random_stream(seed: int, stream: Stream, *keys: int) -> Rng:
    """Give the generator for one purpose; streams of different keys are independent."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, *keys)))


def _digest(document: dict[str, object]) -> str:
    text = json.dumps({"generator": GENERATOR_VERSION, "config": document}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
