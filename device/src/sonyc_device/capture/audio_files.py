"""Finds the audio files that were meant by a list of files and folders."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sonyc_contract.errors import AudioError
from sonyc_contract.stored import SEALED_SUFFIX, is_sealed_clip

SUFFIXES: Final = frozenset(
    {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".w64", ".wav"}
)


def find_audio(paths: Iterable[Path]) -> list[Path]:
    """Give files as they were named, and of folders the audio files in them and below, in the order of their names.

    Raises:
        AudioError: a folder holds no audio file. What does not exist or cannot be read is left for whoever reads it to
            name.
    """
    found: list[Path] = []
    for path in paths:
        found += _below(path) if _is_folder(path) else [path]
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, or a folder above it that may not be searched
        return False


def _why_none(folder: Path) -> str:
    n_sealed = sum(is_sealed_clip(path) for path in folder.rglob(f"*{SEALED_SUFFIX}"))
    if n_sealed:
        return f"holds {n_sealed} sealed clips: open them with `sonyc-tools unseal --identity KEYFILE --output DIR`"
    return f"holds no audio file (looked for {', '.join(sorted(SUFFIXES))})"


def _below(folder: Path) -> list[Path]:
    unreadable: list[OSError] = []
    walk = os.walk(folder, onerror=unreadable.append)
    found = [Path(parent, name) for parent, _, names in walk for name in names if Path(name).suffix.lower() in SUFFIXES]
    found += [Path(error.filename) for error in unreadable]
    if not found:
        raise AudioError(f"{folder}: {_why_none(folder)}")
    return sorted(found)
