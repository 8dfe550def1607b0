"""The codec gives back as many samples as went in, where they were, at every level, rate and length."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray, read_audio, resample
from sonyc_contract.codec import (
    DEFAULT_STORAGE_RATE_HZ,
    ENCODABLE_RATES_HZ,
    STORAGE_RATES_HZ,
    decode,
    encode,
    encoder_version,
    round_trip,
)
from sonyc_contract.errors import CodecError
from sonyc_contract.levels import Level

_RATES_HZ = (16_000, 22_050, 44_100, 48_000)
# One sample to ten seconds, among them the edges of MPEG-2's (576) and MPEG-1's (1152) frames and FLAC's blocks (4096).
_N_SAMPLES = (1, 2, 575, 576, 577, 1_105, 1_151, 1_152, 1_153, 2_304, 4_095, 4_096, 4_097, 11_520, 30_001)
_MAX_LAG = 3_000  # LAME's delay and decoder's, 1105 at 44.1 kHz, would show


def _noise(n_samples: int) -> FloatArray:
    """Pink-ish noise, so that every level keeps most of it."""
    white = np.random.default_rng(n_samples).normal(0, 0.2, n_samples)
    return scipy.signal.lfilter([1], [1, -0.7], white).astype(np.float32)


def _lag(original: FloatArray, decoded: FloatArray) -> int:
    """Where the cross-correlation peaks, within 3,000 samples: 0 means aligned."""
    start = max(0, int(np.abs(original).argmax()) - 2**15)
    n = len(original[start : start + 2**16])
    correlation = scipy.signal.correlate(decoded[start : start + n], original[start : start + n], method="fft")
    lags = np.arange(1 - n, n)
    near = np.abs(lags) <= _MAX_LAG
    return int(lags[near][np.argmax(correlation[near])])


@cache
def _real_clip(path: Path, rate_hz: int) -> FloatArray:
    audio = read_audio(path)
    return resample(audio.samples, audio.rate_hz, rate_hz)


@pytest.mark.parametrize("rate_hz", _RATES_HZ)
@pytest.mark.parametrize("level", Level)
def test_length_and_lag(level: Level, rate_hz: int) -> None:
    for n_samples in (*_N_SAMPLES, 10 * rate_hz):
        samples = _noise(n_samples)
        decoded, decoded_hz = decode(encode(samples, rate_hz, level=level))
        assert (len(decoded), decoded_hz) == (n_samples, rate_hz), n_samples
        assert decoded.dtype == np.float32
        if n_samples > 1_000:
            assert _lag(samples, decoded) == 0, n_samples


@pytest.mark.parametrize("rate_hz", _RATES_HZ)
@pytest.mark.parametrize("level", Level)
def test_impulses_stay_where_they_are(level: Level, rate_hz: int) -> None:
    positions = np.array([0, 700, 3_001, 9_999, 17_217])
    samples = np.zeros(20_000, np.float32)
    samples[positions] = 0.9
    decoded = round_trip(samples, rate_hz, level=level)
    assert len(decoded) == len(samples)
    assert _lag(samples, decoded) == 0
    for position in positions[1:]:
        around = slice(position - 300, position + 300)
        assert np.argmax(np.abs(decoded[around])) == 300


@pytest.mark.parametrize("rate_hz", _RATES_HZ)
@pytest.mark.parametrize("level", Level)
def test_real_clip(level: Level, rate_hz: int, shared_data: Path) -> None:
    samples = _real_clip(shared_data / "sonyc" / "06_002911.wav", rate_hz)
    decoded = round_trip(samples, rate_hz, level=level)
    assert len(decoded) == len(samples)
    assert _lag(samples, decoded) == 0


@pytest.mark.parametrize("level", [Level.PCM, Level.V0, Level.V9])
def test_other_real_clips(level: Level, shared_data: Path) -> None:
    paths = [
        *sorted((shared_data / "sonyc").glob("*.wav")),
        *sorted((shared_data / "esc10").glob("dog_bark/*.ogg"))[:3],
    ]
    assert len(paths) >= 5
    for path in paths:
        audio = read_audio(path)
        decoded = round_trip(audio.samples, audio.rate_hz, level=level)
        assert len(decoded) == len(audio.samples)
        assert _lag(audio.samples, decoded) == 0


@pytest.mark.parametrize("rate_hz", ENCODABLE_RATES_HZ)
def test_every_rate_that_lame_has(rate_hz: int) -> None:
    samples = _noise(5_000)
    for level in (Level.PCM, Level.V5):
        decoded, decoded_hz = decode(encode(samples, rate_hz, level=level))
        assert (len(decoded), decoded_hz) == (5_000, rate_hz)


def test_storage_rates_can_be_encoded() -> None:
    assert set(STORAGE_RATES_HZ) <= set(ENCODABLE_RATES_HZ)
    assert DEFAULT_STORAGE_RATE_HZ in STORAGE_RATES_HZ


def test_pcm_is_exact_to_16_bits() -> None:
    steps = np.random.default_rng(0).integers(-32_768, 32_768, 10_000)
    samples = (steps / 32_768).astype(np.float32)
    np.testing.assert_array_equal(round_trip(samples, 48_000, level=Level.PCM), samples)


@pytest.mark.parametrize("level", [Level.V0, Level.V9])
def test_lossy_levels_get_the_same_16_bits_as_pcm(level: Level) -> None:
    samples = _noise(20_000) / 1_000  # some 30 steps of 16 bits
    as_pcm = round_trip(samples, 48_000, level=Level.PCM)
    assert encode(samples, 48_000, level=level) == encode(as_pcm, 48_000, level=level)


@pytest.mark.filterwarnings("error")
def test_over_full_scale_is_clipped() -> None:
    samples = np.array([0.0, 1.0, 1.5, -1.0, -1.5, 3e38, -3e38], np.float32)
    expected = np.array([0, 32_767, 32_767, -32_768, -32_768, 32_767, -32_768]) / 32_768
    np.testing.assert_array_equal(round_trip(samples, 48_000, level=Level.PCM), expected.astype(np.float32))


def test_more_compression_makes_fewer_bytes() -> None:
    samples = _noise(48_000)
    sizes = {level: len(encode(samples, 48_000, level=level)) for level in Level}
    assert sizes[Level.PCM] > sizes[Level.V0] > sizes[Level.V5] > sizes[Level.V9]


def test_pcm_is_flac_and_the_others_mp3() -> None:
    assert encode(_noise(100), 16_000, level=Level.PCM).startswith(b"fLaC")
    assert encode(_noise(100), 16_000, level=Level.V9)[:2] in {b"\xff\xfb", b"\xff\xf3"}


@pytest.mark.parametrize("level", [Level.PCM, Level.V5])
@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.array([], np.float32), r"shape \(0,\): one channel with at least one sample"),
        (np.zeros((100, 2), np.float32), r"shape \(100, 2\): one channel"),
        (np.array([0, np.nan], np.float32), "sample 1 is nan"),
        (np.array([np.inf, 0], np.float32), "sample 0 is inf"),
        (np.array([0, 0, -np.inf], np.float32), "sample 2 is -inf"),
    ],
)
def test_refuses_to_encode(samples: NDArray[np.float32], message: str, level: Level) -> None:
    with pytest.raises(CodecError, match=message):
        encode(samples, 48_000, level=level)


@pytest.mark.parametrize("rate_hz", [0, -48_000, 47_999, 96_000, 192_000])
@pytest.mark.parametrize("level", [Level.PCM, Level.V5])
def test_rate_that_lame_has_not(rate_hz: int, level: Level) -> None:
    with pytest.raises(CodecError, match=rf"cannot encode at {rate_hz} Hz: resample to one of 8000, 11025"):
        encode(_noise(100), rate_hz, level=level)


@pytest.mark.parametrize("level", [Level.PCM, Level.V0, Level.V9])
def test_bytes_cut_short(level: Level) -> None:
    data = encode(_noise(48_000), 48_000, level=level)
    for n_bytes in (len(data) - 1, len(data) // 2, 2_000, 200, 100, 40, 10, 4, 1):
        with pytest.raises(CodecError):
            decode(data[:n_bytes])


@pytest.mark.parametrize("data", [b"", b"\0" * 5_000, b"not audio" * 1_000, b"RIFF\0\0\0\0WAVE"])
def test_bytes_that_are_no_audio(data: bytes) -> None:
    with pytest.raises(CodecError) as caught:
        decode(data)
    assert str(caught.value).startswith(f"{len(data)} bytes of encoded audio: ")
    assert "\n" not in str(caught.value)


def test_encoder_version() -> None:
    assert encoder_version().startswith("pedalboard-0.9.")
