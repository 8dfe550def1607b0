"""`edgel3-sea`: EdgeL3's embedding specialised on SONYC (SEA, 64 numbers), from its published Keras weights.

Architecture: the weight file's own `model_config` (github.com/ksangeeta2429/edgel3, MIT). Its log-mel layer is left
out; that is what front end `edgel3-sea` computes.
"""

import gzip
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from sonyc_contract.files import sha256_hex
from sonyc_contract.frontend import EDGEL3_SEA
from sonyc_contract.recognise import EmbeddingSpec, InputLayout
from sonyc_trainer.context import StageContext
from sonyc_trainer.conversion import keras_file, to_float32
from sonyc_trainer.datasets.download import RemoteFile, fetch
from sonyc_trainer.embeddings.embedding import Embedding
from sonyc_trainer.errors import DatasetError, EmbeddingError
from sonyc_trainer.execution import run_one
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import EmbeddingSettings
from sonyc_trainer.tensorflow_session import tensorflow_session

WINDOW_S: Final = 1.0
PUBLISHED: Final = RemoteFile(
    name="edgel3_sea_ust_audio_emb_64.h5.gz",
    size_bytes=3_875_049,
    md5="1d14c5cf6f3cf1b0dec8ca866c4ce335",
    url="https://github.com/ksangeeta2429/edgel3/raw/models/edgel3_sea_ust_audio_emb_64.h5.gz",
)
PUBLISHED_SHA256: Final = "d1cf0ce5640e93f07b3eef950f0694c40f3be33d8d7241deaea7f71e2f929a7f"

_BLOCKS = (32, 64, 128, 64)
_EPSILON = 1e-3
_CONVOLUTION = ("kernel:0", "bias:0")
_NORMALISATION = ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0")


@dataclass(frozen=True)
class EdgeL3Embedding:
    """The embedding in a weight file, `.h5` or `.h5.gz`, or in the published one.

    Attributes:
        settings: Which file; None for the published one, which is then fetched.
        published: What is fetched.
    """

    settings: EmbeddingSettings
    published: RemoteFile = PUBLISHED

    def make(self, folder: StudyFolder, context: StageContext) -> Embedding:
        """Load the weights into the network and convert it.

        Raises:
            EmbeddingError: the file is missing, cannot be fetched, or holds other weights.
        """
        path = self.settings.weights or self._fetched(folder.of(Stage.PRETRAIN))
        log = folder.of(Stage.PRETRAIN) / "tensorflow.log"
        with context.progress.task("pretrain: convert edgel3-sea", 1) as advance, context.executor() as executor:
            model, keras = run_one(executor, partial(convert_weights, log=log), path)
            advance(1)
        spec = EmbeddingSpec(
            name="edgel3-sea",
            frontend=EDGEL3_SEA,
            window_s=WINDOW_S,
            hop_s=self.settings.hop_s,
            layout=InputLayout.MEL_TIME,
            n_dimensions=_BLOCKS[-1],
        )
        return Embedding(spec, model, keras)

    def _fetched(self, folder: Path) -> Path:
        try:
            path = fetch(self.published, folder)
        except DatasetError as error:
            raise EmbeddingError(
                f"{error}; or give the file, whose SHA-256 is {PUBLISHED_SHA256}, with --model edgel3-sea=FILE"
            ) from error
        if (found := sha256_hex(path.read_bytes())) != PUBLISHED_SHA256:
            path.unlink()
            raise EmbeddingError(f"{self.published.url}: its SHA-256 is {found}, not {PUBLISHED_SHA256}")
        return path


def convert_weights(path: Path, *, log: Path) -> tuple[bytes, bytes]:
    """Give the TFLite and the `.keras` file of the network with the weights in `path`, both in float32.

    Raises:
        EmbeddingError: the file is missing or holds other weights.
    """
    weights = _read_weights(path)
    with tensorflow_session(seed=0, log=log):
        model = _build_network()
        try:
            for name, arrays in weights.items():
                model.get_layer(name).set_weights(arrays)
        except ValueError as error:
            raise EmbeddingError(f"{path}: its weights are of another network: {error}") from error
        return to_float32(model), keras_file(model)


def _read_weights(path: Path) -> dict[str, list[Any]]:
    """Read the weights of every layer that our network has, by the names in the file."""
    import h5py

    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        with h5py.File(io.BytesIO(data), "r") as file:
            layers = file["model_weights"]
            return {
                name: [layers[name][name][weight][()] for weight in kinds] for name, kinds in _layer_weights().items()
            }
    except (OSError, EOFError, KeyError) as error:
        raise EmbeddingError(f"{path}: not the weights of edgel3-sea: {error}") from error


def _layer_weights() -> dict[str, tuple[str, ...]]:
    n_convolutions = 2 * len(_BLOCKS)
    names = {_convolution_name(index): _CONVOLUTION for index in range(1, n_convolutions + 1)}
    return names | {f"batch_normalization_{index}": _NORMALISATION for index in range(1, n_convolutions + 2)}


def _convolution_name(index: int) -> str:
    return "audio_embedding_layer" if index == 2 * len(_BLOCKS) else f"conv2d_{index}"


def _build_network() -> Any:
    """Build the network from log-mel [64, 50, 1] to 64 numbers: the window's largest activations."""
    import tensorflow as tf

    layers = tf.keras.layers
    n_frames = EDGEL3_SEA.n_frames(round(WINDOW_S * EDGEL3_SEA.rate_hz))
    inputs = tf.keras.Input((EDGEL3_SEA.n_mels, n_frames, 1))
    outputs = layers.BatchNormalization(epsilon=_EPSILON, name="batch_normalization_1")(inputs)
    for index, n_filters in enumerate(n for n in _BLOCKS for _ in range(2)):
        outputs = layers.Conv2D(n_filters, 3, padding="same", name=_convolution_name(index + 1))(outputs)
        outputs = layers.BatchNormalization(epsilon=_EPSILON, name=f"batch_normalization_{index + 2}")(outputs)
        outputs = layers.ReLU()(outputs)
        if index in (1, 3, 5):
            outputs = layers.MaxPooling2D(2)(outputs)
    outputs = layers.MaxPooling2D((8, 6))(outputs)
    return tf.keras.Model(inputs, layers.Flatten()(outputs), name="edgel3_sea")
