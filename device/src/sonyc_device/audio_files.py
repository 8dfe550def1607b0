"""Finds the audio files that were meant by a list of files and folders."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sonyc_contract.errors import AudioError

SUFFIXES: Final = frozenset(
    {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".w64", ".wav"}
)


def find_audio(paths: Iterable[Path]) -> list[Path]:
    """Give files as they were named, and of folders the audio files in them and below, in the order of their names.

    Raises:
        AudioError: a folder holds no audio file. A file that does not exist is left for whoever reads it to name.
    """
    found: list[Path] = []
    for path in paths:
        found += _below(path) if path.is_dir() else [path]
    return found


def _below(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise AudioError(f"{folder}: holds no audio file (looked for {', '.join(sorted(SUFFIXES))})")
    return files
