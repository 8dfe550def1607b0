"""Reading a study's TOML, and finding the files and folders that it names."""

from pathlib import Path

from sonyc_contract.errors import ConfigError
from sonyc_contract.settings import load_toml
from sonyc_trainer.study.datasets import DatasetFormat, DatasetSettings
from sonyc_trainer.study.models import EmbeddingSettings
from sonyc_trainer.study.settings import Study


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
