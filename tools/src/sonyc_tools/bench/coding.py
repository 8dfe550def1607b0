"""What a level costs at a storage rate: milliseconds to encode and decode, and bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sonyc_contract.audio import FloatArray, resample
from sonyc_contract.codec import decode, encode
from sonyc_contract.levels import Level
from sonyc_tools.bench.scenes import CLIP_S, RATE_HZ
from sonyc_tools.bench.timing import Estimate, Task, Times

_HOUR_S = 3_600
_DAY_H = 24


@dataclass(frozen=True)
class Coding:
    """A level at a storage rate."""

    level: Level
    rate_hz: int

    def __str__(self) -> str:
        """Its name, such as `v5 at 48000 Hz`."""
        return f"{self.level} at {self.rate_hz} Hz"


@dataclass(frozen=True)
class CodingCost:
    """What one second of audio costs.

    Attributes:
        coding: Level and rate.
        encode_ms: Processor time, resampling from 48 kHz included.
        decode_ms: Likewise, without resampling.
        bytes_per_hour: Mean over the clips.
        days_on_card: For how long a card lasts that is recorded on all the time.
    """

    coding: Coding
    encode_ms: Estimate
    decode_ms: Estimate
    bytes_per_hour: float
    days_on_card: float


class CodedClips:
    """The clips at every level and rate, coded once, and the tasks that code them again."""

    def __init__(self, clips: Sequence[FloatArray], codings: Sequence[Coding]) -> None:
        self._clips = clips
        self._files = {coding: [_encode(clip, coding) for clip in clips] for coding in codings}

    def decoded(self, coding: Coding) -> list[FloatArray]:
        """Give the clips as they are after storage: float32 at the coding's rate."""
        return [decode(data)[0] for data in self._files[coding]]

    def tasks(self) -> dict[str, Task]:
        """Give `encode <coding>` and `decode <coding>`, each of one clip."""
        tasks: dict[str, Task] = {}
        for coding, files in self._files.items():
            tasks[f"encode {coding}"] = partial(self._encode_again, coding)
            tasks[f"decode {coding}"] = partial(_decode_one, files)
        return tasks

    def costs(self, times: Mapping[str, Times], *, card_bytes: int) -> list[CodingCost]:
        """Say what was measured."""
        found = []
        for coding, files in self._files.items():
            per_hour = sum(map(len, files)) / (len(files) * CLIP_S) * _HOUR_S
            encode_ms, decode_ms = (
                times[f"{step} {coding}"].cpu.scaled(1_000 / CLIP_S) for step in ("encode", "decode")
            )
            found.append(CodingCost(coding, encode_ms, decode_ms, per_hour, card_bytes / (per_hour * _DAY_H)))
        return found

    def _encode_again(self, coding: Coding, rep: int) -> None:
        _encode(self._clips[rep % len(self._clips)], coding)


def _decode_one(files: Sequence[bytes], rep: int) -> None:
    decode(files[rep % len(files)])


def _encode(clip: FloatArray, coding: Coding) -> bytes:
    return encode(resample(clip, RATE_HZ, coding.rate_hz), coding.rate_hz, level=coding.level)
