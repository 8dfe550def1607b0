"""An embedding as the stages hand it on: what surrounds the model, and the model's files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from pydantic import ValidationError

from sonyc_contract.files import sha256_hex, write_whole
from sonyc_contract.recognise import Embedder, EmbeddingSpec
from sonyc_contract.runtime import Interpreter, Runtime, open_interpreter
from sonyc_contract.settings import describe
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.framed import FramedEmbedding, FramedSpec
from sonyc_trainer.errors import EmbeddingError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.quiet import NOWHERE, output_to

SPEC_FILE: Final = "spec.json"
MODEL_FILE: Final = "embedding.tflite"
KERAS_FILE: Final = "embedding.keras"


@dataclass(frozen=True)
class Embedding:
    """An embedding that is ready to be used.

    Attributes:
        spec: Front end, windows and size.
        model: The TFLite file that nodes run; heads are trained on what it gives, quantisation included.
        keras: The `.keras` file that `model` was converted from; None where only the TFLite file was given.
    """

    spec: EmbeddingSpec
    model: bytes
    keras: bytes | None = None

    @property
    def id(self) -> str:
        """Front end and a digest of everything that changes a result; embeddings of two ids never mix."""
        document = self.spec.model_dump_json().encode() + self.model
        return f"{self.spec.frontend.id}+{sha256_hex(document)[:16]}"

    def open(self, *, runtime: Runtime = Runtime.LITERT) -> Embedder:
        """Load the model on one thread.

        Raises:
            ModelError: the runtime is missing or cannot load it.
            FrontendError: the model does not fit its front end.
        """
        return Embedder(self.spec, open_quietly(self.model, runtime))


AnyEmbedding = Embedding | FramedEmbedding
"""One that bundles can hold, or one of the trainer's own."""


class EmbeddingSource(Protocol):
    """How one kind of embedding is had: read from a file, or trained in the run."""

    def make(self, folder: StudyFolder, context: StageContext) -> AnyEmbedding:
        """Give the embedding.

        Args:
            folder: The study; coded clips may be learned from, and logs written into the stage's own folder.
            context: What the stage works with.

        Raises:
            EmbeddingError: a file is missing or does not fit, or there is nothing to train on.
        """


def open_quietly(model: bytes, runtime: Runtime = Runtime.LITERT) -> Interpreter:
    """Load a TFLite file on one thread, without the line in which the runtime praises its delegate.

    Raises:
        ModelError: the runtime is missing or cannot load it.
    """
    with output_to(NOWHERE):
        return open_interpreter(model, runtime=runtime)


def save_embedding(folder: Path, embedding: AnyEmbedding) -> None:
    """Write an embedding's files."""
    write_whole(folder / MODEL_FILE, embedding.model)
    if isinstance(embedding, Embedding) and embedding.keras is not None:
        write_whole(folder / KERAS_FILE, embedding.keras)
    write_whole(folder / SPEC_FILE, (embedding.spec.model_dump_json(indent=1) + "\n").encode())


def load_embedding(folder: Path) -> AnyEmbedding:
    """Read what `save_embedding` wrote.

    Raises:
        EmbeddingError: a file is missing or is no embedding.
    """
    keras = folder / KERAS_FILE
    try:
        document, model = (folder / SPEC_FILE).read_bytes(), (folder / MODEL_FILE).read_bytes()
        if b'"features"' in document:
            return FramedEmbedding(FramedSpec.model_validate_json(document), model)
        spec = EmbeddingSpec.model_validate_json(document)
        return Embedding(spec, model, keras.read_bytes() if keras.is_file() else None)
    except OSError as error:
        raise EmbeddingError(f"{error.filename}: cannot be read: {error.strerror}: run stage 'pretrain'") from error
    except ValidationError as error:
        raise EmbeddingError(f"{folder / SPEC_FILE}: {describe(error)}") from error
