"""Ways to store audio that a study's levels are compared with: other storage rates, FLAC and Opus."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sonyc_contract.audio import FloatArray, from_int16, parse_audio, resample, to_int16
from sonyc_contract.codec import decode, encode
from sonyc_contract.errors import CodecError
from sonyc_contract.levels import Level

OPUS_RATES_HZ: Final = (48_000, 24_000, 16_000)
# libsndfile spreads its "compression level" 0 ... 1 evenly over 256 ... 6 kb/s per channel.
_OPUS_MAX_KBPS, _OPUS_SPAN_KBPS = 256.0, 250.0


class Family(StrEnum):
    """Kinds of codec."""

    FLAC = "FLAC"
    MP3 = "MP3"
    OPUS = "Opus"


@dataclass(frozen=True)
class Coding:
    """A codec with its setting, at a storage rate.

    Attributes:
        family: The codec.
        setting: A level of MP3 or `pcm`, or Opus's kb/s.
        rate_hz: The storage rate.
    """

    family: Family
    setting: str
    rate_hz: int

    @property
    def name(self) -> str:
        """What the report calls it."""
        rate = f"{self.rate_hz / 1e3:g} kHz"
        return f"Opus {self.setting} kb/s, {rate}" if self.family is Family.OPUS else f"{self.setting}, {rate}"

    @property
    def key(self) -> str:
        """Its name as part of a file's name."""
        return f"{self.family.lower()}-{self.setting}-{self.rate_hz}"

    @property
    def level(self) -> Level | None:
        """The level that a node would be set to; None for what nodes cannot store."""
        return None if self.family is Family.OPUS else Level(self.setting)

    def encode(self, samples: FloatArray) -> bytes:
        """Encode float32 [n] that is at `rate_hz` already.

        Raises:
            CodecError: as `sonyc_contract.codec.encode`.
        """
        if self.level is not None:
            return encode(samples, self.rate_hz, level=self.level)
        import soundfile

        buffer = io.BytesIO()
        quantised = from_int16(to_int16(samples))
        level = (_OPUS_MAX_KBPS - float(self.setting)) / _OPUS_SPAN_KBPS
        soundfile.write(buffer, quantised, self.rate_hz, format="OGG", subtype="OPUS", compression_level=level)
        return buffer.getvalue()

    def decode(self, data: bytes, n_samples: int) -> FloatArray:
        """Decode what `encode` made: float32 [n_samples], as many as went in.

        Raises:
            CodecError: another number of samples came out.
        """
        samples = parse_audio(data, self.name).samples if self.level is None else decode(data)[0]
        if len(samples) != n_samples:
            raise CodecError(f"{self.name}: {n_samples} samples went in, {len(samples)} came out")
        return samples


def level_codings(levels: Sequence[Level], rate_hz: int) -> list[Coding]:
    """Give levels at one storage rate."""
    return [Coding(Family.MP3 if level.is_lossy else Family.FLAC, level.value, rate_hz) for level in levels]


def opus_codings(kbps: Sequence[int], storage_rate_hz: int) -> list[Coding]:
    """Give Opus at the highest of its rates that the study's storage rate reaches."""
    rate_hz = next((rate for rate in OPUS_RATES_HZ if rate <= storage_rate_hz), None)
    return [] if rate_hz is None else [Coding(Family.OPUS, str(value), rate_hz) for value in kbps]


def at_rate(samples: FloatArray, rate_hz: int, coding: Coding) -> FloatArray:
    """Bring float32 [n] to the coding's storage rate."""
    return resample(samples, rate_hz, coding.rate_hz)
