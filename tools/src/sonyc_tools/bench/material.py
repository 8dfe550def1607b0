"""What is measured on: the user's audio or the built-in scenes, with labels where there are any."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sonyc_contract.audio import Audio, FloatArray, read_audio, resample
from sonyc_contract.labels import LABELS
from sonyc_tools.bench.scenes import CLIP_S, N_SCENES, RATE_HZ, built_in_scenes
from sonyc_tools.errors import BenchError

AUDIO_SUFFIXES: Final = frozenset({".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"})
TIMED_S: Final = CLIP_S * N_SCENES
"""So much of the user's audio is timed on, however much there is."""


@dataclass(frozen=True)
class LabelledFile:
    """A piece of a recording, of one class in the taxonomy's terms.

    Attributes:
        path: The file.
        label: Its class.
        source: The recording that it is a piece of; where nobody says, its own path.
    """

    path: Path
    label: str
    source: str


@dataclass(frozen=True)
class Material:
    """What is measured on.

    Attributes:
        name: Where it comes from, for a person.
        long: float32 [n_samples] at 48 kHz, a minute; costs are measured on it.
        labelled: Recordings whose class is known; accuracy is measured on them.
        n_files: How many files there were; 0 for the built-in scenes.
    """

    name: str
    long: FloatArray
    labelled: tuple[LabelledFile, ...] = ()
    n_files: int = 0

    @property
    def clips(self) -> list[FloatArray]:
        """`long` in clips of 10 s."""
        n_clip = round(CLIP_S * RATE_HZ)
        return [self.long[start : start + n_clip] for start in range(0, len(self.long) - n_clip + 1, n_clip)]


def gather(source: Path | None) -> Material:
    """Take the built-in scenes, or a folder of audio, a folder per class, or a CSV of `file,label[,source]`.

    Raises:
        BenchError: there is no audio, a CSV without its columns, or a class that is none of SONYC's.
        AudioError: a file that is timed on is not usable audio.
    """
    if source is None:
        return Material("built-in scenes", built_in_scenes())
    if source.is_dir():
        files, labelled = _of_folder(source)
    elif source.is_file():
        labelled = _of_csv(source)
        files = [one.path for one in labelled]
    else:
        raise BenchError(f"{source}: no such file or folder; give a folder of audio, or a CSV with columns file,label")
    if not files:
        raise BenchError(f"{source}: holds no audio ({', '.join(sorted(AUDIO_SUFFIXES))})")
    return Material(str(source), _long(files), tuple(labelled), len(files))


def _of_folder(folder: Path) -> tuple[list[Path], list[LabelledFile]]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())
    classes = {path.relative_to(folder).parts[0] if path.parent != folder else "" for path in files}
    if not classes & set(LABELS):
        return files, []
    if wrong := sorted(classes - set(LABELS)):
        raise BenchError(
            f"{folder}: {wrong[0] or 'a file beside the folders'!r} is no class of SONYC's ({', '.join(LABELS)}): "
            "rename the folder, or move it elsewhere"
        )
    return files, [LabelledFile(path, path.relative_to(folder).parts[0], str(path)) for path in files]


def _of_csv(path: Path) -> list[LabelledFile]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if missing := [name for name in ("file", "label") if name not in (rows.fieldnames or ())]:
                raise BenchError(f"{path}: has no column {missing[0]!r}; its first line must name file and label")
            return [_labelled(path, number, row) for number, row in enumerate(rows, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path}: not a CSV file: {error}") from error


def _labelled(path: Path, number: int, row: dict[str, str]) -> LabelledFile:
    if row["label"] not in LABELS:
        raise BenchError(f"{path}, line {number}: label {row['label']!r} is none of {', '.join(LABELS)}")
    return LabelledFile(path.parent / row["file"], row["label"], row.get("source") or row["file"])


def _long(files: Sequence[Path]) -> FloatArray:
    """Join pieces of files from all over the list to a minute; less audio than that is repeated."""
    pieces: list[FloatArray] = []
    n_wanted = round(TIMED_S * RATE_HZ)
    for audio in _spread(files):
        pieces.append(resample(audio.samples, audio.rate_hz, RATE_HZ)[: round(CLIP_S * RATE_HZ)])
        if sum(map(len, pieces)) >= n_wanted:
            break
    return np.resize(np.concatenate(pieces), n_wanted)


def _spread(files: Sequence[Path]) -> Iterator[Audio]:
    """Read files, the first ones far from each other in the list."""
    step = max(1, len(files) // N_SCENES)
    for first in range(step):
        yield from (read_audio(path) for path in files[first::step])
