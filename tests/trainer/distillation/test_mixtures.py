"""Mixtures are what their settings say: which clips, how loud, of which classes, and heard at which level."""

from typing import Any

import numpy as np
import pytest

from sonyc_trainer.distillation.mixtures import NONE, Mixed, Mixer, Sounds, heard_frames
from sonyc_trainer.study import MixtureSettings

FLOOR = 0.001
N_CLIPS, N_FRAMES, N_MELS = 6, 24, 16
SILENCE = np.log(FLOOR)
OFF = {
    "mix_probability": 0.0,
    "mix_db": 0.0,
    "softer_db": 0.0,
    "louder_db": 0.0,
    "equaliser_db": 0.0,
    "stretch": 0.0,
    "spread": 0.0,
    "shift_mels": 0.0,
    "turn_probability": 0.0,
    "unaltered": 0.0,
    "last_level": 0.0,
}
"""Nothing is altered."""


def noisy_frames(n_clips: int = N_CLIPS, n_frames: int = N_FRAMES) -> np.ndarray:
    """Frames that no two clips share, well above the floor."""
    return np.random.default_rng(1).uniform(-3, 1, (1, n_clips, n_frames, N_MELS)).astype(np.float16)


def sounds(frames: np.ndarray, classes: list[int] | None = None, labelled: list[bool] | None = None) -> Sounds:
    n_clips = frames.shape[1]
    return Sounds(
        frames,
        np.array(classes or [clip % 3 for clip in range(n_clips)], np.int64),
        heard_frames(frames[0], floor=FLOOR),
        np.array(labelled or [True] * n_clips),
    )


def draw(of: Sounds, n: int = 200, *, seed: int = 1, n_frames: int = N_FRAMES, **settings: float) -> Mixed:
    wanted = MixtureSettings.model_validate(OFF | settings)
    return Mixer(of, wanted, n_frames=n_frames, floor=FLOOR, rng=np.random.default_rng(seed)).draw(n)


def magnitudes(log_mel: np.ndarray) -> np.ndarray:
    return np.exp(log_mel.astype(np.float64)) - FLOOR


