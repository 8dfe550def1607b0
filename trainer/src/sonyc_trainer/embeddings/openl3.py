"""`openl3`: the openl3 package's network and weights, on its features, with its windows.

The package's loader builds the network; it is rewritten once for ncnn, so that the processes that embed load no
TensorFlow and need less than half its time. It is not exported: 10 G multiplications per second of sound are no work
for a node.
"""

import gzip
import importlib.util
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from sonyc_contract.files import sha256_hex
from sonyc_contract.frontend import OPENL3
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.framed import Features, FramedEmbedding, FramedSpec
from sonyc_trainer.embeddings.ncnn_network import to_ncnn
from sonyc_trainer.errors import EmbeddingError
from sonyc_trainer.execution import run_one
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import EmbeddingSettings
from sonyc_trainer.tensorflow_session import tensorflow_session

WEIGHTS_URL: Final = "https://github.com/marl/openl3/raw/models/openl3_audio_{input}_{content}-v0_4_0.h5.gz"
"""From openl3 0.4.2's setup.py, which downloads them; their digests are not published."""

WINDOW_SAMPLES: Final = 48_000

# The networks' weights have the same shapes, so that only the name tells whose they are.
_PUBLISHED_NAME = re.compile(r"_(linear|mel128|mel256)_(env|music)")


@dataclass(frozen=True)
class OpenL3Embedding:
    """The network with the weights of a file, `.h5` or `.h5.gz`, or those that came with the package."""

    settings: EmbeddingSettings

    def make(self, folder: StudyFolder, context: StageContext) -> FramedEmbedding:
        """Load the weights through the package and convert the network.

        Raises:
            EmbeddingError: the package or the weight file is missing, or the file holds other weights than it should.
        """
        openl3 = self.settings.openl3
        path = weights_path(self.settings)
        weights = _read(path, self.settings)
        log = folder.of(Stage.PRETRAIN) / "tensorflow.log"
        work = partial(convert_weights, name=str(path), input_repr=openl3.input_repr, size=openl3.size, log=log)
        with context.progress.task("pretrain: convert openl3", 1) as advance, context.executor() as executor:
            model = run_one(executor, work, weights)
            advance(1)
        return FramedEmbedding(openl3_spec(self.settings), model)


def openl3_spec(settings: EmbeddingSettings) -> FramedSpec:
    """Give the package's windows: 1 s at 48 kHz, the hop cut to whole samples, the end filled with zeros."""
    openl3 = settings.openl3
    return FramedSpec(
        name=f"openl3-{openl3.content_type}-{openl3.input_repr}-{openl3.size}",
        features=Features(f"openl3-{openl3.input_repr}"),
        rate_hz=OPENL3.rate_hz,
        window_samples=WINDOW_SAMPLES,
        hop_samples=int(settings.hop_s * OPENL3.rate_hz),
        is_centred=openl3.centre,
        keeps_end=True,
        n_dimensions=openl3.size,
    )


def convert_weights(weights: bytes, *, name: str, input_repr: str, size: int, log: Path) -> bytes:
    """Give the network behind the features as `NcnnInterpreter` reads it.

    Args:
        weights: Bytes of an `.h5` file in the package's own format.
        name: What messages call it.
        input_repr: `linear`, `mel128` or `mel256`.
        size: 512 or 6144.
        log: Where TensorFlow's output goes.

    Raises:
        EmbeddingError: the weights are of another network.
    """
    with tensorflow_session(seed=0, log=log), _as_file(weights) as path:
        from openl3.models import load_audio_embedding_model_from_path

        try:
            # Its front end `librosa` is none: the network then begins at the features, which are computed outside.
            model = load_audio_embedding_model_from_path(str(path), input_repr, size, frontend="librosa")
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise EmbeddingError(f"{name}: not the weights of openl3's {input_repr} network: {reason}") from error
        return to_ncnn(model)


def weights_path(settings: EmbeddingSettings) -> Path:
    """Choose the file that is named, else the package's own.

    Raises:
        EmbeddingError: the package or the file is missing, or the file's name says that it is another network's.
    """
    package = importlib.util.find_spec("openl3")
    if package is None or package.origin is None:
        raise EmbeddingError(
            "[embedding] kind = 'openl3' needs the openl3 package, which is not installed: make openl3"
        )
    openl3 = settings.openl3
    own = Path(package.origin).parent / f"openl3_audio_{openl3.input_repr}_{openl3.content_type}.h5"
    path = settings.weights or own
    if not path.is_file() or path.stat().st_size == 0:  # `make openl3` leaves empty files where GitHub is out of reach
        url = WEIGHTS_URL.format(input=openl3.input_repr, content=openl3.content_type)
        digest = settings.weights_sha256 or "none is published; [embedding] weights_sha256 holds a file to yours"
        raise EmbeddingError(
            f"{path}: no weights of openl3: get {url} and give it with --openl3-weights (SHA-256: {digest})"
        )
    named = _PUBLISHED_NAME.search(path.name)
    if named and named.groups() != (openl3.input_repr, openl3.content_type):
        raise EmbeddingError(
            f"{path}: the name says {named[0][1:]}, [embedding.openl3] {openl3.input_repr}_{openl3.content_type}: give "
            "the other file, or change input_repr and content_type"
        )
    return path


def _read(path: Path, settings: EmbeddingSettings) -> bytes:
    """Read a weight file, checked before it is unpacked."""
    data = path.read_bytes()
    wanted, found = settings.weights_sha256, sha256_hex(data)
    if wanted is not None and wanted != found:
        raise EmbeddingError(f"{path}: its SHA-256 is {found}, not {wanted} ([embedding] weights_sha256): get it again")
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError) as error:
        raise EmbeddingError(f"{path}: cannot be unpacked: {error}: get it again") from error


@contextmanager
def _as_file(data: bytes) -> Iterator[Path]:
    """The package's loader takes a path, which must end in .h5."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.h5"
        path.write_bytes(data)
        yield path
