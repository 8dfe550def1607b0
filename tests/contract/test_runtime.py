"""TFLite models behind one protocol: float and int8, both runtimes, and what cannot be used."""

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.bundle import EMBEDDING, head_member, read_bundle
from sonyc_contract.errors import ModelError
from sonyc_contract.runtime import Runtime, TfliteInterpreter, open_interpreter, runtime_version

_DISTRIBUTIONS = {Runtime.LITERT: "ai-edge-litert", Runtime.TFLITE: "tflite-runtime"}


class FakeInterpreter:
    """Stands for a runtime's class: an identity model with the tensors that a test wants."""

    inputs: tuple[dict[str, object], ...] = ()
    outputs: tuple[dict[str, object], ...] = ()

    def __init__(self, model_content: bytes, num_threads: int) -> None:
        self.tensor = np.zeros(0)

    def allocate_tensors(self) -> None:
        """Nothing to do."""

    def get_input_details(self) -> tuple[dict[str, object], ...]:
        return self.inputs

    def get_output_details(self) -> tuple[dict[str, object], ...]:
        return self.outputs

    def set_tensor(self, _: int, value: np.ndarray) -> None:
        self.tensor = value.copy()

    def invoke(self) -> None:
        """Nothing to do: the output is the input."""

    def get_tensor(self, _: int) -> np.ndarray:
        return self.tensor


def _tensor(dtype: type, shape: tuple[int, ...] = (1, 3), scale: float = 0.0, zero_point: int = 0) -> dict[str, object]:
    return {"index": 0, "shape": np.array(shape), "dtype": dtype, "quantization": (scale, zero_point)}


def _identity(*inputs: dict[str, object], outputs: tuple[dict[str, object], ...] | None = None) -> TfliteInterpreter:
    fake = type("Fake", (FakeInterpreter,), {"inputs": inputs, "outputs": inputs if outputs is None else outputs})
    return TfliteInterpreter(b"", fake, Runtime.LITERT, 1)


def test_shapes_of_the_shipped_models(default_bundle: Path, runtime: Runtime) -> None:
    bundle = read_bundle(default_bundle)
    spec = bundle.manifest.embedding
    embedding = open_interpreter(bundle.members[EMBEDDING], runtime=runtime)
    n_frames = spec.frontend.n_frames(round(spec.window_s * spec.frontend.rate_hz))
    assert embedding.input_shape == (n_frames, spec.frontend.n_mels, 1)
    head = open_interpreter(bundle.members[head_member(next(iter(bundle.manifest.heads)))], runtime=runtime)
    assert (head.input_shape, head.output_shape) == ((spec.n_dimensions,), (8,))
    outputs = head.run(np.zeros((3, spec.n_dimensions), np.float32))
    assert outputs.shape == (3, 8)
    assert outputs.dtype == np.float32


def test_real_models_agree_across_runtimes(shared_data: Path, runtime: Runtime) -> None:
    model = (shared_data / "models" / "sonyc" / "mlp_ust.tflite").read_bytes()
    batch = np.random.default_rng(0).normal(0, 1, (5, 256)).astype(np.float32)
    reference = open_interpreter(model).run(batch)
    np.testing.assert_allclose(open_interpreter(model, runtime=runtime).run(batch), reference, rtol=0, atol=1e-3)


def test_input_of_another_shape(default_bundle: Path, runtime: Runtime) -> None:
    bundle = read_bundle(default_bundle)
    head = open_interpreter(bundle.members[head_member(next(iter(bundle.manifest.heads)))], runtime=runtime)
    with pytest.raises(ModelError, match=r"the model takes inputs of shape \(\d+,\), not \(3,\)"):
        head.run(np.zeros((1, 3), np.float32))


@pytest.mark.parametrize("model", [b"", b"x", b"not a model" * 100, b"\x1c\0\0\0TFL3" + bytes(100)])
def test_not_a_model(model: bytes, runtime: Runtime) -> None:
    with pytest.raises(ModelError) as caught:
        open_interpreter(model, runtime=runtime)
    assert str(caught.value).startswith(f"{runtime} cannot load this model of {len(model)} bytes: ")
    assert len(str(caught.value).splitlines()) == 1


def test_float_tensors_pass_through() -> None:
    batch = np.array([[1.5, -2, 0], [0, 1e9, 3]], np.float32)
    np.testing.assert_array_equal(_identity(_tensor(np.float32)).run(batch), batch)


@pytest.mark.parametrize(("dtype", "zero_point"), [(np.int8, -10), (np.uint8, 118)])
def test_integer_tensors_are_quantised_and_clipped(dtype: type, zero_point: int) -> None:
    interpreter = _identity(_tensor(dtype, scale=0.5, zero_point=zero_point))
    batch = np.array([[0.24, 0.26, -1.0], [1e6, -1e6, 10.0]], np.float32)
    lowest, highest = (np.iinfo(dtype).min - zero_point) / 2, (np.iinfo(dtype).max - zero_point) / 2
    np.testing.assert_array_equal(interpreter.run(batch), [[0, 0.5, -1], [highest, lowest, 10]])


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ((_tensor(np.float32),) * 2, (_tensor(np.float32),), "the model has 2 inputs; exactly one is needed"),
        ((_tensor(np.float32),), (), "the model has 0 outputs"),
        ((_tensor(np.float32, (2, 3)),), None, r"the model's input has the shape \(2, 3\), without a batch axis of 1"),
        ((_tensor(np.float32, (1,)),), None, r"without a batch axis"),
        ((_tensor(np.int32),), None, "the model's input is int32; it must be float32 or quantised int8"),
        ((_tensor(np.int8),), None, "the model's input is int8; it must be float32 or quantised"),
        ((_tensor(np.float32),), (_tensor(np.bool_),), "the model's output is bool"),
    ],
)
def test_model_of_another_kind(
    inputs: tuple[dict[str, object], ...], outputs: tuple[dict[str, object], ...] | None, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        _identity(*inputs, outputs=outputs)


def test_version(runtime: Runtime) -> None:
    name = _DISTRIBUTIONS[runtime]
    assert runtime_version(runtime) == f"{name} {metadata.version(name)}"


def test_missing_runtime_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
    monkeypatch.setitem(__import__("sys").modules, f"{_DISTRIBUTIONS[runtime].replace('-', '_')}.interpreter", None)
    with pytest.raises(ModelError, match=rf"is not installed: pip install 'sonyc-device\[{runtime}\]'"):
        open_interpreter(b"", runtime=runtime)
