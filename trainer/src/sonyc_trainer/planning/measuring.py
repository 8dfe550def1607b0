"""How many bytes and milliseconds a coding takes, measured on pieces as long as a node's clips."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.planning.codings import Coding, at_rate

PIECE_S: Final = 10.0
"""Length of a node's clip: every file has headers, which weigh a fifth of a 2 s clip at v9 and little of this."""


@dataclass(frozen=True)
class Cost:
    """What a coding takes.

    Attributes:
        duration_s: How much audio was coded.
        n_bytes: What it took.
        encode_ms_per_s: Of one core of this machine, per second of audio.
        decode_ms_per_s: The same for decoding.
    """

    duration_s: float
    n_bytes: int
    encode_ms_per_s: float
    decode_ms_per_s: float

    @property
    def bytes_per_hour(self) -> int:
        """Bytes per hour of audio."""
        return round(3_600 * self.n_bytes / self.duration_s)


def measure(pieces: Iterable[FloatArray], rate_hz: int, coding: Coding) -> Cost:
    """Code pieces of audio and decode them again.

    Args:
        pieces: Each float32 [n], n >= 1.
        rate_hz: Their rate; the coding's own is resampled to first, which is not counted.
        coding: The codec, its setting and its rate.

    Raises:
        CodecError: as `Coding.encode` and `Coding.decode`.
    """
    n_bytes, n_samples, encoded_s, decoded_s = 0, 0, 0.0, 0.0
    for piece in pieces:
        samples = at_rate(piece, rate_hz, coding)
        started = time.thread_time()
        data = coding.encode(samples)
        between = time.thread_time()
        coding.decode(data, len(samples))
        encoded_s += between - started
        decoded_s += time.thread_time() - between
        n_bytes += len(data)
        n_samples += len(samples)
    duration_s = n_samples / coding.rate_hz
    return Cost(duration_s, n_bytes, 1e3 * encoded_s / duration_s, 1e3 * decoded_s / duration_s)


def joined_pieces(clips: Sequence[FloatArray], rate_hz: int, *, max_pieces: int) -> list[FloatArray]:
    """Join short clips to pieces of 10 s, and take at most `max_pieces` of them, evenly.

    What is left over is a piece only where there is no other.
    """
    n = round(PIECE_S * rate_hz)
    everything = np.concatenate([clip[:n] for clip in clips])
    pieces = [everything[start : start + n] for start in range(0, len(everything) - n + 1, n)]
    chosen = np.linspace(0, len(pieces) - 1, min(len(pieces), max_pieces)).round().astype(int)
    return [pieces[index] for index in chosen] or [everything]
