"""A small teacher as a file, and a study that has distilled it, once for all tests."""

import shutil
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import pytest

from sonyc_contract.files import sha256_hex
from sonyc_trainer.distillation.teacher import Layer
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import run_study
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import load_study
from support.small_study import RATE_HZ, in_pool
from support.small_teacher import FOLD_PATTERN, converted, random_layers, write_textures

STUDY = f"""
name = "textures"

[[dataset]]
name = "textures"
format = "class-folders"
path = "audio"
file_pattern = '{FOLD_PATTERN}'

[trim]
mode = "whole"
keep_s = 2.0

[compress]
storage_rate_hz = {RATE_HZ}
levels = ["pcm", "v9"]

[pretrain]
levels = ["pcm", "v9"]
n_dimensions = 16

[pretrain.distil]
teacher_sha256 = "DIGEST"
n_last = 24
n_mixtures = 1_024
epochs = 2
batch_size = 32

[train]
levels = ["pcm"]
robust = false
epochs = 60

[export]
min_top1_agreement = 0.7
golden_tolerance = 0.2
name = "textures"
licence = "none"
sources = ["textures, made here"]
notes = ["for tests"]
"""


@pytest.fixture(scope="session")
def layers() -> list[Layer]:
    """The small teacher's layers."""
    return random_layers()


@pytest.fixture(scope="session")
def teacher(layers: list[Layer], tensorflow_pool: Executor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its TFLite file, in float."""
    folder = tmp_path_factory.mktemp("teacher")
    path = folder / "teacher.tflite"
    path.write_bytes(tensorflow_pool.submit(converted, layers, "float32", log=folder / "log").result())
    return path


@pytest.fixture(scope="session")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audio, a folder per class."""
    return write_textures(tmp_path_factory.mktemp("textures") / "audio")


@pytest.fixture(scope="session")
def study(textures: Path, teacher: Path) -> Path:
    """A study's file; it names the teacher's digest alone."""
    path = textures.with_name("study.toml")
    path.write_text(STUDY.replace("DIGEST", sha256_hex(teacher.read_bytes())))
    return path


@pytest.fixture(scope="session")
def distilled(
    study: Path, teacher: Path, tensorflow_pool: Executor, tmp_path_factory: pytest.TempPathFactory
) -> StudyFolder:
    """The study up to its embedding; who alters it copies it first."""
    folder = StudyFolder(tmp_path_factory.mktemp("distilled"), load_study(study, models={"teacher": teacher}))
    run_study(folder, in_pool(tensorflow_pool), until=Stage.PRETRAIN)
    return folder


@pytest.fixture
def with_distil(distilled: StudyFolder, tmp_path: Path) -> Callable[..., StudyFolder]:
    """Give a copy of the results with other keys of [pretrain.distil]."""

    def copied(**distil: object) -> StudyFolder:
        root = tmp_path / f"copy-{len(list(tmp_path.glob('copy-*')))}"
        shutil.copytree(distilled.root, root)
        document = distilled.study.model_dump(mode="json")
        document["pretrain"]["distil"] |= distil
        return StudyFolder(root, type(distilled.study).model_validate(document))

    return copied
