"""Files in the place of a microphone: joined without a gap, paced, and the bad ones left out."""

import struct
import threading
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonyc_contract.audio import from_int16, resample, to_int16
from sonyc_device.capture.files import FileSource
from sonyc_device.capture.ring import Ring
from sonyc_device.capture.source import Block, End, GapCause, Int16Array
from sonyc_device.errors import CaptureError
from support.signals import noise, write_wav

RATE_HZ = 16_000


class Bucket:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.blocks: list[Int16Array] = []
        self.ended = threading.Event()
        self.error: CaptureError | None = None

    def write(self, samples: Int16Array) -> None:
        self.blocks.append(samples.copy())

    def skip(self, n_samples: int, cause: GapCause) -> None:
        raise AssertionError(f"{n_samples} samples of a file lost: {cause}")

    def end(self, error: CaptureError | None = None) -> None:
        if not self.ended.is_set():
            self.error = error
            self.ended.set()

    @property
    def samples(self) -> Int16Array:
        return np.concatenate(self.blocks) if self.blocks else np.empty(0, np.int16)


def deliver(files: Sequence[Path], *, speed: float = 0, refused: list[Path] | None = None) -> Bucket:
    bucket = Bucket()
    keep = (refused if refused is not None else []).append
    source = FileSource(files, rate_hz=RATE_HZ, speed=speed, on_refused=keep)
    source.start(bucket)
    assert bucket.ended.wait(30)
    source.stop()
    return bucket


def test_files_are_joined_sample_by_sample(tmp_path: Path) -> None:
    parts = [noise(duration_s, RATE_HZ, seed=n) for n, duration_s in enumerate((0.73, 0.05, 1.2))]
    files = [write_wav(tmp_path / f"{n}.wav", part, RATE_HZ) for n, part in enumerate(parts)]
    bucket = deliver(files)
    np.testing.assert_array_equal(bucket.samples, to_int16(np.concatenate(parts)))
    assert bucket.error is None


def test_files_of_another_rate_are_resampled_and_channels_averaged(tmp_path: Path) -> None:
    stereo = np.stack([noise(1.0, 44_100, seed=1), noise(1.0, 44_100, seed=2)], axis=1)
    bucket = deliver([write_wav(tmp_path / "a.wav", stereo, 44_100)])
    mono = (to_int16(stereo) / np.float32(32768)).mean(axis=1, dtype=np.float32)
    np.testing.assert_array_equal(bucket.samples, to_int16(resample(mono, 44_100, RATE_HZ)))


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_long_file_is_resampled_as_if_in_one_piece(rate_hz: int, tmp_path: Path) -> None:
    part = noise(45.3, rate_hz, seed=rate_hz)  # more than one block of the reader at any of these rates
    bucket = deliver([write_wav(tmp_path / "a.wav", part, rate_hz)])
    whole = from_int16(to_int16(part))
    np.testing.assert_array_equal(bucket.samples, to_int16(resample(whole, rate_hz, RATE_HZ)))


class Counter(Bucket):
    """A sink that keeps nothing but counts."""

    n_samples = 0

    def write(self, samples: Int16Array) -> None:
        self.n_samples += len(samples)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    rate_hz, duration_s = 8_000, 10 * 3_600
    path = write_wav(tmp_path / "day.wav", noise(1.0, rate_hz), rate_hz)
    n_bytes = 2 * rate_hz * duration_s
    with path.open("r+b") as file:  # the header of a longer file; what follows the first second is a hole
        file.write(struct.pack("<4sI", b"RIFF", 36 + n_bytes))
        file.seek(40)
        file.write(struct.pack("<I", n_bytes))
        file.truncate(44 + n_bytes)
    counter = Counter()
    source = FileSource([path], rate_hz=rate_hz, speed=0)
    tracemalloc.start()
    source.start(counter)
    assert counter.ended.wait(60)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    source.stop()
    assert (counter.error, counter.n_samples) == (None, rate_hz * duration_s)
    assert peak_bytes < 20e6  # the whole file as float32 is 1,152 MB


