"""The study's TOML: every setting that changes a result, in one frozen object."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from sonyc_contract.codec import DEFAULT_STORAGE_RATE_HZ, STORAGE_RATES_HZ
from sonyc_contract.errors import ConfigError
from sonyc_contract.frontend import COMPACT
from sonyc_contract.golden import MAX_TOLERANCE
from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Pooling
from sonyc_contract.settings import Settings, load_toml
from sonyc_trainer.deciding import LabelMode
from sonyc_trainer.scenes.settings import ScenesConfig
from sonyc_trainer.statistics.calibration import CalibrationMethod

Fraction = Annotated[float, Field(gt=0, lt=1)]


def _each_once(levels: tuple[Level, ...]) -> tuple[Level, ...]:
    if not levels:
        raise ValueError("needs at least one level")
    if len(set(levels)) != len(levels):
        raise ValueError("holds one level twice")
    return levels


Levels = Annotated[tuple[Level, ...], AfterValidator(_each_once)]


class DatasetFormat(StrEnum):
    """How a dataset lies on the disk."""

    SONYC_UST = "sonyc-ust"
    """`annotations.csv` and the audio below `audio/`, as SONYC-UST V1 and V2.3 are published."""
    URBANSOUND8K = "urbansound8k"
    """`metadata/UrbanSound8K.csv` and `audio/fold1` ... `audio/fold10`."""
    CLASS_FOLDERS = "class-folders"
    """One folder per class, named by it."""
    SCENES = "scenes"
    """Made by the built-in generator, in SONYC-UST's format."""


