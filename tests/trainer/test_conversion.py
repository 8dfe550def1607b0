"""Keras models to TFLite: the same bytes each time, and close to Keras on both runtimes."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.runtime import Runtime, open_interpreter
from support.tensorflow_work import convert_twice, through_keras_file


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    return np.random.default_rng(0).normal(-2, 2, (20, 32, 16, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def converted(
    windows: np.ndarray, tensorflow_pool: Executor, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[bytes, bytes]]:
    log = tmp_path_factory.mktemp("conversion") / "log"
    return tensorflow_pool.submit(convert_twice, windows, log=log).result()


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_same_model_gives_the_same_bytes(converted: dict[str, tuple[bytes, bytes]], kind: str) -> None:
    first, second = converted[kind]
    assert first == second


def test_int8_is_close_to_float32(converted: dict[str, tuple[bytes, bytes]], windows, runtime: Runtime) -> None:
    (int8, _), (float32, _) = converted["int8"], converted["float32"]
    assert len(int8) < len(float32)
    quantised, exact = (open_interpreter(model, runtime=runtime).run(windows) for model in (int8, float32))
    assert np.abs(quantised - exact).max() < 0.05 * np.abs(exact).max()
    assert (quantised != exact).any()


def test_keras_file_gives_the_same_model(windows, tensorflow_pool: Executor, tmp_path: Path) -> None:
    before, after = tensorflow_pool.submit(through_keras_file, windows, log=tmp_path / "log").result()
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_what_tensorflow_says_goes_to_the_log(
    windows, tensorflow_pool: Executor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tensorflow_pool.submit(convert_twice, windows, log=tmp_path / "log").result()
    assert (tmp_path / "log").read_text()
    assert capfd.readouterr() == ("", "")