def test_file_with_a_bad_sample_at_its_end_is_left_out_as_a_whole(tmp_path: Path) -> None:
    good, bad = noise(0.5, RATE_HZ), noise(100.0, RATE_HZ)
    bad[-1] = np.nan
    soundfile.write(tmp_path / "bad.wav", bad, RATE_HZ, subtype="FLOAT")
    refused: list[Path] = []
    bucket = deliver([tmp_path / "bad.wav", write_wav(tmp_path / "good.wav", good, RATE_HZ)], refused=refused)
    np.testing.assert_array_equal(bucket.samples, to_int16(good))
    assert [path.name for path in refused] == ["bad.wav"]


def test_row_14_file_that_was_cut_short_is_taken_as_far_as_it_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = noise(30.0, RATE_HZ)
    path = write_wav(tmp_path / "cut.wav", part, RATE_HZ)
    with path.open("r+b") as file:
        file.truncate(44 + 2 * 20 * RATE_HZ)
    bucket = deliver([path])
    np.testing.assert_array_equal(bucket.samples, to_int16(part[: 20 * RATE_HZ]))
    assert any("cut short" in text and "its first 20.00 s are taken" in text for text in caplog.messages)


def test_row_14_bad_files_are_named_and_the_others_delivered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = noise(0.5, RATE_HZ)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not audio")
    files = [
        tmp_path / "empty.wav", write_wav(tmp_path / "good.wav", good, RATE_HZ), tmp_path / "text.wav",
        tmp_path / "missing.wav",
    ]  # fmt: skip
    refused: list[Path] = []
    bucket = deliver(files, refused=refused)
    np.testing.assert_array_equal(bucket.samples, to_int16(good))
    assert [path.name for path in refused] == ["empty.wav", "text.wav", "missing.wav"]
    assert all(any(path.name in text for text in caplog.messages) for path in refused)


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    bucket = deliver([tmp_path / "empty.wav"])
    assert isinstance(bucket.error, CaptureError)


def test_real_time_is_kept(tmp_path: Path) -> None:
    files = [write_wav(tmp_path / "a.wav", noise(1.0, RATE_HZ), RATE_HZ)]
    for speed, least_s in ((2.0, 0.5), (10.0, 0.1)):
        started_s = time.monotonic()
        deliver(files, speed=speed)
        assert time.monotonic() - started_s >= least_s


def test_stop_does_not_wait_for_a_long_file_to_be_read(tmp_path: Path) -> None:
    is_reading, may_read = threading.Event(), threading.Event()

    class LongFile(type(tmp_path)):  # type: ignore[misc]
        """A path that takes as long to look at as the test wants."""

        def is_file(self) -> bool:
            is_reading.set()
            return may_read.wait(30) and bool(super().is_file())

    source, bucket = FileSource([LongFile(tmp_path / "a.wav")], rate_hz=RATE_HZ), Bucket()
    source.start(bucket)
    assert is_reading.wait(30)
    source.stop()
    assert not may_read.is_set()
    assert (bucket.ended.is_set(), bucket.error) == (True, None)
    may_read.set()


def test_loop_begins_again_and_ends_on_stop(tmp_path: Path) -> None:
    part = noise(0.25, RATE_HZ)
    source = FileSource([write_wav(tmp_path / "a.wav", part, RATE_HZ)], rate_hz=RATE_HZ, speed=0, loop=True)
    ring = Ring(RATE_HZ, waits_when_full=True)
    source.start(ring)
    blocks = [ring.read(RATE_HZ) for _ in range(3)]
    source.stop()
    joined = np.concatenate([block.samples for block in blocks if isinstance(block, Block)])
    np.testing.assert_array_equal(joined, np.tile(to_int16(part), 12))
    while not isinstance(ring.read(RATE_HZ), End):
        pass
