"""Reading a study's TOML, and finding the files and folders that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sonyc_contract.errors import ConfigError
from sonyc_contract.settings import load_toml
from sonyc_trainer.study.comparisons import KIND, ComparisonSettings
from sonyc_trainer.study.datasets import DatasetFormat, DatasetSettings
from sonyc_trainer.study.models import EmbeddingSettings, PretrainSettings
from sonyc_trainer.study.settings import Study

TEACHER: Final = "teacher"
"""Of the names of `models`, the network that `[pretrain.distil]` learns from."""

SOUNDS: Final = "sounds"
"""And the folder of what else it hears."""

_TFLITE: Final = "tflite"
_URBANSOUND8K: Final = "urbansound8k"
_ESC10: Final = "esc10"
_OPENL3: Final = "openl3"
"""Its own error says where to get its weights."""


def load_study(
    path: Path, *, folders: Mapping[str, Path] | None = None, models: Mapping[str, Path] | None = None
) -> Study:
    """Read a study's TOML; paths in it count from its own folder.

    Args:
        path: The TOML file.
        folders: Folders of datasets by name, from the command line; they go before those in the file. That of
            `urbansound8k` is also for every other dataset of that format that has no folder, and that of `esc10` for
            those whose name begins with `esc10`.
        models: Files of embeddings, from the command line, by kind or by the name of a comparison; they go before those
            in the file.

    Raises:
        ConfigError: an unknown key, a wrong type or range, a dataset without a folder, an embedding without its file,
            attention as the study's own pooling, or a folder or file for what the study has not.
    """
    study = load_toml(path, Study)
    _ = study.embedding.node_pooling
    given, files = dict(folders or {}), _Given(models or {})
    datasets = tuple(_located(dataset, path, given) for dataset in study.dataset)
    names = {dataset.name for dataset in study.dataset} | {_shares(dataset) for dataset in study.dataset}
    if unknown := [name for name in given if name not in names]:
        raise ConfigError(f"{path}: the study has no dataset named {unknown[0]!r}")
    pretrain = _taught(study.pretrain, path, files)
    embedding = _with_files(study.embedding, path, files.take(study.embedding.kind.partition(":")[0]))
    compare = tuple(_compared(one, path, files) for one in study.compare)
    if {TEACHER, SOUNDS} & set(files.unused):
        raise ConfigError(f"{path}: has no [pretrain.distil], which would learn from a teacher")
    if files.unused:
        raise ConfigError(
            f"{path}: the study has no embedding {files.unused[0]!r} to give a file for, only {', '.join(files.asked)}"
        )
    return study.model_copy(
        update={"dataset": datasets, "embedding": embedding, "pretrain": pretrain, "compare": compare}
    )


class _Given:
    """Files from the command line, and who asked for them."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self.asked: list[str] = []

    @property
    def unused(self) -> list[str]:
        """Names that nobody asked for."""
        return [name for name in self._files if name not in self.asked]

    def take(self, *names: str) -> Path | None:
        """Give the file of the first of some names that has one."""
        self.asked += [name for name in names if name and name not in self.asked]
        return next((self._files[name] for name in names if name in self._files), None)


def _with_files(embedding: EmbeddingSettings, study_path: Path, given: Path | None) -> EmbeddingSettings:
    """Find the file of the study's own embedding, or take the one that is given."""
    if given is not None and embedding.model_path is not None:
        return embedding.model_copy(update={KIND: f"{_TFLITE}:{_found(given.resolve(), study_path)}"})
    if given is not None:
        return embedding.model_copy(update={"weights": given.resolve()})
    if embedding.model_path is not None:
        return embedding.model_copy(update={KIND: f"{_TFLITE}:{_file(study_path, embedding.model_path)}"})
    if embedding.weights is None:
        return embedding
    if embedding.kind == _OPENL3:
        return embedding.model_copy(update={"weights": (study_path.parent / embedding.weights).resolve()})
    return embedding.model_copy(update={"weights": _file(study_path, embedding.weights)})


def _taught(pretrain: PretrainSettings, study_path: Path, files: _Given) -> PretrainSettings:
    """Find the teacher, which is missed when it is needed if it is not named at all, and the folder of sounds."""
    distil = pretrain.distil
    if distil is None:
        return pretrain
    found: dict[str, Path] = {}
    for name, named, is_there in ((TEACHER, distil.teacher, Path.is_file), (SOUNDS, distil.sounds, Path.is_dir)):
        given = files.take(name)
        path = given.resolve() if given else named and (study_path.parent / named).resolve()
        if not path:
            continue
        if not is_there(path):
            kind = "FILE" if name == TEACHER else "DIR"
            raise ConfigError(
                f"{study_path}: [pretrain.distil] {name}: {path} is not there; give it with --{name} {kind}"
            )
        found[name] = path
    return pretrain.model_copy(update={"distil": distil.model_copy(update=found)})


def _compared(comparison: ComparisonSettings, study_path: Path, files: _Given) -> ComparisonSettings:
    """Find the file of a comparison's embedding; an optional one need not be there."""
    table: dict[str, Any] = dict(comparison.embedding)
    kind, _, named = str(table.get(KIND, "")).partition(":")
    named = named or str(table.get("weights", ""))
    given = files.take(comparison.name, kind)
    if given is None and not named:
        return comparison
    path = given.resolve() if given else (study_path.parent / named).resolve()
    if given is not None or not (comparison.optional or kind == _OPENL3):
        _found(path, study_path, f"; give another with --model {comparison.name}=FILE")
    table |= {KIND: f"{_TFLITE}:{path}"} if kind == _TFLITE else {"weights": str(path)}
    return comparison.model_copy(update={"embedding": table})


def _file(study_path: Path, path: Path) -> Path:
    return _found((study_path.parent / path).resolve(), study_path)


def _found(path: Path, study_path: Path, hint: str = "") -> Path:
    """Look now: hours later, when a file is needed, would be late to say that it is missing."""
    if not path.is_file():
        raise ConfigError(f"{study_path}: [embedding]: {path} is not there{hint}")
    return path


def _located(dataset: DatasetSettings, study_path: Path, given: Mapping[str, Path]) -> DatasetSettings:
    if dataset.is_made:
        return dataset
    shared = given.get(_shares(dataset)) if dataset.path is None else None
    folder = given.get(dataset.name) or shared or (study_path.parent / dataset.path if dataset.path else None)
    if folder is None:
        raise ConfigError(
            f"{study_path}: dataset {dataset.name!r} names no folder: add 'path' to it, or give --data "
            f"{dataset.name}=DIR on the command line"
        )
    if not folder.is_dir():
        raise ConfigError(f"{study_path}: dataset {dataset.name!r}: {folder} is not a folder")
    found = dataset.model_copy(update={"path": folder.resolve()})
    return found if dataset.clips is None else _with_list(found, study_path, dataset.clips)


def _shares(dataset: DatasetSettings) -> str:
    """Name the dataset whose folder this one takes where it has none of its own."""
    if dataset.format is DatasetFormat.URBANSOUND8K:
        return _URBANSOUND8K
    return _ESC10 if dataset.name.startswith(_ESC10) and not dataset.is_made else dataset.name


def _with_list(dataset: DatasetSettings, study_path: Path, clips: Path) -> DatasetSettings:
    path = (study_path.parent / clips).resolve()
    if not path.is_file():
        raise ConfigError(f"{study_path}: dataset {dataset.name!r}: its list of clips {path} is not there")
    return dataset.model_copy(update={"clips": path})