class DatasetSettings(Settings):
    """One source of clips."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    format: DatasetFormat
    path: Path | None = None
    """The dataset's folder; the command line may give it instead, so that a study names no folder of one machine."""
    classes: dict[str, str] = Field(default_factory=dict)
    """From the dataset's own class names to SONYC's. A class that is not named here is none of SONYC's: its clips are
    listed without a label. Empty: UrbanSound8K's usual mapping, or folders named as SONYC's classes."""
    sources: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    """Whose identifiers its source recordings have, such as `freesound`: datasets with the same `sources` can hold
    pieces of the same recording. By default the dataset's own name, and `freesound` for UrbanSound8K."""
    file_pattern: str | None = None
    """Regular expression that is searched in a file's name, with the groups `source` and `fold` (each optional)."""
    scenes: ScenesConfig | None = None
    """What the generator makes, in format `scenes`."""

    @model_validator(mode="after")
    def _fits_format(self) -> "DatasetSettings":
        if unknown := sorted(set(self.classes.values()) - set(LABELS)):
            raise ValueError(f"class {unknown[0]!r} is none of SONYC's: {', '.join(LABELS)}")
        if (self.scenes is not None) != (self.format is DatasetFormat.SCENES):
            raise ValueError("the table 'scenes' belongs to format 'scenes', and only to it")
        if self.file_pattern is not None and self.format is not DatasetFormat.CLASS_FOLDERS:
            raise ValueError("'file_pattern' belongs to format 'class-folders'")
        if self.classes and self.format in (DatasetFormat.SONYC_UST, DatasetFormat.SCENES):
            raise ValueError("'classes' belongs to formats 'urbansound8k' and 'class-folders'")
        return self

    @field_validator("file_pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if not groups or groups - {"source", "fold"}:
            raise ValueError("needs the named groups (?P<source>...) or (?P<fold>...), and no others")
        return pattern


class SplitMode(StrEnum):
    """How clips are divided into train, validation and test."""

    GROUPED = "grouped"
    """Stratified by class; all clips of a source recording or sensor stay together."""
    RANDOM = "random"
    """Stratified by class only, as the original study did; leaks sensors."""
    FOLDS = "folds"
    """The named folds are the test set; validation is taken from the rest, grouped."""


class SplitSettings(Settings):
    """Train, validation and test; always decided before compression."""

    mode: SplitMode = SplitMode.GROUPED
    validation_fraction: Fraction = 0.2
    """Of all clips; in mode `folds`, of those that are not in the test folds."""
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of all clips; not used in mode `folds`. 0 trains on everything, and the figures are of validation clips."""
    test_folds: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Clips of a dataset without folds are never tested."""

    @model_validator(mode="after")
    def _fits_mode(self) -> "SplitSettings":
        if bool(self.test_folds) != (self.mode is SplitMode.FOLDS):
            raise ValueError("'test_folds' belongs to mode 'folds', which needs at least one")
        if self.mode is not SplitMode.FOLDS and self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave nothing to train on")
        return self

    @property
    def has_test(self) -> bool:
        """Whether there are to be test clips."""
        return self.mode is SplitMode.FOLDS or self.test_fraction > 0


class TrimMode(StrEnum):
    """Which part of a clip is kept."""

    LOUDEST = "loudest"
    """Around the 1 s window with the highest level over the clip's background."""
    WHOLE = "whole"


class Fill(StrEnum):
    """What is done with a clip that is shorter than what is kept."""

    NONE = "none"
    ZEROS = "zeros"
    LOOP = "loop"


class TrimSettings(Settings):
    """The part of each clip that is learned from."""

    mode: TrimMode = TrimMode.LOUDEST
    keep_s: float = Field(default=2.0, ge=0.1, le=60)
    """How much is kept; in mode `whole`, up to what length a shorter clip is filled."""
    fill: Fill = Fill.NONE
    band_limit_hz: float | None = Field(default=None, ge=1_000, le=24_000)
    """Nothing at or above it is kept (the low-pass begins a tenth below), where datasets of different band widths are
    mixed."""


class CompressSettings(Settings):
    """The levels of the study, at one storage rate."""

    storage_rate_hz: int = DEFAULT_STORAGE_RATE_HZ
    levels: Levels = (Level.PCM, Level.V3, Level.V5, Level.V7, Level.V9)

    @model_validator(mode="after")
    def _can_be_encoded(self) -> "CompressSettings":
        if self.storage_rate_hz not in STORAGE_RATES_HZ:
            raise ValueError(f"storage_rate_hz must be one of {', '.join(map(str, STORAGE_RATES_HZ))}")
        return self


class OpenL3Settings(Settings):
    """What the openl3 package calls its options; its own defaults are music, 6144, centred."""

    content_type: Literal["env", "music"] = "env"
    """What its weights were trained on; it chooses among those that came with the package."""
    input_repr: Literal["linear", "mel128", "mel256"] = "mel256"
    size: Literal[512, 6144] = 512
    centre: bool = False
    """Half a second of zeros comes before the clip, so that the first window is centred on its first sample."""


class EmbeddingSettings(Settings):
    """Which embedding, and how a clip's windows become one label."""

    kind: str = Field(default="compact", pattern=r"^(compact|openl3|edgel3-sea|tflite:.+)$")
    weights: Path | None = None
    """`compact`: a bundle whose embedding is used instead of training one in the run. `edgel3-sea`: its Keras weights,
    `.h5` or `.h5.gz`. `openl3`: its weights in the same forms, or those that came with the package."""
    weights_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """`openl3`: what the digest of the file must be."""
    openl3: OpenL3Settings = OpenL3Settings()
    frontend: str | None = None
    """`tflite:PATH`: the front end whose log-mel the model takes; a model that takes the waveform has none."""
    window_s: float | None = Field(default=None, gt=0, le=60)
    """`tflite:PATH`: length of the model's window; 1 s where it is not given."""
    hop_s: float = Field(default=0.96, ge=0.01, le=60)
    pooling: Pooling = Pooling.MEAN_EMBEDDING

    @model_validator(mode="after")
    def _fits_kind(self) -> "EmbeddingSettings":
        if self.model_path is None and (self.frontend is not None or self.window_s is not None):
            raise ValueError("'frontend' and 'window_s' belong to kind 'tflite:PATH'")
        if self.model_path is not None and self.weights is not None:
            raise ValueError("'weights' does not belong to kind 'tflite:PATH', which names its file itself")
        if self.kind != "openl3" and (self.weights_sha256 is not None or self.openl3 != OpenL3Settings()):
            raise ValueError("'openl3' and 'weights_sha256' belong to kind 'openl3'")
        is_ours = self.kind == "compact" and self.weights is None
        if is_ours and round(self.hop_s * COMPACT.rate_hz) % COMPACT.hop_samples:
            raise ValueError(f"hop_s of 'compact' must be a multiple of {COMPACT.hop_samples / COMPACT.rate_hz:g} s")
        return self

    @property
    def model_path(self) -> Path | None:
        """File of `tflite:PATH`; None for the other kinds."""
        name, _, path = self.kind.partition(":")
        return Path(path) if name == "tflite" else None


class AugmentSettings(Settings):
    """How far windows are altered while the `compact` embedding is trained on them; 0 turns a part off."""

    gain_db: float = Field(default=10.0, ge=0, le=60)
    """Windows get up to this much louder or softer."""
    equaliser_db: float = Field(default=6.0, ge=0, le=60)
    """Largest gain of a random smooth filter."""
    mix_probability: float = Field(default=0.5, ge=0, le=1)
    """Share of windows that another one is added to."""
    mix_db: float = Field(default=10.0, ge=0, le=60)
    """How much louder or softer the added one can be."""
    n_masks: int = Field(default=1, ge=0, le=10)
    """Stretches of frames and of mels that are hidden."""
    mask_frames: int = Field(default=20, ge=0, le=1_000)
    mask_mels: int = Field(default=10, ge=0, le=512)


class PretrainSettings(Settings):
    """Training of the `compact` embedding in the run."""

    levels: Levels = (Level.PCM,)
    """Levels whose training clips it sees."""
    n_channels: int = Field(default=16, ge=4, le=64)
    """Channels of its first layer; the others follow."""
    n_dimensions: int = Field(default=128, ge=8, le=1024)
    epochs: int = Field(default=60, ge=1, le=10_000)
    patience: int = Field(default=60, ge=1)
    """Epochs without a better validation loss after which to stop."""
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    """Its peak: it rises over the first twentieth of all steps and falls along a cosine to 0."""
    weight_decay: float = Field(default=1e-4, ge=0, le=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    augment: AugmentSettings = AugmentSettings()


class ClassWeights(StrEnum):
    """How much a clip counts while a head learns."""

    BALANCED = "balanced"
    """All classes count alike, however many clips they have."""
    NONE = "none"
    """All clips count alike."""


class TrainSettings(Settings):
    """The heads: one per trained level, and one level-robust."""

    levels: Levels = (Level.PCM, Level.V3, Level.V5)
    robust: bool = True
    seeds: int = Field(default=1, ge=1, le=100)
    """How often each head is trained, each time with another seed; figures are means, the first goes into the
    bundle."""
    class_weights: ClassWeights = ClassWeights.BALANCED
    hidden_units: int = Field(default=0, ge=0, le=4096)
    """0 is a linear head."""
    epochs: int = Field(default=200, ge=1, le=10_000)
    patience: int = Field(default=20, ge=1)
    """Epochs without a better validation loss after which to stop."""
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-2, gt=0, le=1)
    weight_decay: float = Field(default=1e-2, ge=0, le=1)


class CostsSettings(Settings):
    """What the study's levels are compared with in bytes and macro-F1."""

    storage_rates_hz: tuple[int, ...] = (16_000, 24_000)
    """Rates at which the levels are tried too; those under the study's own count."""
    opus_kbps: tuple[Annotated[int, Field(ge=6, le=256)], ...] = (16, 32)
    """Slow to encode: 26 ms per second of audio here, LAME 3."""
    max_clips: int = Field(default=160, ge=0)
    """Test clips that macro-F1 is taken on, thinned evenly; 0 measures the study's own levels' bytes only."""
    max_pieces: int = Field(default=16, ge=1)
    """Pieces of 10 s that bytes and times are measured on."""

    @model_validator(mode="after")
    def _can_be_encoded(self) -> "CostsSettings":
        if wrong := [rate for rate in self.storage_rates_hz if rate not in STORAGE_RATES_HZ]:
            allowed = ", ".join(map(str, STORAGE_RATES_HZ))
            raise ValueError(f"storage_rates_hz has {wrong[0]}; it must be of {allowed}")
        return self


class CalibrationSettings(Settings):
    """What is chosen for each head on the validation clips at the levels that it serves."""

    method: CalibrationMethod = CalibrationMethod.TEMPERATURE
    target_precision: Fraction | None = None
    """Thresholds are the lowest whose detections are right this often; without it those of the highest F1."""


class ExportSettings(Settings):
    """The bundle and what it must satisfy to be written."""

    name: str = Field(default="study", pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")
    licence: str = Field(default="not stated", min_length=1)
    """Of the weights; it follows from what they were trained on."""
    sources: tuple[str, ...] = ()
    """Lines for the model card: who made the data, and under what licence."""
    notes: tuple[str, ...] = ()
    """Lines for the model card: what else its user must know, such as figures that another study measured."""
    min_top1_agreement: Fraction = 0.9
    """Share of validation clips that must get the same class as from Keras, per head and runtime."""
    max_probability_difference: Fraction = 0.4
    """How far a probability may be off there; int8 of a small study had 0.28 on one clip of 56, 0.02 on most."""
    golden_tolerance: float = Field(default=0.05, gt=0, le=MAX_TOLERANCE)
    """How far a probability may be off in the bundle's self-test; the two runtimes were up to 0.033 apart on it."""


class Study(Settings):
    """A whole study."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")
    seed: int = Field(default=1, ge=0, le=2**31)
    labels: LabelMode = LabelMode.SINGLE
    dataset: tuple[DatasetSettings, ...] = Field(min_length=1)
    split: SplitSettings = SplitSettings()
    trim: TrimSettings = TrimSettings()
    compress: CompressSettings = CompressSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    pretrain: PretrainSettings = PretrainSettings()
    train: TrainSettings = TrainSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    costs: CostsSettings = CostsSettings()
    export: ExportSettings = ExportSettings()

    @model_validator(mode="after")
    def _levels_are_compressed(self) -> "Study":
        for table, levels in (("train", self.train.levels), ("pretrain", self.pretrain.levels)):
            if missing := [level for level in levels if level not in self.compress.levels]:
                raise ValueError(f"{table}.levels has {missing[0].value!r}, which compress.levels lacks")
        names = [dataset.name for dataset in self.dataset]
        if len(set(names)) != len(names):
            raise ValueError("two datasets have the same name")
        return self


def load_study(path: Path, *, folders: dict[str, Path] | None = None, openl3_weights: Path | None = None) -> Study:
    """Read a study's TOML; paths in it count from its own folder.

    Args:
        path: The TOML file.
        folders: Folders of datasets by name, from the command line; they go before those in the file.
        openl3_weights: Weight file of `openl3`, from the command line; it goes before the one in the file.

    Raises:
        ConfigError: an unknown key, a wrong type or range, a dataset without a folder, an embedding without its file,
            or a folder for a dataset or weights for an embedding that the study has not.
    """
    study = load_toml(path, Study)
    given = dict(folders or {})
    datasets = tuple(_located(dataset, path, given.pop(dataset.name, None)) for dataset in study.dataset)
    if given:
        raise ConfigError(f"{path}: the study has no dataset named {next(iter(given))!r}")
    embedding = _with_paths(study.embedding, path)
    if openl3_weights is not None:
        if embedding.kind != "openl3":
            raise ConfigError(f"{path}: the study has no use for OpenL3's weights: its embedding is {embedding.kind!r}")
        embedding = embedding.model_copy(update={"weights": openl3_weights.resolve()})
    return study.model_copy(update={"dataset": datasets, "embedding": embedding})


def _with_paths(embedding: EmbeddingSettings, study_path: Path) -> EmbeddingSettings:
    update: dict[str, object] = {}
    if embedding.kind == "openl3" and embedding.weights is not None:  # its own error says where to get them
        update["weights"] = (study_path.parent / embedding.weights).resolve()
    elif embedding.weights is not None:
        update["weights"] = _file(study_path, embedding.weights)
    if embedding.model_path is not None:
        update["kind"] = f"tflite:{_file(study_path, embedding.model_path)}"
    return embedding.model_copy(update=update)


def _file(study_path: Path, path: Path) -> Path:
    """Find a file that the study names; hours later, when it is needed, would be late to say that it is missing."""
    found = (study_path.parent / path).resolve()
    if not found.is_file():
        raise ConfigError(f"{study_path}: [embedding]: {found} is not there")
    return found


def _located(dataset: DatasetSettings, study_path: Path, given: Path | None) -> DatasetSettings:
    if dataset.format is DatasetFormat.SCENES:
        return dataset
    folder = given or (study_path.parent / dataset.path if dataset.path else None)
    if folder is None:
        raise ConfigError(
            f"{study_path}: dataset {dataset.name!r} names no folder: add 'path' to it, or give --data "
            f"{dataset.name}=DIR on the command line"
        )
    if not folder.is_dir():
        raise ConfigError(f"{study_path}: dataset {dataset.name!r}: {folder} is not a folder")
    return dataset.model_copy(update={"path": folder.resolve()})
