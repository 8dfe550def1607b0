"""Embeddings judged by `sonyc-trainer yardstick`, as a process: logistic regression, folds left out, bootstrap."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sonyc_contract.files import sha256_hex
from sonyc_contract.labels import N_LABELS
from sonyc_tools.bench.material import LabelledFile
from sonyc_tools.bench.peers import Peer
from sonyc_tools.bench.settings import Judging
from sonyc_tools.errors import BenchError
from sonyc_tools.programs import read_program

N_FOLDS: Final = 3
REFERENCE: Final = "yamnet"
LEVEL: Final = "pcm"

_DATASET = "labelled"


@dataclass(frozen=True)
class Judgement:
    """Macro-F1 of an embedding, with its 95 % interval, and its difference to YAMNet's where there is one."""

    embedding: str
    level: str
    n_clips: int
    macro_f1: tuple[float, float, float]
    difference: tuple[float, float, float] | None


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
    models = {kind: path for kind, path in _models(peers).items() if kind not in judging.models} | judging.models
    with _study(judging, models, ours, files) as (study, datasets):
        options: list[str | Path] = ["yardstick", study, "--json", "--out", study.parent / "yardstick"]
        for option, named in (("--data", datasets), ("--model", models)):
            for name, path in named.items():
                options += [option, f"{name}={path.resolve()}"]
        if judging.cache is not None:
            options += ["--cache", judging.cache]
        if REFERENCE not in models:
            options += ["--reference", "log-mel"]
        document = json.loads(read_program("sonyc-trainer", options).splitlines()[-1])
    return [_judgement(row) for row in document["results"]]


@contextmanager
def _study(
    judging: Judging, models: dict[str, Path], ours: Path, files: Sequence[LabelledFile]
) -> Iterator[tuple[Path, Mapping[str, Path]]]:
    with TemporaryDirectory(prefix="sonyc-bench-") as name:
        folder = Path(name)
        study = folder / "yardstick.toml"
        if judging.study is not None:
            study.write_bytes(judging.study.read_bytes())
            yield study, judging.datasets
            return
        models.setdefault("compact", ours)
        _link(folder / _DATASET, files)
        study.write_text(_study_toml(models))
        yield study, {_DATASET: folder / _DATASET}


def _models(peers: Sequence[Peer]) -> dict[str, Path]:
    """Give one file per kind; of several the first, whose embeddings are the same."""
    found: dict[str, Path] = {}
    for peer in peers:
        if peer.path is not None and peer.n_dimensions > N_LABELS:  # else it gives classes, and no embedding
            found.setdefault(peer.kind, peer.path)
    return found


def _link(folder: Path, files: Sequence[LabelledFile]) -> None:
    """Lay links to the recordings into a folder per class, named `<fold>-<recording>`, which the study reads."""
    by_class: dict[str, list[LabelledFile]] = {}
    for file in files:
        by_class.setdefault(file.label, []).append(file)
    for label, of_class in by_class.items():
        if len(of_class) < N_FOLDS:
            raise BenchError(f"class {label!r} has {len(of_class)} recordings; {N_FOLDS} are needed, one per fold")
        (folder / label).mkdir(parents=True)
        for index, file in enumerate(sorted(of_class, key=lambda one: sha256_hex(one.path.name.encode()))):
            target = folder / label / f"{1 + index % N_FOLDS}-{index}{file.path.suffix.lower()}"
            target.symlink_to(file.path.resolve())


def _study_toml(models: Mapping[str, Path]) -> str:
    compared = "".join(
        _COMPARE.format(name=name, embedding=_EMBEDDINGS[name]) for name in models if name in _EMBEDDINGS
    )
    return _STUDY.format(dataset=_DATASET, level=LEVEL) + compared


_STUDY: Final = r"""name = "bench"
seed = 1

[[dataset]]
name = "{dataset}"
format = "class-folders"
file_pattern = '^(?P<fold>\d)-'

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
    "sonyc": '{ kind = "tflite:sonyc.tflite", frontend = "sonyc-compat", window_s = 1.0, hop_s = 1.0 }',
    "compact": '{ kind = "compact", weights = "compact.bundle" }',
}


def _judgement(row: Mapping[str, Any]) -> Judgement:
    difference = next(
        (one for kind, one in row["differences"].items() if kind == "trained" and row["embedding"] != REFERENCE), None
    )
    return Judgement(
        embedding=row["embedding"],
        level=row["level"],
        n_clips=row["n_clips"],
        macro_f1=_interval(row["macro_f1"]),
        difference=None if difference is None else _interval(difference),
    )


def _interval(estimate: Mapping[str, float]) -> tuple[float, float, float]:
    return estimate["value"], estimate["low"], estimate["high"]
