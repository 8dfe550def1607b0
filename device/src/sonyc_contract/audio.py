"""Audio as files bring it: read, checked, mixed to mono, resampled. The same for trainer, node and tools."""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.containers import container_name, is_lone_mp3_frame, lacks_bytes, states_n_frames
from sonyc_contract.errors import AudioError

MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 192_000

_BLOCK_SAMPLES = 2**20

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Audio:
    """One piece of mono audio.

    Attributes:
        samples: float32 [n_samples], nominally within -1 ... 1.
        rate_hz: Samples per second.
        n_channels: How many channels the source had before they were averaged.
        is_cut: Whether the file promised more samples than it held.
    """

    samples: FloatArray
    rate_hz: int
    n_channels: int = 1
    is_cut: bool = False

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz

    @property
    def is_silent(self) -> bool:
        """Whether every sample is zero."""
        return not bool(np.any(self.samples))


def read_audio(path: Path) -> Audio:
    """Read whatever libsndfile reads, averaged to mono.

    Audio that was cut short is given as far as it goes, and marked. MP3 of variable bit rate without a Xing tag is
    given only as far as libsndfile guesses its length.

    Args:
        path: A file of 8 to 192 kHz, any number of channels, integer or float samples.

    Raises:
        AudioError: the file is missing, empty, not audio, has a cut header, a rate out of range, no samples, or NaN
            or infinite ones. The message names the file and what is wrong.
    """
    with open_audio(path) as reader:
        return _whole(reader)


@contextmanager
def open_audio(path: Path) -> Iterator["AudioReader"]:
    """Open whatever libsndfile reads, to be read block by block: what is in memory does not grow with the file.

    Args:
        path: A file as `read_audio` takes it.

    Raises:
        AudioError: as `read_audio`; for what is wrong with the samples only when they are read.
    """
    try:
        if not path.is_file():
            raise AudioError(f"{path}: {_why_no_file(path)}")
        with path.open("rb") as file:
            head, is_cut, is_count_stated = _examine(file, str(path))
        # By its path: libsndfile's probing of a cut AIFF file through a Python file object prints a traceback.
        sound = _open_sound(os.fsencode(path), head, str(path))
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
    with sound:
        yield AudioReader(sound, str(path), is_cut=is_cut, is_count_stated=is_count_stated)


def parse_audio(data: bytes, name: str) -> Audio:
    """Read audio from a file's bytes; as `read_audio`, with `name` in the messages.

    Raises:
        AudioError: as `read_audio`.
    """
    file = _Bytes(data)
    head, is_cut, is_count_stated = _examine(file, name)
    file.seek(0)
    with _open_sound(file, head, name) as sound:
        return _whole(AudioReader(sound, name, is_cut=is_cut, is_count_stated=is_count_stated))


def check_finite(samples: FloatArray, name: str, *, first: int = 0) -> None:
    """Refuse NaN and infinity, which a codec would silently write as silence or full scale.

    Args:
        samples: float32 [n].
        name: What they are of.
        first: Index of the first of them.

    Raises:
        AudioError: naming `name`, the first offending index and its value.
    """
    finite = np.isfinite(samples)
    if not finite.all():
        index = int(np.argmin(finite))
        raise AudioError(f"{name}: sample {first + index} is {samples[index]}; repair or leave out the recording")


def resample(samples: FloatArray, from_hz: int, to_hz: int) -> FloatArray:
    """Resample with soxr HQ; returns its input where the rates are equal.

    Args:
        samples: float32 [n].
        from_hz: Rate of `samples`.
        to_hz: Rate wanted.

    Returns:
        float32 [round(n * to_hz / from_hz)], aligned with the input.
    """
    if from_hz == to_hz:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, from_hz, to_hz, quality="HQ"), dtype=np.float32)


def resample_blocks(blocks: Iterable[FloatArray], from_hz: int, to_hz: int) -> Iterator[FloatArray]:
    """Resample float32 [n] block by block; joined, the blocks are what `resample` gives of the whole."""
    if from_hz == to_hz:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def to_int16(samples: FloatArray) -> NDArray[np.int16]:
    """Quantise float32 [n] within -1 ... 1 to int16, clipping what is over full scale."""
    scaled = np.clip(samples, -1.0, 1.0) * np.float32(32768.0)
    return np.asarray(np.minimum(np.rint(scaled, out=scaled), np.float32(32767.0)), dtype=np.int16)


def from_int16(samples: NDArray[np.int16]) -> FloatArray:
    """Give int16 [n] as float32 [n] within -1 ... 1; the inverse of `to_int16`."""
    return samples.astype(np.float32) / np.float32(32768.0)


def leq_dbfs(samples: FloatArray) -> float:
    """Equivalent level of float32 [n] in dB re a full-scale square wave; -inf is given as -200.0.

    The mean is of energy, 10 log10(mean(x^2)), not of decibels.
    """
    energy = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return max(10.0 * float(np.log10(energy)), -200.0) if energy > 0.0 else -200.0


