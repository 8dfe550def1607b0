"""A pruned network gives what the teacher gives, as far as its channels reach."""

from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.audio import read_audio
from sonyc_contract.frontend import COMPACT, Frontend
from sonyc_trainer.distillation.pruning import kept_counts, ridge
from sonyc_trainer.distillation.teacher import Layer
from support.small_teacher import N_CHANNELS, N_FRAMES, outputs, pruned_layers, random_layers


@pytest.fixture(scope="module")
def layers() -> list[Layer]:
    """A teacher with more channels than it needs."""
    return random_layers(has_twins=True)


@pytest.fixture(scope="module")
def windows(textures: Path) -> np.ndarray:
    """Two windows of each sound, float32 [96, 96, 64, 1]."""
    frontend = Frontend(COMPACT)
    log_mels = [frontend.log_mel(read_audio(path).samples)[: 2 * N_FRAMES] for path in sorted(textures.glob("*/*.wav"))]
    return np.stack(log_mels).reshape(-1, N_FRAMES, COMPACT.n_mels, 1)


def counts(layers: list[Layer]) -> list[int]:
    return [layer.kernel.shape[3] for layer in layers if not layer.is_depthwise]


def explained(found: np.ndarray, wanted: np.ndarray) -> float:
    """Share of the variance of an embedding that another one has."""
    return 1 - float(((found - wanted) ** 2).sum() / ((wanted - wanted.mean(axis=0)) ** 2).sum())


def random_choice(teacher: list[Layer], n_channels: list[int]) -> list[Layer]:
    """Keep random channels and refit nothing; the last layer keeps all."""
    rng = np.random.default_rng(1)
    kept = [np.sort(rng.permutation(n)[:n_kept]) for n, n_kept in zip(counts(teacher), n_channels, strict=True)]
    layers = [replace(teacher[0], kernel=teacher[0].kernel[..., kept[0]], bias=teacher[0].bias[kept[0]])]
    for pair in range(1, len(kept)):
        depthwise, pointwise = teacher[2 * pair - 1], teacher[2 * pair]
        before, after = kept[pair - 1], kept[pair]
        layers += [
            replace(depthwise, kernel=depthwise.kernel[:, :, before], bias=depthwise.bias[before]),
            replace(pointwise, kernel=pointwise.kernel[:, :, before][..., after], bias=pointwise.bias[after]),
        ]
    return layers


def test_at_full_width_nothing_is_lost(
    layers: list[Layer], windows: np.ndarray, tensorflow_pool: Executor, tmp_path: Path
) -> None:
    submit, log = tensorflow_pool.submit, tmp_path / "log"
    same = submit(pruned_layers, layers, list(N_CHANNELS), windows, log=log).result()
    assert counts(same) == list(N_CHANNELS)
    wanted, found = (submit(outputs, of, windows, log=log).result() for of in (layers, same))
    assert explained(found, wanted) > 0.998


def test_at_half_width_most_is_kept_and_far_more_than_by_a_random_choice(
    layers: list[Layer], windows: np.ndarray, tensorflow_pool: Executor, tmp_path: Path
) -> None:
    submit, log = tensorflow_pool.submit, tmp_path / "log"
    wanted_counts = kept_counts(layers, width=0.5, n_last=N_CHANNELS[-1])
    half = submit(pruned_layers, layers, wanted_counts, windows[::2], log=log).result()
    assert counts(half) == wanted_counts
    assert sum(layer.kernel.size for layer in half) < 0.6 * sum(layer.kernel.size for layer in layers)
    heldout = windows[1::2]
    wanted, found, by_chance = (
        submit(outputs, of, heldout, log=log).result() for of in (layers, half, random_choice(layers, wanted_counts))
    )
    assert explained(found, wanted) > 0.99, "of windows that it was not fitted to"
    assert explained(by_chance, wanted) < 0.5


def test_counts_are_whole_eighths_and_never_less(layers: list[Layer]) -> None:
    assert kept_counts(layers, width=0.5, n_last=24) == [8, 8, *[8] * 10, 64, 24]
    assert kept_counts(layers, width=1.0, n_last=128) == list(N_CHANNELS)
    assert kept_counts(layers, width=0.01, n_last=8) == [8] * 14
    assert kept_counts(layers, width=0.7, n_last=24)[-2] == 88, "89.6"


def test_ridge_finds_a_linear_map() -> None:
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(size=(6, 3)), rng.normal(size=3)
    inputs = rng.normal(2, 1, (500, 6)).astype(np.float32)
    found = ridge(inputs, (inputs @ kernel + bias).astype(np.float32))
    np.testing.assert_allclose(found[0], kernel, atol=0.01)
    np.testing.assert_allclose(found[1], bias, atol=0.03)


def test_ridge_bears_dead_and_equal_inputs() -> None:
    rng = np.random.default_rng(1)
    one = rng.normal(size=(100, 1)).astype(np.float32)
    inputs = np.column_stack([one, one, np.zeros_like(one)])
    kernel, bias = ridge(inputs, one)
    np.testing.assert_allclose(inputs @ kernel + bias, one, atol=0.01)
