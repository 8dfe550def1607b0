"""What one architecture stores the other reads: as long, in place, and the same samples."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.audio import from_int16, to_int16
from sonyc_contract.codec import decode, encode
from sonyc_contract.levels import Level
from support.raspberry_pi import RaspberryPi
from support.signals import FloatArray, write_wav

MAX_DIFFERENCE = 1e-3
MAX_LAG = 3000


@pytest.fixture(scope="module")
def passage(street: FloatArray) -> FloatArray:
    """Four seconds of the street, of three of its sounds: eleven levels of all of it take qemu half a minute."""
    return street[110_000:302_017]


@pytest.fixture(scope="module")
def here(passage: FloatArray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the passage as this machine encodes it."""
    folder = tmp_path_factory.mktemp("here")
    for level in Level:
        (folder / f"{level}.coded").write_bytes(encode(passage, 48_000, level=level))
    return folder


@pytest.fixture(scope="module")
def there(
    here: Path, passage: FloatArray, make_pi: Callable[..., RaspberryPi], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the passage as a Pi encodes it, and with what it decodes from `here`."""
    folder = tmp_path_factory.mktemp("there")
    clip = write_wav(folder / "passage.wav", passage, 48_000)
    done = make_pi().run(Path(__file__).with_name("code_and_decode.py"), clip, here, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("level", Level)
def test_what_a_pi_encodes_is_decoded_here(level: Level, here: Path, there: Path, passage: FloatArray) -> None:
    samples, rate_hz = decode((there / f"{level}.coded").read_bytes())
    assert (len(samples), rate_hz) == (len(passage), 48_000)
    assert lag(samples, passage) == 0
    expected, _ = decode((here / f"{level}.coded").read_bytes())
    assert np.abs(samples - expected).max() <= MAX_DIFFERENCE


@pytest.mark.parametrize("level", Level)
def test_what_is_encoded_here_is_decoded_by_a_pi(level: Level, here: Path, there: Path, passage: FloatArray) -> None:
    samples = np.load(there / f"{level}.npy")
    expected, _ = decode((here / f"{level}.coded").read_bytes())
    assert samples.shape == passage.shape
    assert lag(samples, passage) == 0
    assert np.abs(samples - expected).max() <= MAX_DIFFERENCE


def test_pcm_is_the_same_to_the_sample(there: Path, passage: FloatArray) -> None:
    samples, _ = decode((there / f"{Level.PCM}.coded").read_bytes())
    assert np.array_equal(samples, from_int16(to_int16(passage)))
    assert np.array_equal(samples, np.load(there / f"{Level.PCM}.npy"))


def lag(samples: FloatArray, reference: FloatArray) -> int:
    """By how many samples the first comes later, as the peak of their correlation within 3,000 samples."""
    n = len(reference) + MAX_LAG
    spectrum = np.fft.rfft(samples, n) * np.conj(np.fft.rfft(reference, n))
    correlation = np.roll(np.fft.irfft(spectrum, n), MAX_LAG)[: 2 * MAX_LAG + 1]
    return int(correlation.argmax()) - MAX_LAG