class AudioReader:
    """An open audio file, of which one block after the other is read.

    Attributes:
        rate_hz: Samples per second.
        n_channels: How many channels it has.
        is_float: Whether its samples are floating-point numbers, which may be NaN or infinite.
        is_cut: Whether the file promised more samples than it held; known when all were read.
    """

    def __init__(self, sound: Any, name: str, *, is_cut: bool, is_count_stated: bool) -> None:
        """Take a `soundfile.SoundFile` at its beginning; see `open_audio`."""
        self._sound = sound
        self._name = name
        self._is_count_stated = is_count_stated
        self.rate_hz = int(sound.samplerate)
        self.n_channels = int(sound.channels)
        self.is_float = sound.subtype in ("FLOAT", "DOUBLE")
        self.is_cut = is_cut

    def blocks(self, *, channel: int | None = None) -> Iterator[FloatArray]:
        """Read what is left.

        Args:
            channel: Which channel, from 0; by default all of them are averaged, which gives what `read_audio` gives.

        Yields:
            float32 [n], n up to a million.

        Raises:
            AudioError: there is no sample, or one is NaN or infinite.
        """
        n_read = 0
        for frames in self._frames():
            samples = _mono(frames) if channel is None else frames[:, channel]
            check_finite(samples, self._name, first=n_read)
            n_read += len(samples)
            yield samples
        if n_read == 0:
            raise AudioError(f"{self._name}: holds no samples; it is empty, or was cut off before the first one")

    def _frames(self) -> Iterator[FloatArray]:
        """Give float32 [n, n_channels] up to the end, or to where decoding fails."""
        n_left, is_at_end = self._sound.frames, False
        while n_left > 0 and not is_at_end:
            # What a header promises is not allocated at once: 60 bytes of FLAC may promise 2^36 samples.
            n_wanted = max(1, min(n_left, _BLOCK_SAMPLES // self.n_channels))
            frames, is_broken = _read_frames(self._sound, n_wanted)
            n_left -= len(frames)
            is_at_end = len(frames) < n_wanted
            self.is_cut |= is_broken or (is_at_end and self._is_count_stated)
            if len(frames):
                yield frames


class _Bytes(io.BytesIO):
    """Stays where it is instead of raising: libsndfile seeks before the start of damaged files."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


def _examine(file: BinaryIO, name: str) -> tuple[bytes, bool, bool]:
    """Give a file's first bytes, whether it lacks bytes that it states, and whether it states its number of samples."""
    head = file.read(10)
    if not head:
        raise AudioError(f"{name}: the file is empty (0 bytes); record or copy it again")
    if is_lone_mp3_frame(file):
        raise AudioError(f"{name}: holds no more than one MP3 frame; copy or record it again")
    return head, lacks_bytes(file), states_n_frames(file)


def _open_sound(source: bytes | BinaryIO, head: bytes, name: str) -> Any:
    try:
        sound = _sound_file_class()(source)
    except (RuntimeError, TypeError) as error:  # libsndfile's; TypeError: a headerless `.raw` file
        raise AudioError(f"{name}: {_why_unreadable(head, error)}") from error
    rate_hz = int(sound.samplerate)
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        sound.close()
        raise AudioError(f"{name}: sample rate {rate_hz} Hz; accepted are {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    return sound


def _whole(reader: AudioReader) -> Audio:
    blocks = list(reader.blocks())
    samples = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return Audio(samples, reader.rate_hz, reader.n_channels, reader.is_cut)


def _why_no_file(path: Path) -> str:
    if path.is_dir():
        return "a folder, not an audio file" if os.access(path, os.R_OK | os.X_OK) else "a folder that cannot be read"
    return "not an audio file" if path.exists() else "no such file"


def _read_frames(sound: Any, n_frames: int) -> tuple[FloatArray, bool]:
    """Give float32 [n <= n_frames, n_channels], and whether decoding failed after them, as in a cut FLAC file."""
    frames = np.full((n_frames, sound.channels), np.nan, np.float32)
    try:
        return sound.read(out=frames), False
    except RuntimeError:
        return frames[: int(np.isfinite(frames).all(axis=1).sum())], True


def _mono(frames: FloatArray) -> FloatArray:
    if frames.shape[1] == 1:
        return frames[:, 0]
    with np.errstate(over="ignore", invalid="ignore"):  # infinite samples are refused later, by name
        return np.asarray(frames.mean(axis=1, dtype=np.float32))


@cache
def _sound_file_class() -> Any:
    import soundfile

    class SoundFile(soundfile.SoundFile):  # type: ignore[misc]
        """Does not seek to where it is after each read, which alters MP3 read in blocks by up to 0.25."""

        def seekable(self) -> bool:
            return False

    return SoundFile


def _why_unreadable(head: bytes, error: Exception) -> str:
    container = container_name(head)
    if container == "MP3":
        return "its MP3 header is cut short or damaged; copy or record it again"
    if container:
        reason = str(error).rpartition(": ")[2].strip().rstrip(".")
        return f"its {container} header is cut short or damaged, or of a rare kind ({reason}); copy or record it again"
    return "not audio in any format that libsndfile reads; convert it to WAV or FLAC"
