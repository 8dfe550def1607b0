"""Attention over windows: the same while a head learns and when it is asked."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.recognise import Pooling, pooled_logits
from sonyc_trainer.attention import Attention, attended, clip_logits, n_outputs
from sonyc_trainer.tensorflow_session import tensorflow_session


class LinearHead:
    """Gives fixed linear functions of what it is given."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights
        self.input_shape, self.output_shape = weights.shape[:1], weights.shape[1:]

    def run(self, batch: np.ndarray) -> np.ndarray:
        return batch @ self.weights


@pytest.fixture
def windows() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)


@pytest.fixture
def head() -> LinearHead:
    return LinearHead(np.random.default_rng(2).standard_normal((3, n_outputs(Attention.ATTENTION))).astype(np.float32))


def learned(log: Path, outputs: np.ndarray, there: np.ndarray) -> np.ndarray:
    with tensorflow_session(seed=1, log=log):
        import tensorflow as tf

        return attended(tf.constant(outputs), tf.constant(there)).numpy()


def test_what_is_learned_is_what_is_asked(
    windows: np.ndarray, head: LinearHead, tmp_path: Path, tensorflow_pool: Executor
) -> None:
    filled = np.concatenate([head.run(windows), np.full((2, 16), 50, np.float32)])[np.newaxis]
    there = np.array([1, 1, 1, 1, 1, 0, 0], np.float32)[np.newaxis, :, np.newaxis]
    found = tensorflow_pool.submit(learned, tmp_path / "log", filled, there).result()
    np.testing.assert_allclose(found[0], clip_logits(windows, head, Attention.ATTENTION), rtol=1e-5)


def test_equal_scores_give_the_mean(windows: np.ndarray, head: LinearHead) -> None:
    head.weights[:, 8:] = 0
    mean = head.run(windows)[:, :8].mean(axis=0)
    np.testing.assert_allclose(clip_logits(windows, head, Attention.ATTENTION), mean, rtol=1e-5)


def test_a_far_larger_score_chooses_its_window(windows: np.ndarray, head: LinearHead) -> None:
    head.weights[:, 8:] *= 1_000
    outputs = head.run(windows)
    chosen = outputs[outputs[:, 8:].argmax(axis=0), np.arange(8)]
    np.testing.assert_allclose(clip_logits(windows, head, Attention.ATTENTION), chosen, rtol=1e-5)


@pytest.mark.parametrize("pooling", Pooling)
def test_other_poolings_are_the_nodes(windows: np.ndarray, pooling: Pooling) -> None:
    head = LinearHead(np.random.default_rng(2).standard_normal((3, n_outputs(pooling))).astype(np.float32))
    np.testing.assert_array_equal(clip_logits(windows, head, pooling), pooled_logits(windows, head, pooling))
