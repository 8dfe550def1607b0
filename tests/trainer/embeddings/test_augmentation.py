"""What a network in training hears is what a gain, a filter or a second source would have made of the sound."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.frontend import COMPACT, Frontend
from sonyc_trainer.study import AugmentSettings
from support.tensorflow_work import augment

OFF = AugmentSettings(gain_db=0, equaliser_db=0, mix_probability=0, n_masks=0)
N, N_FRAMES = 64, 96


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(16_000 * N)).astype(np.float32)
    return Frontend(COMPACT).windows(noise, window_s=0.975, hop_s=0.96)[:N]


@pytest.fixture(scope="module")
def targets() -> np.ndarray:
    return np.eye(8, dtype=np.float32)[np.arange(N) % 8]


def altered(windows, targets, pool: Executor, folder: Path, **settings: float) -> tuple[np.ndarray, np.ndarray]:
    chosen = AugmentSettings.model_validate(OFF.model_dump() | settings)
    return pool.submit(augment, chosen, windows, targets, floor=COMPACT.floor, log=folder / "log").result()


def test_nothing_changes_when_all_is_off(windows, targets, tensorflow_pool: Executor, tmp_path: Path) -> None:
    got, got_targets = altered(windows, targets, tensorflow_pool, tmp_path)
    np.testing.assert_allclose(got, windows, atol=1e-4)
    np.testing.assert_array_equal(got_targets, targets)


def test_gain_is_that_of_louder_sound(windows, targets, tensorflow_pool: Executor, tmp_path: Path) -> None:
    """Noise far above the floor: the logarithm of a window moves by one number, within the range."""
    got, _ = altered(windows, targets, tensorflow_pool, tmp_path, gain_db=10)
    change_db = (got - windows) * 20 / np.log(10)
    assert np.abs(change_db).max() <= 10.01
    assert change_db.std(axis=(1, 2)).max() < 0.05
    assert change_db.mean(axis=(1, 2)).std() > 3


def test_equaliser_changes_mels_alike_in_all_frames(windows, targets, tensorflow_pool, tmp_path: Path) -> None:
    got, _ = altered(windows, targets, tensorflow_pool, tmp_path, equaliser_db=6)
    change_db = (got - windows) * 20 / np.log(10)
    assert 3 < np.abs(change_db).max() <= 6.01
    assert change_db.std(axis=1).max() < 0.05
    assert np.abs(np.diff(change_db, axis=2)).max() < 2, "the filter is smooth"


def test_mixed_windows_have_both_classes(windows, targets, tensorflow_pool: Executor, tmp_path: Path) -> None:
    got, got_targets = altered(windows, targets, tensorflow_pool, tmp_path, mix_probability=0.5)
    is_mixed = np.abs(got - windows).max(axis=(1, 2)) > 1e-3
    assert 0.25 < is_mixed.mean() < 0.75
    assert (got >= windows - 1e-4).all(), "a second source only adds"
    np.testing.assert_array_equal(got_targets[~is_mixed], targets[~is_mixed])
    assert (got_targets >= targets).all()
    assert set(got_targets[is_mixed].sum(axis=1)) <= {1.0, 2.0}
    assert got_targets.sum() > targets.sum()


def test_masks_hide_a_stretch(windows, targets, tensorflow_pool: Executor, tmp_path: Path) -> None:
    settings = {"n_masks": 1, "mask_frames": 20, "mask_mels": 10}
    got, _ = altered(windows, targets, tensorflow_pool, tmp_path, **settings)
    is_hidden = np.abs(got - windows) > 1e-3
    hidden_frames, hidden_mels = is_hidden.all(axis=2).sum(axis=1), is_hidden.all(axis=1).sum(axis=1)
    assert hidden_frames.max() in range(10, 21)
    assert hidden_mels.max() in range(5, 11)


def test_same_seed_alters_alike(windows, targets, tensorflow_pool: Executor, tmp_path: Path) -> None:
    first, second = (altered(windows, targets, tensorflow_pool, tmp_path, gain_db=10, n_masks=1) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
