"""Networks rewritten for ncnn: Keras's own numbers, and clear words for what cannot be rewritten or read."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.errors import ModelError
from sonyc_trainer.embeddings.ncnn_network import NcnnInterpreter, to_ncnn
from sonyc_trainer.tensorflow_session import tensorflow_session

pytestmark = pytest.mark.slow  # because `make openl3` comes before the slow tests, not before the fast ones


def network_and_answer(log: Path, batch: np.ndarray) -> tuple[bytes, np.ndarray]:
    with tensorflow_session(seed=3, log=log):
        import tensorflow as tf

        layers = tf.keras.layers
        model = tf.keras.Sequential([tf.keras.Input(batch.shape[1:]), layers.BatchNormalization()])
        for n_channels, padding in ((5, "valid"), (7, "same")):
            model.add(layers.Conv2D(n_channels, 3, padding="same"))
            model.add(layers.BatchNormalization())
            model.add(layers.Activation("relu"))
            model.add(layers.MaxPooling2D((2, 3), padding=padding))
        model.add(layers.Conv2D(4, 3, padding="same"))
        model.add(layers.Flatten())
        rng = np.random.default_rng(3)
        model.set_weights([rng.uniform(0.1, 1, array.shape) - 0.3 * (array.ndim > 1) for array in model.get_weights()])
        return to_ncnn(model), model(batch).numpy()


def unknown_layer(log: Path) -> None:
    with tensorflow_session(seed=3, log=log):
        import tensorflow as tf

        to_ncnn(tf.keras.Sequential([tf.keras.Input((8, 8, 1)), tf.keras.layers.Conv2DTranspose(4, 3, name="strange")]))


def test_numbers_are_kerass(openl3: None, tmp_path: Path, tensorflow_pool: Executor) -> None:
    batch = np.random.default_rng(4).standard_normal((3, 22, 31, 1)).astype(np.float32)
    network, wanted = tensorflow_pool.submit(network_and_answer, tmp_path / "log", batch).result()
    interpreter = NcnnInterpreter(network)
    assert (interpreter.input_shape, interpreter.output_shape) == ((22, 31, 1), wanted.shape[1:])
    assert np.ptp(wanted) > 1
    np.testing.assert_allclose(interpreter.run(batch), wanted, atol=1e-5 * np.abs(wanted).max())


def test_unknown_layer_is_refused(openl3: None, tmp_path: Path, tensorflow_pool: Executor) -> None:
    with pytest.raises(ModelError, match="layer 'strange' is of kind Conv2DTranspose; known are BatchNormalization, "):
        tensorflow_pool.submit(unknown_layer, tmp_path / "log").result()


@pytest.mark.parametrize("damaged", [b"", b"no network", b"7767517\n1 1\nStrange a 0 1 b\n\0"])
def test_damaged_network_is_refused(openl3: None, damaged: bytes) -> None:
    with pytest.raises(ModelError, match="ncnn cannot load this network"):
        NcnnInterpreter(damaged)
