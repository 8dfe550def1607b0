"""What is learned through is what is converted: layer by layer or at once, a network and its gradients are the same."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from sonyc_trainer.distillation.network import build_network, forward, with_dense
from sonyc_trainer.distillation.teacher import Layer
from sonyc_trainer.tensorflow_session import tensorflow_session


def both_ways(layers: list[Layer], windows: np.ndarray, log: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """The output and the gradients of either way."""
    with tensorflow_session(seed=1, log=log) as tf:
        rng = np.random.default_rng(1)
        kernel = rng.normal(size=(layers[-1].bias.size, 5)).astype(np.float32)
        network = with_dense(build_network(layers, (96, 64, 1)), kernel, np.ones(5, np.float32), name="small")

        def of(call):
            with tf.GradientTape() as tape:
                output = call(windows)
                loss = tf.reduce_mean(output**2)
            return [output, *tape.gradient(loss, network.trainable_variables)]

        stepwise = of(lambda batch: forward(network, batch))
        return [(one.numpy(), other.numpy()) for one, other in zip(of(network), stepwise, strict=True)]


def test_layer_by_layer_is_the_same_as_at_once(layers: list[Layer], tensorflow_pool: Executor, tmp_path: Path) -> None:
    windows = np.random.default_rng(2).normal(-3, 1, (4, 96, 64, 1)).astype(np.float32)
    found = tensorflow_pool.submit(both_ways, layers, windows, tmp_path / "log").result()
    assert len(found) == 1 + 2 * (len(layers) + 1)
    for at_once, stepwise in found:
        np.testing.assert_allclose(stepwise, at_once, rtol=1e-3, atol=1e-5 * np.abs(at_once).max())
