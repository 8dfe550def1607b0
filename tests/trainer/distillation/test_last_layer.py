"""Clips that are not fitted to choose how strong the ridge is."""

import numpy as np
import pytest

from sonyc_trainer.distillation.last_layer import fitted
from sonyc_trainer.distillation.pruning import ridge

N_IN = 40


def rows(n: int, *, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and outputs that depend on them, in noise."""
    kernel = np.random.default_rng(0).normal(size=(N_IN, 3))
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, N_IN))
    outputs = inputs @ kernel + noise * rng.normal(size=(n, 3))
    return inputs.astype(np.float32), outputs.astype(np.float32)


@pytest.mark.parametrize(("noise", "strength"), [(0.01, 1e-3), (20.0, 1e-1)])
def test_ridge_is_as_strong_as_others_ask_for(noise: float, strength: float) -> None:
    learned, others = rows(50, noise=noise, seed=1), rows(400, noise=0, seed=2)
    for found, wanted in zip(fitted(learned, others), ridge(*learned, strength=strength), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_without_others_the_weakest_is_taken() -> None:
    learned = rows(50, noise=20.0, seed=1)
    kernel, _ = fitted(learned, (learned[0][:0], learned[1][:0]))
    np.testing.assert_array_equal(kernel, ridge(*learned, strength=1e-3)[0])
