"""What is taken for a calibrator's tone, and what is refused, with what words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_device.level.tone import Tone, ToneSearch

RATE_HZ = 48_000


def tone(
    duration_s: float = 6.0, *, frequency_hz: float = 1_000.0, amplitude: float = 0.05, noise: float = 0.0
) -> np.ndarray:
    n = round(duration_s * RATE_HZ)
    clean = amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(n) / RATE_HZ)
    return clean + noise * np.random.default_rng(5).standard_normal(n)


def refusal(samples: np.ndarray) -> str:
    search = ToneSearch(RATE_HZ)
    assert search.push(samples) is None
    return search.refusal()


def found(samples: np.ndarray) -> Tone:
    tone = ToneSearch(RATE_HZ).push(samples)
    assert tone is not None
    return tone


@pytest.mark.parametrize("frequency_hz", [981.0, 999.3, 1_000.0, 1_000.7, 1_019.0])
def test_a_steady_tone_is_measured(frequency_hz: float) -> None:
    heard = found(tone(frequency_hz=frequency_hz, noise=0.0005))
    assert heard.frequency_hz == pytest.approx(frequency_hz, abs=0.2)
    assert heard.level_dbfs == pytest.approx(20 * np.log10(0.05) - 3.0103, abs=0.01)
    assert heard.spread_db < 0.05
    assert heard.residual_db == pytest.approx(20 * np.log10(0.0005 / 0.05) + 3.01, abs=0.3)


def test_noise_is_not_part_of_the_level() -> None:
    assert found(tone(noise=0.003)).level_dbfs == pytest.approx(found(tone()).level_dbfs, abs=0.02)


def test_tone_is_found_after_handling_and_talk() -> None:
    handling = 0.3 * np.random.default_rng(6).standard_normal(4 * RATE_HZ)
    fading_in = tone(2) * np.linspace(0, 1, 2 * RATE_HZ)
    heard = found(np.concatenate([handling, np.zeros(RATE_HZ), fading_in, tone(8)]))
    assert heard.level_dbfs == pytest.approx(20 * np.log10(0.05) - 3.0103, abs=0.02)


@given(st.lists(st.integers(1, 30_000), max_size=8))
@settings(max_examples=10)
def test_blocks_make_no_difference(lengths: list[int]) -> None:
    samples = tone(6)
    search, tones = ToneSearch(RATE_HZ), []
    for block in np.split(samples, np.cumsum(lengths)):
        tones.append(search.push(block))
    assert next(heard for heard in tones if heard is not None) == found(samples)


def test_samples_of_16_bits_give_what_floats_give() -> None:
    rounded = np.rint(tone() * 32_768).astype(np.int16)
    heard = ToneSearch(RATE_HZ).push(rounded)
    assert heard is not None
    assert heard.level_dbfs == pytest.approx(found(tone()).level_dbfs, abs=0.001)


def test_another_frequency() -> None:
    assert refusal(tone(frequency_hz=250)) == (
        "the strongest tone is at 250 Hz; a calibrator's is at 1000 Hz, 2% more or less"
    )
    assert "at 1030 Hz" in refusal(tone(frequency_hz=1_030))


def test_a_tone_in_noise() -> None:
    words = refusal(tone(noise=0.01))
    assert words.startswith("all else than the tone is only 11 dB below it; 20 dB are needed: does the calibrator sit")


def test_a_distorted_tone() -> None:
    assert "is only" in refusal(np.clip(tone(amplitude=0.5), -0.35, 0.35) + tone(frequency_hz=3_000, amplitude=0.1))


def test_an_unsteady_tone() -> None:
    swelling = tone(10) * (1 + 0.1 * np.sin(2 * np.pi * 0.2 * np.arange(10 * RATE_HZ) / RATE_HZ))
    assert "level varies by" in refusal(swelling)


def test_a_signal_that_clips() -> None:
    assert refusal(np.clip(tone(amplitude=1.2), -1, 1)) == "the signal clips: lower the gain of the input"


def test_silence() -> None:
    assert refusal(np.zeros(6 * RATE_HZ)).startswith("there is no signal")


def test_noise_alone() -> None:
    assert refusal(0.1 * np.random.default_rng(7).standard_normal(6 * RATE_HZ))


@pytest.mark.parametrize(("duration_s", "heard_s"), [(0.0, "0"), (0.3, "0"), (4.2, "4")])
def test_too_short_a_tone(duration_s: float, heard_s: str) -> None:
    assert refusal(tone(duration_s)) == f"only {heard_s} s were heard; 5 s of the tone are needed"


def test_a_gap_begins_the_five_seconds_anew() -> None:
    search = ToneSearch(RATE_HZ)
    assert search.push(tone(4)) is None
    search.restart()
    assert search.push(tone(4)) is None
    assert search.push(tone(1)) is not None
