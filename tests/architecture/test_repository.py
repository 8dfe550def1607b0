"""What lies in the repository, and what its texts must not say."""

import subprocess
from pathlib import Path

import pytest

FOLDERS = {"device", "trainer", "firmware_config", "tools", "tests", "docs"}
FILES = {"Makefile", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"}

# In two parts, so that this file does not hold them.
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
MACHINE = ("/wo" + "rk/", "/ho" + "me/", "/ro" + "ot/", "../sha" + "red")


@pytest.fixture(scope="module")
def files(repository: Path) -> list[Path]:
    """Every file that belongs to the repository, or would if it were added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout
    paths = [repository / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_top_level_holds_only_what_the_layout_names(files: list[Path], repository: Path) -> None:
    top = {path.relative_to(repository).parts[0] for path in files}
    others = top - FOLDERS - FILES
    assert not [name for name in others if not name.startswith(".") and not name.endswith(".lock")]
    assert top >= FOLDERS | FILES


@pytest.mark.parametrize("word", UNFINISHED)
def test_nothing_is_left_for_later(word: str, files: list[Path], repository: Path) -> None:
    assert not _that_say(word, files, repository)


@pytest.mark.parametrize("place", MACHINE)
def test_nothing_names_a_machine(place: str, files: list[Path], repository: Path) -> None:
    assert not _that_say(place, files, repository)


def test_nothing_is_named_helpers(files: list[Path]) -> None:
    vague = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py"}
    assert not [path for path in files if path.name in vague]


def test_no_recording_is_part_of_the_repository(files: list[Path]) -> None:
    assert not [path for path in files if path.suffix in {".wav", ".flac", ".mp3", ".ogg"}]


def _that_say(text: str, files: list[Path], repository: Path) -> list[str]:
    wanted = text.encode()
    return [str(path.relative_to(repository)) for path in files if wanted in path.read_bytes()]
