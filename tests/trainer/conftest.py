"""One small study, run to its end once, for all tests that look at its results."""

import shutil
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest

from sonyc_trainer.execution import process_pool
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import run_study
from support.small_study import in_pool, small_study, write_tones


@pytest.fixture(scope="session")
def tensorflow_pool() -> Iterator[Executor]:
    """One process in which TensorFlow stays loaded."""
    with process_pool(1) as pool:
        yield pool


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audio of `small_study`, a folder per class."""
    return write_tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="session")
def finished(tones: Path, tmp_path_factory: pytest.TempPathFactory, tensorflow_pool: Executor) -> StudyFolder:
    """A finished study; who alters it copies it first."""
    folder = StudyFolder(tmp_path_factory.mktemp("study"), small_study(tones))
    run_study(folder, in_pool(tensorflow_pool))
    return folder


@pytest.fixture
def own_copy(finished: StudyFolder, tmp_path: Path) -> StudyFolder:
    """A copy of the finished study that a test may alter."""
    shutil.copytree(finished.root, tmp_path / "copy")
    return StudyFolder(tmp_path / "copy", finished.study)
