"""Embeddings judged by `sonyc-trainer yardstick`, as a process: logistic regression, folds left out, bootstrap."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sonyc_contract.files import sha256_hex
from sonyc_tools.bench.material import LabelledFile
from sonyc_tools.bench.peers import Peer
from sonyc_tools.bench.settings import Judging
from sonyc_tools.errors import BenchError
from sonyc_tools.programs import read_program

N_FOLDS: Final = 3
REFERENCE: Final = "yamnet"
LOG_MEL: Final = "log-mel"
LEVEL: Final = "pcm"

_DATASET = "labelled"
_OURS = "compact"


@dataclass(frozen=True)
class Judgement:
    """Macro-F1 of an embedding, with its 95 % interval, and its difference to that of `reference`."""

    embedding: str
    level: str
    n_clips: int
    macro_f1: tuple[float, float, float]
    difference: tuple[float, float, float] | None
    reference: str = REFERENCE


def judge(judging: Judging, peers: Sequence[Peer], ours: Path, files: Sequence[LabelledFile]) -> list[Judgement]:
    """Judge the peers' embeddings and, on the user's own recordings, ours.

    Args:
        judging: The study, or how to make one of `files`.
        peers: Whose files are named to it.
        ours: A bundle.
        files: Recordings of known class, for a study of ours.

    Raises:
        ProcessError: sonyc-trainer is not installed, or ended with an error.
        BenchError: too few recordings of a class for three folds.
    """
    models = {peer.embedding: peer for peer in peers if peer.embedding and peer.path is not None}
    named = {name: peer.path for name, peer in models.items() if peer.path is not None and _is_named(judging, peer)}
    files_of = named | ({} if judging.study else {_OURS: ours}) | judging.models
    with _study(judging, models, files) as (study, datasets):
        options: list[str | Path] = ["yardstick", study, "--json", "--out", study.parent / "yardstick"]
        for option, given in (("--data", datasets), ("--model", files_of)):
            for name, path in given.items():
                options += [option, f"{name}={path.resolve()}"]
        for joined in judging.by_fold:
            options += ["--by-fold", joined]
        if judging.cache is not None:
            options += ["--cache", judging.cache.resolve()]
        reference = REFERENCE if REFERENCE in files_of else LOG_MEL
        options += ["--reference", reference]
        document = json.loads(read_program("sonyc-trainer", options).splitlines()[-1])
    return [_judgement(row, reference) for row in document["results"]]


def fold_of(files: Sequence[LabelledFile]) -> dict[str, int]:
    """Deal recordings out to the folds, class by class, the same way each time: fold, from 1, by recording.

    Raises:
        BenchError: a class has fewer recordings than there are folds.
    """
    folds: dict[str, int] = {}
    for label in dict.fromkeys(file.label for file in files):
        sources = sorted(
            {file.source for file in files if file.label == label}, key=lambda one: sha256_hex(one.encode())
        )
        if len(sources) < N_FOLDS:
            raise BenchError(f"class {label!r} has {len(sources)} recordings; {N_FOLDS} are needed, one per fold")
        for index, source in enumerate(sources):
            folds.setdefault(source, 1 + index % N_FOLDS)
    return folds


@contextmanager
def _study(
    judging: Judging, models: Mapping[str, Peer], files: Sequence[LabelledFile]
) -> Iterator[tuple[Path, Mapping[str, Path]]]:
    with TemporaryDirectory(prefix="sonyc-bench-") as name:
        folder = Path(name)
        study = folder / "yardstick.toml"
        if judging.study is not None:
            study.write_bytes(_read(judging.study))
            yield study, judging.datasets
            return
        _link(folder / _DATASET, files)
        study.write_text(study_toml({name: _form(peer) for name, peer in models.items()}))
        yield study, {_DATASET: folder / _DATASET}


def _is_named(judging: Judging, peer: Peer) -> bool:
    """Whether a peer's file is named to the study: a given one knows kinds as they are published, ours every file."""
    return judging.study is None or peer.embedding == _form(peer)


def _form(peer: Peer) -> str:
    """Say which of `_EMBEDDINGS` a file is: SEA may come as its published weights, or converted already."""
    is_converted = peer.path is not None and peer.path.suffix == ".tflite"
    return "edgel3-sea-converted" if peer.kind == "edgel3-sea" and is_converted else peer.kind


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror or error}") from error


def _link(folder: Path, files: Sequence[LabelledFile]) -> None:
    """Lay links to the files into a folder per class, named `<fold>-<recording>-<piece>`, which the study reads."""
    folds = fold_of(files)
    numbers = {source: number for number, source in enumerate(folds)}
    for index, file in enumerate(files):
        (folder / file.label).mkdir(parents=True, exist_ok=True)
        name = f"{folds[file.source]}-{numbers[file.source]}-{index}{file.path.suffix.lower()}"
        (folder / file.label / name).symlink_to(file.path.resolve())


def study_toml(kinds: Mapping[str, str]) -> str:
    """Write the study: log-mel statistics, and a variant per embedding, by name and kind."""
    of = {**kinds, _OURS: _OURS}
    compared = "".join(_COMPARE.format(name=name, embedding=_EMBEDDINGS[kind]) for name, kind in of.items())
    return _STUDY.format(dataset=_DATASET, level=LEVEL) + compared


_STUDY: Final = r"""name = "bench"
seed = 1

[[dataset]]
name = "{dataset}"
format = "class-folders"
file_pattern = '^(?P<fold>\d)-(?P<source>\d+)-'

[split]
mode = "grouped"
test_fraction = 0.0

[trim]
mode = "loudest"
keep_s = 4.0
fill = "zeros"

[compress]
storage_rate_hz = 48000
levels = ["{level}"]

[train]
levels = ["{level}"]

[embedding]
kind = "log-mel"
"""
_COMPARE: Final = """
[[compare]]
name = "{name}"
optional = true
embedding = {embedding}
"""
_EMBEDDINGS: Final = {
    "yamnet": '{ kind = "tflite:yamnet.tflite" }',
    "edgel3-sea": '{ kind = "edgel3-sea" }',
    "edgel3-sea-converted": '{ kind = "tflite:sea.tflite", frontend = "edgel3-sea", window_s = 1.0 }',
    "sonyc": '{ kind = "tflite:sonyc.tflite", frontend = "sonyc-compat", window_s = 1.0, hop_s = 1.0 }',
    "compact": '{ kind = "compact", weights = "compact.bundle" }',
}


def _judgement(row: Mapping[str, Any], reference: str) -> Judgement:
    difference = row["differences"].get("trained") if row["embedding"] != reference else None
    return Judgement(
        embedding=row["embedding"],
        level=row["level"],
        n_clips=row["n_clips"],
        macro_f1=_interval(row["macro_f1"]),
        difference=None if difference is None else _interval(difference),
        reference=reference,
    )


def _interval(estimate: Mapping[str, float]) -> tuple[float, float, float]:
    return estimate["value"], estimate["low"], estimate["high"]
