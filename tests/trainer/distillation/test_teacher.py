"""A YAMNet's layers are read back from its TFLite file as they were, and other files are refused."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from sonyc_contract.audio import read_audio, resample
from sonyc_contract.bundle import head_member, read_bundle
from sonyc_trainer.distillation.teacher import Layer, read_teacher
from sonyc_trainer.embeddings.embedding import load_embedding
from sonyc_trainer.errors import EmbeddingError
from sonyc_trainer.folder import StudyFolder
from support.small_teacher import N_FRAMES, N_MELS, WINDOW_SAMPLES, converted, outputs


def assert_same(read: list[Layer], wanted: list[Layer], *, step: float) -> None:
    """Weights may differ by `step` of the largest in their layer."""
    for one, other in zip(read, wanted, strict=True):
        assert one.is_depthwise == other.is_depthwise
        assert one.kernel.dtype == one.bias.dtype == np.float32
        np.testing.assert_allclose(one.kernel, other.kernel, rtol=0, atol=step * np.abs(other.kernel).max())
        np.testing.assert_allclose(one.bias, other.bias, rtol=0, atol=step)


def test_float_layers_are_read_as_they_are(layers: list[Layer], teacher: Path) -> None:
    assert_same(read_teacher(teacher), layers, step=1e-6)


@pytest.mark.parametrize(("kind", "step"), [("int8", 0.5 / 127), ("float16", 2**-11)])
def test_shorter_weights_are_scaled_back(
    layers: list[Layer], kind: str, step: float, tensorflow_pool: Executor, tmp_path: Path
) -> None:
    path = tmp_path / "teacher.tflite"
    path.write_bytes(tensorflow_pool.submit(converted, layers, kind, log=tmp_path / "log").result())
    read = read_teacher(path)
    assert_same(read, layers, step=1.01 * step)
    changed = [(one.kernel != other.kernel).any() for one, other in zip(read, layers, strict=True)]
    assert any(changed)
    assert kind == "float16" or changed == [False] * 24 + [True] * 3


def test_other_file_than_the_studys_is_refused(teacher: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"teacher.tflite: its SHA-256 is [0-9a-f]{64}, .* has 0{64}: give that"):
        read_teacher(teacher, sha256="0" * 64)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "file: cannot be read: No such file"),
        (b"", "file: no TFLite model: "),
        (b"no model\n" * 10, "file: no TFLite model: "),
        (b"\x1c\x00\x00\x00TFL3" + b"\xff" * 100, "file: no TFLite model: "),
    ],
)
def test_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EmbeddingError, match=said) as caught:
        read_teacher(path)
    assert "\n" not in str(caught.value)


def test_half_a_file_is_refused(teacher: Path, tmp_path: Path) -> None:
    model = teacher.read_bytes()
    path = tmp_path / "half.tflite"
    path.write_bytes(model[: len(model) // 2])
    with pytest.raises(EmbeddingError, match=r"half\.tflite"):
        read_teacher(path)


def test_other_network_is_refused(default_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.tflite"
    path.write_bytes(read_bundle(default_bundle).members[head_member("pcm")])
    with pytest.raises(EmbeddingError, match=r"other.tflite: 0 convolutions in .* YAMNet's 27: only YAMNet can teach"):
        read_teacher(path)


def test_network_with_int8_activations_is_refused(distilled: StudyFolder, tmp_path: Path) -> None:
    """A student has its teacher's layers, but its biases are in steps of its activations."""
    path = tmp_path / "student.tflite"
    path.write_bytes(load_embedding(distilled.embedding_model).model)
    with pytest.raises(EmbeddingError, match=r"student.tflite: computes in int8 throughout"):
        read_teacher(path)


@pytest.mark.parametrize(
    ("build", "embedding", "cosine"),
    [
        ("yamnet_scores", 112, 0.995),
        # One scale per layer, not per channel: its int8 arithmetic is coarser.
        ("yamnet_scores_logmel", 121, 0.98),
    ],
)
def test_yamnet_gives_its_own_embedding(  # noqa: PLR0917 - three of them are fixtures
    build: str, embedding: int, cosine: float, shared_data: Path, tensorflow_pool: Executor, tmp_path: Path
) -> None:
    """From the file's own log-mel; what differs is that the file's layers compute in int8."""
    path = shared_data / "models" / "yamnet" / f"{build}.tflite"
    audio = read_audio(shared_data / "sonyc" / "06_002911.wav")
    samples = resample(audio.samples, audio.rate_hz, 16_000)
    heard, wanted = zip(
        *(inner_tensors(path, samples[start:][:WINDOW_SAMPLES], embedding) for start in range(0, 140_000, 15_360)),
        strict=True,
    )
    found = tensorflow_pool.submit(outputs, read_teacher(path), np.stack(heard), log=tmp_path / "log").result()
    lengths, wanted_lengths = np.linalg.norm(found, axis=1), np.linalg.norm(wanted, axis=1)
    cosines = (found * np.stack(wanted)).sum(axis=1) / lengths / wanted_lengths
    assert cosines.min() > cosine
    np.testing.assert_allclose(lengths, wanted_lengths, rtol=0.05)


def inner_tensors(path: Path, samples: np.ndarray, embedding: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the log-mel that a model computes of a window, float32 [n_frames, n_mels, 1], and its embedding."""
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    model = Interpreter(str(path), experimental_preserve_all_tensors=True, experimental_op_resolver_type=plain)
    model.allocate_tensors()
    details = model.get_input_details()[0]
    model.set_tensor(details["index"], samples.reshape(details["shape"]))
    model.invoke()
    (log_mel,) = (
        one["index"] for one in model.get_tensor_details() if one["shape"].tolist() == [1, N_FRAMES, N_MELS, 1]
    )
    return model.get_tensor(log_mel)[0], model.get_tensor(embedding)[0]
