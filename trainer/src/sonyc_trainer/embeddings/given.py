"""Embeddings that are there already: a TFLite file, or the one in a bundle."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from pydantic import ValidationError

from sonyc_contract.bundle import EMBEDDING, read_bundle
from sonyc_contract.errors import BundleError, FrontendError, ModelError
from sonyc_contract.frontend import COMPACT, PRESETS, FrontendSpec, preset
from sonyc_contract.recognise import EmbeddingSpec, InputLayout
from sonyc_contract.runtime import Interpreter
from sonyc_contract.settings import describe
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.embedding import SPEC_FILE, AnyEmbedding, Embedding, load_embedding, open_quietly
from sonyc_trainer.embeddings.framed import Features, FramedEmbedding, FramedSpec, WaveformInterpreter, takes_waveform
from sonyc_trainer.embeddings.tflite_graph import dense_input, with_output
from sonyc_trainer.errors import EmbeddingError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.study import EmbeddingSettings

_DEFAULT_WINDOW_S = 1.0
_STATISTICS_WINDOW_S = 0.96
_WAVEFORM_RATE_HZ = 16_000
_WAVEFORM_WINDOW_SAMPLES = 15_600


@dataclass(frozen=True)
class BundledEmbedding:
    """The embedding of a finished bundle, or of a study.

    Attributes:
        path: The bundle, or the `spec.json` that stage `pretrain` wrote beside the embedding's other files.
        hop_s: From window to window in this study, whatever it is in the bundle.
    """

    path: Path
    hop_s: float

    def make(self, folder: StudyFolder, context: StageContext) -> Embedding:
        """Take the embedding out of the bundle.

        Raises:
            EmbeddingError: the file is no bundle, or `hop_s` does not fit its front end.
        """
        try:
            spec, model = self._read()
            return Embedding(EmbeddingSpec.model_validate(spec.model_dump() | {"hop_s": self.hop_s}), model)
        except BundleError as error:
            raise EmbeddingError(f"[embedding] weights: {error}") from error
        except ValidationError as error:
            raise EmbeddingError(f"[embedding] hop_s: {describe(error)}") from error

    def _read(self) -> tuple[EmbeddingSpec, bytes]:
        if self.path.name != SPEC_FILE:
            bundle = read_bundle(self.path)
            return bundle.manifest.embedding, bundle.members[EMBEDDING]
        embedding = load_embedding(self.path.parent)
        if not isinstance(embedding, Embedding):
            raise EmbeddingError(f"[embedding] weights: {self.path}: not a 'compact', but {embedding.spec.name!r}")
        return embedding.spec, embedding.model


@dataclass(frozen=True)
class TfliteEmbedding:
    """A TFLite file that takes the log-mel of one of our front ends, or a YAMNet that takes the waveform."""

    settings: EmbeddingSettings

    def make(self, folder: StudyFolder, context: StageContext) -> AnyEmbedding:
        """Read the file and fit the front end to its input; of a YAMNet, take the embedding in its inside.

        Raises:
            EmbeddingError: the file is missing or does not load, no front end is named, or its log-mel does not fit.
        """
        path = self.settings.model_path or Path()
        try:
            model = path.read_bytes()
            if takes_waveform(model):
                return self._of_waveform(path, model)
            return Embedding(self._spec(path, open_quietly(model)), model)
        except OSError as error:
            raise EmbeddingError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ModelError as error:
            raise EmbeddingError(f"{path}: {error}") from error

    def _of_waveform(self, path: Path, model: bytes) -> FramedEmbedding:
        if self.settings.frontend is not None or self.settings.window_s is not None:
            raise EmbeddingError(f"{path}: takes the waveform: leave [embedding] frontend and window_s out")
        embedding = with_output(model, dense_input(model))
        interpreter = WaveformInterpreter(embedding)
        if interpreter.input_shape != (_WAVEFORM_WINDOW_SAMPLES,):
            raise EmbeddingError(
                f"{path}: takes {interpreter.input_shape[0]} samples; of models that take the waveform only YAMNet's "
                f"window is known, {_WAVEFORM_WINDOW_SAMPLES} samples at {_WAVEFORM_RATE_HZ} Hz"
            )
        spec = FramedSpec(
            name=path.stem[:80],
            features=Features.WAVEFORM,
            rate_hz=_WAVEFORM_RATE_HZ,
            window_samples=_WAVEFORM_WINDOW_SAMPLES,
            hop_samples=round(self.settings.hop_s * _WAVEFORM_RATE_HZ),
            n_dimensions=interpreter.output_shape[0],
        )
        return FramedEmbedding(spec, embedding)

    def _spec(self, path: Path, interpreter: Interpreter) -> EmbeddingSpec:
        frontend = self._frontend(path)
        window_s = self.settings.window_s or _DEFAULT_WINDOW_S
        try:
            return EmbeddingSpec(
                name=path.stem[:80],
                frontend=frontend,
                window_s=window_s,
                hop_s=self.settings.hop_s,
                layout=_layout(path, interpreter, frontend, window_s),
                n_dimensions=prod(interpreter.output_shape),
            )
        except ValidationError as error:
            raise EmbeddingError(f"[embedding] with {path}: {describe(error)}") from error

    def _frontend(self, path: Path) -> FrontendSpec:
        if self.settings.frontend is None:
            raise EmbeddingError(
                f"[embedding] kind = 'tflite:{path}' needs 'frontend', the log-mel that the model takes: one of "
                f"{', '.join(PRESETS)}"
            )
        try:
            return preset(self.settings.frontend)
        except FrontendError as error:
            raise EmbeddingError(f"[embedding] frontend: {error}") from error


@dataclass(frozen=True)
class LogMelStatistics:
    """What a classifier without any embedding would have: what every other one has to be better than."""

    hop_s: float

    def make(self, folder: StudyFolder, context: StageContext) -> FramedEmbedding:
        """Give means and standard deviations of mel bands over windows of 0.96 s."""
        spec = FramedSpec(
            name="log-mel",
            features=Features.LOG_MEL_STATISTICS,
            rate_hz=COMPACT.rate_hz,
            window_samples=round(_STATISTICS_WINDOW_S * COMPACT.rate_hz),
            hop_samples=round(self.hop_s * COMPACT.rate_hz),
            n_dimensions=2 * COMPACT.n_mels,
        )
        return FramedEmbedding(spec, b"")


def _layout(path: Path, interpreter: Interpreter, frontend: FrontendSpec, window_s: float) -> InputLayout:
    n_frames = frontend.n_frames(round(window_s * frontend.rate_hz))
    shapes = {
        InputLayout.TIME_MEL: (n_frames, frontend.n_mels, 1),
        InputLayout.MEL_TIME: (frontend.n_mels, n_frames, 1),
    }
    for layout, shape in shapes.items():
        if interpreter.input_shape == shape:
            return layout
    raise EmbeddingError(
        f"{path}: takes {interpreter.input_shape}, but front end {frontend.name!r} with windows of {window_s} s gives "
        f"{shapes[InputLayout.TIME_MEL]}: set [embedding] frontend and window_s to those of the model"
    )
