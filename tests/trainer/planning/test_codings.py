"""Every coding gives back as many samples as went in, where they were."""

import numpy as np
import pytest

from sonyc_contract.levels import Level
from sonyc_trainer.planning.codings import Coding, Family, at_rate, level_codings, opus_codings
from sonyc_trainer.planning.measuring import joined_pieces, measure

OPUS = [Coding(Family.OPUS, kbps, rate) for kbps in ("16", "32") for rate in (16_000, 24_000, 48_000)]


def bursts(rate_hz: int, duration_s: float) -> np.ndarray:
    """Noise below 3 kHz in two bursts: something that has a place in time, and that every codec keeps."""
    rng = np.random.default_rng(1)
    n = round(duration_s * rate_hz)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum[round(3_000 * duration_s) :] = 0
    samples = np.fft.irfft(spectrum, n)
    envelope = (np.arange(n) % (n // 2)) < n // 5
    return (0.2 * samples / np.abs(samples).max() * envelope).astype(np.float32)


@pytest.mark.parametrize("coding", OPUS, ids=lambda coding: coding.key)
@pytest.mark.parametrize("duration_s", [0.31, 1.0])
def test_opus_is_as_long_and_in_place(coding: Coding, duration_s: float) -> None:
    samples = bursts(coding.rate_hz, duration_s)
    decoded = coding.decode(coding.encode(samples), len(samples))
    assert len(decoded) == len(samples)
    lags = range(-40, 41)
    alike = [float(np.dot(np.roll(decoded, -lag), samples)) for lag in lags]
    assert abs(lags[int(np.argmax(alike))]) <= 3, "samples late"


def test_opus_setting_is_its_bit_rate() -> None:
    samples = bursts(48_000, 5.0)
    low, high = (measure([samples], 48_000, Coding(Family.OPUS, kbps, 48_000)) for kbps in ("16", "32"))
    assert 0.5 * 16 < low.bytes_per_hour / 450_000 < 1.6 * 16
    assert 0.5 * 32 < high.bytes_per_hour / 450_000 < 1.6 * 32


def test_cost_is_of_the_files_bytes() -> None:
    samples = bursts(48_000, 2.0)
    coding = Coding(Family.MP3, "v5", 16_000)
    cost = measure([samples, samples], 48_000, coding)
    n_bytes = len(coding.encode(at_rate(samples, 48_000, coding)))
    assert cost.n_bytes == 2 * n_bytes
    assert cost.duration_s == pytest.approx(4.0)
    assert cost.bytes_per_hour == round(3600 * 2 * n_bytes / 4.0)


def test_levels_are_codings_and_opus_takes_a_rate_that_it_has() -> None:
    assert [coding.family for coding in level_codings((Level.PCM, Level.V9), 16_000)] == [Family.FLAC, Family.MP3]
    assert opus_codings([16], 44_100)[0].rate_hz == 24_000
    assert opus_codings([16], 48_000)[0].rate_hz == 48_000


def test_short_clips_are_joined() -> None:
    clips = [np.full(25_000, value, np.float32) for value in (0.1, 0.2, 0.3)]
    pieces = joined_pieces(clips, 5_000, max_pieces=9)
    assert [len(piece) for piece in pieces] == [50_000]
    np.testing.assert_array_equal(pieces[0], np.concatenate(clips[:2]))
    assert len(joined_pieces(clips[:1], 5_000, max_pieces=9)[0]) == 25_000


def test_pieces_are_taken_from_all_over() -> None:
    clips = [np.full(50_000, number, np.float32) for number in range(9)]
    assert [int(piece[0]) for piece in joined_pieces(clips, 5_000, max_pieces=3)] == [0, 4, 8]
