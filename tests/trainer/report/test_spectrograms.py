"""Spectrograms: where a tone is, where a codec cuts off, and that the file holds what is drawn."""

import base64
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.codec import round_trip
from sonyc_contract.levels import Level
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.report.png import palette, png_of, shades_of
from sonyc_trainer.report.spectrograms import ClassSpectrograms, difference_db, draw_class, read_spectrograms
from sonyc_trainer.report.spectrum import FLOOR_DB, cutoff_hz, peak_power, spectrogram

RATE_HZ = 48_000


def tone(hz: float, duration_s: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(duration_s * RATE_HZ)) / RATE_HZ)).astype(np.float32)


@pytest.mark.parametrize("hz", [1_000.0, 9_000.0, 20_000.0])
def test_tone_is_at_its_frequency_and_0_db(hz: float) -> None:
    samples = tone(hz)
    found = spectrogram(samples, RATE_HZ, max_hz=24_000, reference=peak_power(samples))
    row, column = np.unravel_index(found.decibels.argmax(), found.decibels.shape)
    assert abs(found.frequencies_hz[row] - hz) <= 24_000 / 96
    # A row is the mean of ten or eleven frequencies, of which a tone takes two or three.
    assert -12 < found.decibels[row, column] <= 0
    assert found.decibels.min() >= FLOOR_DB
    assert found.times_s[0] >= 0
    assert found.times_s[-1] <= 1.0


@pytest.mark.parametrize(
    ("level", "rate_hz", "expected_hz"),
    # As LAME's own low-pass is listed, and measured on street recordings at 44.1 kHz.
    [
        (Level.V3, 44_100, 18_000),
        (Level.V5, 44_100, 16_500),
        (Level.V7, 44_100, 15_200),
        (Level.V9, 44_100, 7_600),
        (Level.V9, 48_000, 7_600),
    ],
)
def test_cutoff_is_lames(level: Level, rate_hz: int, expected_hz: float) -> None:
    assert cutoff_hz(level, rate_hz) == pytest.approx(expected_hz, abs=150)


def test_what_keeps_everything_has_no_cutoff() -> None:
    assert cutoff_hz(Level.PCM, 16_000) is None
    assert cutoff_hz(Level.V0, 48_000) is None


def test_short_and_silent_clips_have_a_spectrogram() -> None:
    silent = np.zeros(100, np.float32)
    found = spectrogram(silent, RATE_HZ, max_hz=24_000, reference=peak_power(silent))
    assert found.decibels.shape == (96, 96)
    assert (found.decibels == FLOOR_DB).all()


@pytest.fixture
def two_levels() -> ClassSpectrograms:
    samples = (tone(3_000) + 0.01 * np.random.default_rng(1).standard_normal(RATE_HZ)).astype(np.float32)
    reference = peak_power(samples)
    levels = {
        level: spectrogram(round_trip(samples, RATE_HZ, level=level), RATE_HZ, max_hz=24_000, reference=reference)
        for level in (Level.PCM, Level.V9)
    }
    return ClassSpectrograms("dog", "tones/dog/1", levels)


def test_file_gives_back_what_was_written(two_levels: ClassSpectrograms, tmp_path: Path) -> None:
    two_levels.write_csv(tmp_path / "dog.csv")
    again = read_spectrograms(tmp_path / "dog.csv", "dog")
    assert again.clip_id == two_levels.clip_id
    for level, one in two_levels.levels.items():
        np.testing.assert_array_equal(again.levels[level].decibels, one.decibels)
    assert draw_class(again, {}) == draw_class(read_spectrograms(tmp_path / "dog.csv", "dog"), {})


def test_difference_shows_what_the_codec_took(two_levels: ClassSpectrograms) -> None:
    original, coded = two_levels.levels[Level.PCM], two_levels.levels[Level.V9]
    lost = difference_db(coded, original)
    above = original.frequencies_hz > 8_500
    assert lost[above].mean() < -10
    assert abs(lost[original.frequencies_hz < 6_000].mean()) < 3


def test_cutoff_is_drawn_in_both_pictures_unless_it_is_above(two_levels: ClassSpectrograms) -> None:
    drawn = draw_class(two_levels, {Level.PCM: None, Level.V9: 7_600.0})
    assert "cut-off 7.6 kHz" in drawn
    heights = [float(y) for y in re.findall(r'y1="([\d.]+)"[^>]*stroke-dasharray', drawn)]
    # Both pictures are 104 high, the second 118 below the first.
    assert heights == pytest.approx([4 + 104 * (1 - 7.6 / 24), 122 + 104 * (1 - 7.6 / 24)], abs=0.1)
    assert "stroke-dasharray" not in draw_class(two_levels, {Level.V9: 30_000.0})


def test_without_pcm_the_first_level_is_the_reference(two_levels: ClassSpectrograms) -> None:
    levels = {Level.V3: two_levels.levels[Level.PCM], Level.V9: two_levels.levels[Level.V9]}
    drawn = draw_class(ClassSpectrograms("dog", "tones/dog/1", levels), {})
    assert "below: minus v3" in drawn
    # Two spectrograms, one difference, two colour scales.
    assert drawn.count("<image ") == 5


def test_pictures_are_the_numbers(two_levels: ClassSpectrograms) -> None:
    pictures = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", draw_class(two_levels, {}))
    original = two_levels.levels[Level.PCM].decibels
    np.testing.assert_array_equal(pixels(base64.b64decode(pictures[0])), shades_of(original[::-1], FLOOR_DB, 0.0))


def test_png_holds_its_shades_and_colours() -> None:
    shades = np.arange(6, dtype=np.uint8).reshape(2, 3)
    png = png_of(shades, palette("magma"))
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    np.testing.assert_array_equal(pixels(png), shades)
    assert palette("magma").tobytes() in png


def test_each_class_has_a_test_clip(finished: StudyFolder) -> None:
    lines = finished.spectrogram_clips.read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["engine", "music", "dog"]
    assert {line.split(",")[2] for line in lines[1:]} == {"test"}


def pixels(png: bytes) -> np.ndarray:
    """Read a PNG as `png_of` writes it."""
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    at = png.index(b"IDAT")
    content = png[at + 4 : at + 4 + int.from_bytes(png[at - 4 : at], "big")]
    return np.frombuffer(zlib.decompress(content), np.uint8).reshape(height, width + 1)[:, 1:]
