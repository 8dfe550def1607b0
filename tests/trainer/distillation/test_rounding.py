"""Weights rounded beforehand: TFLite finds the same steps, and less is lost than by the nearest ones."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from sonyc_trainer.conversion import to_int8
from sonyc_trainer.distillation.equalising import equalised
from sonyc_trainer.distillation.network import build_network, outputs_of, with_dense
from sonyc_trainer.distillation.rounding import round_kernel, rounded
from sonyc_trainer.distillation.teacher import Layer
from sonyc_trainer.tensorflow_session import tensorflow_session


def kernel_and_inputs(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A kernel whose weights are small where its inputs are large, and inputs that go together."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.normal(0, 1.5, 24))
    inputs = np.maximum(rng.normal(size=(2_000, 6)) @ rng.normal(size=(6, 24)) + 0.2 * rng.normal(size=(2_000, 24)), 0)
    return (rng.normal(size=(24, 10)) / sizes[:, None]).astype(np.float32), inputs * sizes


def nearest(kernel: np.ndarray, *, has_one_scale: bool) -> np.ndarray:
    step = np.abs(kernel).max(axis=None if has_one_scale else 0) / 127
    return np.rint(kernel / step) * step


@pytest.mark.parametrize("has_one_scale", [False, True])
def test_weights_are_steps_that_can_be_found_again(has_one_scale: bool) -> None:
    kernel, inputs = kernel_and_inputs()
    found = round_kernel(kernel, inputs.T @ inputs, has_one_scale=has_one_scale)
    assert found.dtype == np.float32
    axis = None if has_one_scale else 0
    np.testing.assert_array_equal(np.abs(found).max(axis=axis), np.abs(kernel).max(axis=axis))
    steps = found / (np.abs(found).max(axis=axis) / 127)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    np.testing.assert_allclose(nearest(found, has_one_scale=has_one_scale), found, rtol=1e-5)


@pytest.mark.parametrize("has_one_scale", [False, True])
def test_errors_cancel_where_inputs_go_together(has_one_scale: bool) -> None:
    kernel, inputs = kernel_and_inputs()
    found = round_kernel(kernel, inputs.T @ inputs, has_one_scale=has_one_scale)
    lost, lost_by_nearest = (
        ((inputs @ (kernel - other)) ** 2).mean() for other in (found, nearest(kernel, has_one_scale=has_one_scale))
    )
    assert lost < 0.5 * lost_by_nearest


def test_inputs_and_outputs_that_give_nothing_upset_nothing() -> None:
    kernel, inputs = kernel_and_inputs()
    kernel[:, 3], inputs[:, 5] = 0, 0
    found = round_kernel(kernel, inputs.T @ inputs, has_one_scale=False)
    assert np.isfinite(found).all()
    assert not found[:, 3].any()
    assert np.isfinite(round_kernel(kernel, np.zeros((24, 24)), has_one_scale=True)).all()


def both_files(layers: list[Layer], windows: np.ndarray, log: Path) -> tuple[list[np.ndarray], np.ndarray, list[bytes]]:
    """The rounded kernels, what the network gave before, and the int8 files with and without rounding."""
    with tensorflow_session(seed=1, log=log):
        rng = np.random.default_rng(1)
        kernel = rng.normal(size=(layers[-1].bias.size, 16)).astype(np.float32)
        network = with_dense(build_network(layers, (96, 64, 1)), kernel, np.ones(16, np.float32), name="small")
        network = equalised(network, windows)
        changed = rounded(network, windows)
        files = [to_int8(one, windows) for one in (network, changed)]
        kernels = [layer.get_weights()[0] for layer in changed.layers if layer.weights]
        return [*kernels[2::2], kernels[-1]], outputs_of(network, windows[..., 0]), files


def outputs(data: bytes, windows: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    found = []
    for window in windows:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], window[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].copy())
    return np.array(found)


def held_kernels(data: bytes) -> list[np.ndarray]:
    """Every int8 array of weights that a file holds, [n_in, n_out], scaled back."""
    interpreter = Interpreter(model_content=data, num_threads=1)
    found = []
    for tensor in interpreter.get_tensor_details():
        scales, n_out = tensor["quantization_parameters"]["scales"], tensor["shape"][0] if len(tensor["shape"]) else 0
        if tensor["dtype"] != np.int8 or len(tensor["shape"]) < 2 or len(scales) not in (1, n_out):
            continue
        try:
            values = interpreter.get_tensor(tensor["index"])
        except ValueError:  # not a constant
            continue
        found.append((values.reshape(n_out, -1) * scales.reshape(-1, 1)).T)
    return found


def test_tflite_holds_what_was_rounded_and_loses_less(
    layers: list[Layer], tensorflow_pool: Executor, tmp_path: Path
) -> None:
    windows = np.random.default_rng(2).normal(-3, 1, (64, 96, 64, 1)).astype(np.float32)
    kernels, wanted, (plain, careful) = tensorflow_pool.submit(both_files, layers, windows, tmp_path / "log").result()
    held = held_kernels(careful)
    for kernel in kernels:
        flat = kernel.reshape(-1, kernel.shape[-1])
        same = [one for one in held if one.shape == flat.shape]
        assert any(np.allclose(one, flat, rtol=1e-4, atol=1e-5 * np.abs(flat).max()) for one in same), flat.shape
    lost, lost_by_nearest = (((outputs(data, windows) - wanted) ** 2).mean() for data in (careful, plain))
    assert lost < lost_by_nearest
