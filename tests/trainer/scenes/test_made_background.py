"""Made background: the same by seed, of many levels and spectra, and the eight classes far below it where they are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sonyc_contract.errors import ConfigError
from sonyc_trainer.scenes.background_kinds import KINDS, modulated, of_rms_1
from sonyc_trainer.scenes.made_background import made_background
from sonyc_trainer.scenes.noise import Spectrum
from sonyc_trainer.scenes.settings import N_SAMPLES, RATE_HZ, BackgroundConfig, background_config

PLAIN = BackgroundConfig(seed=3, faint_fraction=0)
OCTAVES_HZ = [44.6 * 2**k for k in range(10)]


def level_dbfs(samples: NDArray[np.int16]) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples / 32_768.0)))))


def octave_powers(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.square(np.abs(np.fft.rfft(samples)))
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    return np.array([powers[(hz >= low) & (hz < 2 * low)].sum() for low in OCTAVES_HZ[:-1]])


def test_same_seed_and_index_give_the_same_clip_whatever_the_hours() -> None:
    clip = made_background(5, PLAIN)
    assert clip.dtype == np.int16
    assert clip.shape == (N_SAMPLES,)
    np.testing.assert_array_equal(clip, made_background(5, PLAIN.model_copy(update={"hours": 7.0})))
    assert not np.array_equal(clip, made_background(6, PLAIN))
    assert not np.array_equal(clip, made_background(5, PLAIN.model_copy(update={"seed": 4})))


def test_levels_and_spectra_differ_widely() -> None:
    clips = [made_background(index, PLAIN) for index in range(30)]
    levels = [level_dbfs(clip) for clip in clips]
    assert max(levels) - min(levels) > 30
    shares = np.array([octave_powers(clip.astype(np.float64)) for clip in clips])
    loudest = (shares / shares.sum(axis=1, keepdims=True)).argmax(axis=1)
    assert len(set(loudest)) >= 4
    assert max(np.abs(clip.astype(int)).max() for clip in clips) < 32_768


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_steady_sound_of_finite_samples(kind: str) -> None:
    rng = np.random.default_rng(2)
    for _ in range(3):
        samples = of_rms_1(modulated(KINDS[kind](rng, Spectrum((20.0, 20_000.0), (0.0, 0.0))), rng))
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert np.mean(samples**2) == pytest.approx(1.0, rel=1e-3)


def test_faint_sounds_are_far_below_in_every_octave() -> None:
    """What is added, found as a difference, stays under the noise by 25 dB, a bark's own peaks apart."""
    loud = PLAIN.model_copy(update={"faint_fraction": 1.0})
    margins = []
    for index in range(12):
        plain, faint = (made_background(index, config).astype(np.float64) for config in (PLAIN, loud))
        added = faint - plain
        assert added.any() or level_dbfs(made_background(index, PLAIN)) < -50
        # A sample is rounded in both; where the noise is nearly silent that is more than what was added.
        rounding = np.full(len(OCTAVES_HZ) - 1, N_SAMPLES * N_SAMPLES / 6) * np.array(OCTAVES_HZ[:-1]) / RATE_HZ
        rest = np.maximum(octave_powers(added) - 2 * rounding, 1e-9)
        margins.append(float((10 * np.log10(octave_powers(plain) / rest)).min()))
    assert min(margins) > 20


def test_length_in_hours_is_a_number_of_clips() -> None:
    assert background_config(hours=10).n_clips == 3_600
    assert background_config(hours=0.0001).n_clips == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hours": 0}, "hours"),
        ({"hours": "many"}, "many"),
        ({"seed": -1}, "-1"),
        ({"faint_low_db": -20, "faint_high_db": -30}, "faint_low_db = -20 is above faint_high_db = -30"),
        ({"faint_high_db": 0}, "faint_high_db"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match="made background: ") as error:
        background_config(**options)
    assert message in str(error.value)
