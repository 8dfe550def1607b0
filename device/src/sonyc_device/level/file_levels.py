"""Levels of audio files and of raw PCM, measured as on a node; a long file is never held whole."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import check_finite, open_audio
from sonyc_contract.errors import AudioError
from sonyc_device.level.figures import Figures, Periods, Sum
from sonyc_device.level.meter import Meter

_RAW_BLOCK_FRAMES: Final = 2**17

Samples = NDArray[np.float32]


class RawFormat(StrEnum):
    """How raw PCM writes a sample, named as FFmpeg does."""

    S16LE = "s16le"
    S16BE = "s16be"
    S24LE = "s24le"
    S24BE = "s24be"
    S32LE = "s32le"
    S32BE = "s32be"
    F32LE = "f32le"
    F32BE = "f32be"

    @property
    def n_bytes(self) -> int:
        """Bytes of a sample."""
        return int(self[1:3]) // 8

    def decode(self, data: bytes) -> Samples:
        """Give whole samples as float32 [n] of full scale 1."""
        order = "<" if self.endswith("le") else ">"
        if self.startswith("f"):
            return np.frombuffer(data, f"{order}f4").astype(np.float32)
        if self.n_bytes == 3:  # as 32 bits whose lowest eight are zero
            words = np.zeros((len(data) // 3, 4), np.uint8)
            words[:, slice(1, 4) if order == "<" else slice(0, 3)] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            return (words.view(f"{order}i4")[:, 0] / 2.0**31).astype(np.float32)
        scale = 2.0 ** (8 * self.n_bytes - 1)
        return (np.frombuffer(data, f"{order}i{self.n_bytes}") / scale).astype(np.float32)


@dataclass(frozen=True)
class RawPcm:
    """What raw PCM does not say of itself."""

    rate_hz: int
    format: RawFormat
    n_channels: int = 1


class Recording(Protocol):
    """An open file, as `sonyc_contract.audio.AudioReader` is one.

    Attributes:
        rate_hz: Samples per second.
        n_channels: How many channels it has.
        is_cut: Whether it ended before its time; known when all was read.
    """

    rate_hz: int
    n_channels: int
    is_cut: bool

    def blocks(self, *, channel: int | None = None) -> Iterator[Samples]:
        """Read the samples of one channel, from 0, or the mean of all: float32 [n] each, of full scale 1.

        Raises:
            AudioError: there is none, or one is NaN or infinite.
        """


@contextmanager
def open_recording(path: Path, *, raw: RawPcm | None = None) -> Iterator[Recording]:
    """Open an audio file, or raw PCM where `raw` says what is in it.

    Raises:
        AudioError: it cannot be read, or is not audio.
    """
    if raw is None:
        with open_audio(path) as reader:
            yield reader
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
    with file:
        yield RawReader(file, str(path), raw)


class RawReader:
    """Raw PCM, as a `Recording`.

    Attributes:
        rate_hz: Samples per second.
        n_channels: How many channels it has.
        is_cut: Whether it ended within a frame; known when all was read.
    """

    def __init__(self, file: BinaryIO, name: str, raw: RawPcm) -> None:
        """Take a file at its beginning, a pipe too, its name for messages, and what is in it."""
        self._file = file
        self._name = name
        self._format = raw.format
        self.rate_hz = raw.rate_hz
        self.n_channels = raw.n_channels
        self.is_cut = False

    def blocks(self, *, channel: int | None = None) -> Iterator[Samples]:
        """As `Recording.blocks`.

        Raises:
            AudioError: there is no sample, one is NaN or infinite, or the file cannot be read on.
        """
        n_read = 0
        for data in self._whole_frames():
            frames = self._format.decode(data).reshape(-1, self.n_channels)
            samples = frames.mean(axis=1) if channel is None else frames[:, channel]
            check_finite(samples, self._name, first=n_read)
            n_read += len(samples)
            yield samples
        if n_read == 0:
            raise AudioError(f"{self._name}: holds no samples")

    def _whole_frames(self) -> Iterator[bytes]:
        frame_bytes = self._format.n_bytes * self.n_channels
        while data := self._read(frame_bytes * _RAW_BLOCK_FRAMES):
            n_over = len(data) % frame_bytes  # only at the end: a read is short nowhere else
            self.is_cut |= n_over > 0
            if len(data) > n_over:
                yield data[: len(data) - n_over]

    def _read(self, n_bytes: int) -> bytes:
        try:
            return self._file.read(n_bytes)
        except OSError as error:
            raise AudioError(f"{self._name}: cannot be read: {error.strerror or error}") from error


class Measurement:
    """Measures one channel of a recording."""

    def __init__(self, rate_hz: int, *, with_bands: bool) -> None:
        """Begin with nothing measured.

        Args:
            rate_hz: Samples per second.
            with_bands: Whether third-octave bands are taken.
        """
        self._rate_hz = rate_hz
        self._meter = Meter(rate_hz, with_bands=with_bands)
        self._total = Sum(rate_hz)
        self._seconds = Periods(rate_hz, period_samples=rate_hz)

    def seconds(self, blocks: Iterable[Samples]) -> Iterator[tuple[int, Figures]]:
        """Measure all blocks, and give each second when it is over: its number, from 0, and its levels."""
        for block in blocks:
            for start in range(0, len(block), self._rate_hz):
                ticks = self._meter.push(block[start : start + self._rate_hz])
                self._total.add(ticks)
                yield from self._seconds.add(ticks)
        yield from self._seconds.end()

    def total(self) -> Figures | None:
        """Give the levels of all that was measured; None for less than a tenth of a second."""
        return self._total.figures()