def drawn_clips(windows: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Find the clip that each window is nearest to."""
    distances = ((windows[:, None] - frames[0][None].astype(np.float32)) ** 2).mean(axis=(2, 3))
    return distances.argmin(axis=1)


@pytest.mark.parametrize("others", [{}, {"unaltered": 1.0, "stretch": 0.5, "spread": 0.5, "shift_mels": 9.0}])
def test_unaltered_windows_are_those_of_the_clips(others: dict[str, Any]) -> None:
    frames = noisy_frames()
    of = sounds(frames, classes=[0, 1, 2, 3, 4, NONE])
    mixed = draw(of, **others)
    clips = drawn_clips(mixed.original, frames)
    assert set(clips) == set(range(N_CLIPS))
    np.testing.assert_allclose(mixed.original, frames[0][clips].astype(np.float32), atol=1e-3)
    np.testing.assert_array_equal(mixed.heard, mixed.original)
    np.testing.assert_array_equal(mixed.targets, np.eye(9)[of.classes[clips]])
    assert {array.dtype for array in (mixed.heard, mixed.original, mixed.targets)} == {np.dtype(np.float32)}


def test_windows_are_cut_anywhere_in_what_is_heard() -> None:
    frames = noisy_frames(1, 60)
    frames[:, :, 40:] = SILENCE
    mixed = draw(sounds(frames), n_frames=12)
    places = [
        next(start for start in range(49) if np.allclose(window, frames[0, 0, start : start + 12], atol=2e-3))
        for window in mixed.original
    ]
    assert min(places) == 0
    assert max(places) == 40 - 12 // 2 - 1, "at least half of a window is heard"
    assert len(set(places)) == 34


def test_turned_windows_run_backwards() -> None:
    frames = noisy_frames()
    turned = draw(sounds(frames), turn_probability=1.0).original[:, ::-1]
    np.testing.assert_allclose(turned, frames[0][drawn_clips(turned, frames)], atol=1e-3)


def test_stretched_windows_go_slower_or_faster_by_as_much_as_is_asked_for() -> None:
    """Every frame of the clip says which one it is; a window then shows its rate."""
    n_frames = 400
    levels = np.linspace(-3, 1, n_frames)
    frames = np.broadcast_to(levels[:, None], (1, 1, n_frames, N_MELS)).astype(np.float16)
    places = np.interp(draw(sounds(frames), n_frames=100, stretch=0.35).original[:, :, 0], levels, np.arange(n_frames))
    is_whole = places[:, -1] < n_frames - 3
    rates = ((places[:, -1] - places[:, 0]) / 99)[is_whole]
    assert np.exp(-0.37) < rates.min() < 0.75
    assert 1.35 < rates.max() < np.exp(0.37)


def test_mels_are_shifted_by_whole_ones() -> None:
    frames = noisy_frames(1)
    windows = draw(sounds(frames), shift_mels=3.0).original
    mels = np.arange(N_MELS)
    shifts = [
        next(
            k for k in range(-4, 5) if np.allclose(window, frames[0, 0][:, np.clip(mels + k, 0, N_MELS - 1)], atol=2e-3)
        )
        for window in windows
    ]
    assert set(shifts) == {-3, -2, -1, 0, 1, 2, 3}


def test_gains_are_between_those_that_are_asked_for() -> None:
    frames = noisy_frames(1)
    gains_db = 20 * np.log10(
        magnitudes(draw(sounds(frames), softer_db=12, louder_db=6).original) / magnitudes(frames[0])
    )
    assert np.ptp(gains_db, axis=(1, 2)).max() < 0.2, "one gain for the whole window"
    of_windows = gains_db.mean(axis=(1, 2))
    assert -12.1 < of_windows.min() < -11
    assert 5 < of_windows.max() < 6.1
    assert of_windows.mean() == pytest.approx(-3, abs=1)


def test_filters_are_smooth_and_no_stronger_than_is_asked_for() -> None:
    frames = noisy_frames(1)
    gains_db = 20 * np.log10(magnitudes(draw(sounds(frames), equaliser_db=6).original) / magnitudes(frames[0]))
    of_mels = np.median(gains_db, axis=1)
    assert np.abs(gains_db - of_mels[:, None]).max() < 0.2, "the same filter in all frames"
    assert 5 < np.abs(of_mels).max() < 6.2
    assert np.abs(np.diff(of_mels, axis=1)).max() < 12 / (N_MELS - 1) * 4 + 0.2, "straight lines between five points"


def two_halves() -> Sounds:
    """Two clips in bands of their own, one ten times as loud as the other."""
    frames = np.full((1, 2, N_FRAMES, N_MELS), SILENCE, np.float32)
    frames[0, 0, :, : N_MELS // 2] = 0.0
    frames[0, 1, :, N_MELS // 2 :] = np.log(0.1)
    return sounds(frames.astype(np.float16), classes=[0, 1])


def rms_of_halves(windows: np.ndarray) -> np.ndarray:
    """Float [n, 2]."""
    halves = magnitudes(windows).reshape(len(windows), N_FRAMES, 2, N_MELS // 2)
    return np.sqrt((halves**2).mean(axis=(1, 3)))


@pytest.mark.parametrize("mix_db", [0.0, 12.0])
def test_second_sound_is_as_loud_as_is_asked_for_and_counts_by_that(mix_db: float) -> None:
    mixed = draw(two_halves(), 400, mix_probability=1.0, mix_db=mix_db)
    rms = rms_of_halves(mixed.original)
    of_both = (rms > 1e-4).all(axis=1)
    assert 0.3 < of_both.mean() < 0.7, "the others are a clip with itself"
    ratios_db = 20 * np.log10(rms[of_both, 1] / rms[of_both, 0])
    assert np.abs(ratios_db).max() < mix_db + 0.3
    assert np.abs(ratios_db).max() > mix_db - 1.5
    np.testing.assert_allclose(mixed.targets[of_both, :2], rms[of_both] / rms[of_both].sum(axis=1)[:, None], atol=0.01)
    np.testing.assert_allclose(mixed.targets.sum(axis=1), 1, atol=1e-5)


def test_share_of_mixtures_is_what_is_asked_for() -> None:
    mixed = draw(two_halves(), 2_000, mix_probability=0.4)
    of_both = (rms_of_halves(mixed.original) > 1e-4).all(axis=1)
    assert of_both.mean() == pytest.approx(0.4 / 2, abs=0.03)
    np.testing.assert_array_equal(mixed.targets[~of_both].max(axis=1), 1)


def test_powers_are_added() -> None:
    frames = np.zeros((1, 1, N_FRAMES, N_MELS), np.float16)
    mixed = draw(sounds(frames), 5, mix_probability=1.0)
    np.testing.assert_allclose(magnitudes(mixed.original), np.sqrt(2) * (1 - FLOOR), rtol=1e-3)


def test_mixture_with_an_unlabelled_clip_has_no_target() -> None:
    frames = np.zeros((1, 2, N_FRAMES, N_MELS), np.float16)
    frames[0, 1] = np.log(3)
    of = sounds(frames, classes=[0, 1], labelled=[True, False])
    alone = draw(of)
    is_unlabelled = alone.original.mean(axis=(1, 2)) > 0.5
    assert 0.3 < is_unlabelled.mean() < 0.7, "its sound is learned from"
    assert not alone.targets[is_unlabelled].any()
    np.testing.assert_array_equal(alone.targets[~is_unlabelled], np.eye(9)[[0] * (~is_unlabelled).sum()])
    both = draw(of, mix_probability=1.0)
    assert 0.1 < both.targets.any(axis=1).mean() < 0.4, "only the labelled one with itself"
    assert not both.targets[:, 1].any()


def test_rare_classes_are_drawn_more_often() -> None:
    frames = noisy_frames(100)
    of = sounds(frames, classes=[0] * 90 + [NONE] * 10)
    share = draw(of, 2_000).targets[:, NONE].mean()
    assert share == pytest.approx(np.sqrt(10) / (np.sqrt(10) + np.sqrt(90)), abs=0.03)


def test_same_seed_gives_the_same_mixtures() -> None:
    of = sounds(noisy_frames(N_CLIPS, 60))
    defaults = MixtureSettings().model_dump()
    first, second, other = (draw(of, seed=seed, **defaults) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.heard, second.heard)
    np.testing.assert_array_equal(first.targets, second.targets)
    assert (first.heard != other.heard).any()


def test_student_hears_the_same_as_the_teacher_but_for_the_level() -> None:
    """The second level makes everything half as loud; where it is heard, all of a window is, whatever else is done."""
    frames = noisy_frames(N_CLIPS, 60)
    halved = np.log(0.5 * (np.exp(frames.astype(np.float32)) - FLOOR) + FLOOR).astype(np.float16)
    of = sounds(np.concatenate([frames, halved]))
    defaults = MixtureSettings().model_dump()
    mixed = draw(of, n_frames=24, **(defaults | {"mix_probability": 0.0}))
    ratios = magnitudes(mixed.heard) / magnitudes(mixed.original)
    assert np.ptp(ratios, axis=(1, 2)).max() < 0.02
    assert set(np.round(ratios.mean(axis=(1, 2)), 2)) == {0.5, 1.0}
    both = draw(of, n_frames=24, **(defaults | {"mix_probability": 1.0}))
    ratios = magnitudes(both.heard) / magnitudes(both.original)
    assert 0.49 < ratios.min() < ratios.max() < 1.01
    assert ((ratios > 0.55) & (ratios < 0.95)).any(), "the two sounds of a mixture have levels of their own"


@pytest.mark.parametrize(("share", "wanted"), [(0.0, [0.25] * 4), (0.2, [0.2, 0.2, 0.2, 0.4]), (1.0, [0, 0, 0, 1.0])])
def test_last_level_is_heard_more_often(share: float, wanted: list[float]) -> None:
    frames = noisy_frames(1, 60)
    softer = [np.log(2.0**-level * (np.exp(frames.astype(np.float32)) - FLOOR) + FLOOR) for level in range(4)]
    mixed = draw(sounds(np.concatenate(softer).astype(np.float16)), n=4_000, n_frames=24, last_level=share)
    ratios = (magnitudes(mixed.heard) / magnitudes(mixed.original)).mean(axis=(1, 2))
    counts = np.bincount(np.rint(-np.log2(ratios)).astype(int), minlength=4)
    np.testing.assert_allclose(counts / 4_000, wanted, atol=0.03)


def test_silent_clip_upsets_nothing() -> None:
    frames = noisy_frames(2)
    frames[:, 1] = SILENCE
    of = sounds(frames, classes=[0, NONE])
    assert of.n_heard.tolist() == [N_FRAMES, 0]
    mixed = draw(of, **MixtureSettings().model_dump())
    for array in (mixed.heard, mixed.original, mixed.targets):
        assert np.isfinite(array).all()
    assert mixed.heard.min() >= SILENCE - 1e-3
