"""A study's folder: where every stage keeps its results, and how an interrupted study goes on."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sonyc_contract.bundle import head_member
from sonyc_contract.codec import encoder_version
from sonyc_contract.files import sha256_hex, write_whole
from sonyc_contract.levels import Level
from sonyc_contract.recognise import ANY_HEAD, HeadSpec
from sonyc_contract.settings import describe
from sonyc_trainer.datasets.listing import audio_below, files_digest
from sonyc_trainer.errors import StageError
from sonyc_trainer.stage_inputs import INPUTS, have_same_results, setting
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import DatasetFormat, Study

LAST_OF_VARIANTS: Final = Stage.EVALUATE
"""Variants are trained and tested, and no more."""

_UNFINISHED = ".*.part"
"""What `sonyc_contract.files` leaves of a file when it is killed while it writes."""

_VARIANTS = "compare"
_LOCK_FILE = ".lock"
_SETTINGS_FILE = "study.json"
_KEY_FILE = "key.json"
_DONE_FILE = "done.json"


@dataclass(frozen=True)
class StudyFolder:
    """The folder of one study; each stage writes only into its own part of it.

    Attributes:
        root: The folder.
        study: The settings that its contents belong to.
        shared: Of a variant, the stages whose results another folder holds already, and where.
    """

    root: Path
    study: Study
    shared: Mapping[Stage, Path] = field(default_factory=dict)

    @property
    def settings(self) -> Path:
        """The study's settings as they were run, for `open_folder`."""
        return self.root / _SETTINGS_FILE

    def of(self, stage: Stage) -> Path:
        """Folder of a stage's results."""
        return self.shared.get(stage) or self.root / f"{list(Stage).index(stage):02d}-{stage}"

    def variants(self) -> "dict[str, StudyFolder]":
        """Give the folders of the study's comparisons by name; each shares what the study or one before it has."""
        found: dict[str, StudyFolder] = {}
        for comparison in self.study.compare:
            study, others = self.study.variant(comparison), (self, *found.values())
            shared: dict[Stage, Path] = {
                stage: other.of(stage)
                for other in reversed(others)
                for stage in list(Stage)[: list(Stage).index(LAST_OF_VARIANTS) + 1]
                if have_same_results(study, other.study, stage) and (other.is_done(stage) or not other.is_left_out)
            }
            found[comparison.name] = StudyFolder(self.root / _VARIANTS / comparison.name, study, shared)
        return found

    @property
    def clips(self) -> Path:
        """Table of every listed clip."""
        return self.of(Stage.DATASET) / "clips.parquet"

    @property
    def selection(self) -> Path:
        """Table of the clips that are used, with class and split."""
        return self.of(Stage.SELECT) / "selection.parquet"

    @property
    def ledger(self) -> Path:
        """How many clips each rule of listing and selection dropped; `sonyc_trainer.ledger` adds later stages."""
        return self.of(Stage.SELECT) / "ledger.csv"

    @property
    def breakdown(self) -> Path:
        """Clips per class and split."""
        return self.of(Stage.SELECT) / "breakdown.csv"

    @property
    def fingerprint(self) -> Path:
        """Digest of what was listed; stages after `dataset` are stale where it differs."""
        return self.of(Stage.DATASET) / "fingerprint.txt"

    def listed(self) -> str | None:
        """Give the digest of what was listed; None where nothing was."""
        try:
            return self.fingerprint.read_text()
        except OSError:
            return None

    def dropped(self, stage: Stage) -> Path:
        """Table of the clips that a stage dropped, with rule and detail."""
        return self.of(stage) / "dropped.csv"

    def notes(self, stage: Stage) -> Path:
        """What a reader of the report must know of a stage, a line each."""
        return self.of(stage) / "notes.txt"

    @property
    def trimmed(self) -> Path:
        """Table of the trimmed clips; their FLAC files lie beside it."""
        return self.of(Stage.TRIM) / "trimmed.parquet"

    def coded(self, level: Level) -> Path:
        """Table of the clips at one level; their audio files lie in a folder beside it."""
        return self.of(Stage.COMPRESS) / f"{level}.parquet"

    @property
    def timings(self) -> Path:
        """How long coding took on this machine, by level."""
        return self.of(Stage.COMPRESS) / "timings.csv"

    @property
    def embedding_model(self) -> Path:
        """Folder of the embedding: its TFLite or Keras file, and `spec.json`."""
        return self.of(Stage.PRETRAIN)

    def embeddings(self, level: Level) -> Path:
        """Table of embeddings per window of the clips at one level."""
        return self.of(Stage.EMBED) / f"{level}.parquet"

    def head(self, name: str, seed: int = 0) -> Path:
        """Keras file of a head: a level's, or `any`; of the first seed by default, which goes into the bundle."""
        return self._of_head(f"head-{name}.keras", seed)

    def head_model(self, name: str, seed: int = 0) -> Path:
        """TFLite file of a head."""
        return self._of_head(head_member(name), seed)

    def head_record(self, name: str, seed: int = 0) -> Path:
        """How a head learned; written last, so that a head which has it is whole."""
        return self._of_head(f"head-{name}.json", seed)

    def head_curve(self, name: str, seed: int = 0) -> Path:
        """Training curve of a head."""
        return self._of_head(f"curve-{name}.csv", seed)

    def _of_head(self, name: str, seed: int) -> Path:
        path = self.of(Stage.TRAIN) / name
        return path if seed == 0 else path.with_stem(f"{path.stem}-s{seed}")

    @property
    def head_names(self) -> tuple[str, ...]:
        """The heads of the study: a level each, and `any`."""
        return (*self.study.train.levels, *([ANY_HEAD] if self.study.train.robust else []))

    def levels_served(self, name: str) -> tuple[Level, ...]:
        """The levels of the study at which a node uses a head; all, where each level has another."""
        levels, names = self.study.compress.levels, self.head_names
        served = [level for level in levels if level == name or (name == ANY_HEAD and level not in names)]
        return tuple(served) or levels

    @property
    def head_specs(self) -> Path:
        """Each head's calibration and thresholds, chosen on the validation clips."""
        return self.of(Stage.EVALUATE) / "heads.json"

    def read_head_specs(self) -> dict[str, HeadSpec]:
        """Read them by head.

        Raises:
            StageError: stage `evaluate` has not been run.
        """
        try:
            document = json.loads(self.head_specs.read_text())
        except OSError as error:
            raise StageError(f"{self.head_specs} is missing: run stage 'evaluate'") from error
        return {name: HeadSpec.model_validate(spec) for name, spec in document.items()}

    @property
    def left_out(self) -> Path:
        """Why a variant could not be run, where that is so."""
        return self.root / "left-out.txt"

    @property
    def is_left_out(self) -> bool:
        """Whether a variant could not be run; what it lacks it cannot share."""
        return self.left_out.is_file()

    @property
    def predictions(self) -> Path:
        """Table of probabilities per clip, head and tested level."""
        return self.of(Stage.EVALUATE) / "predictions.parquet"

    def exported(self, member: str) -> Path:
        """A TFLite file that was compared with Keras, by the name that it will have in the bundle."""
        return self.of(Stage.EXPORT) / member

    @property
    def agreement(self) -> Path:
        """How far the exported files agree with Keras, by runtime."""
        return self.of(Stage.EXPORT) / "agreement.json"

    @property
    def bundle(self) -> Path:
        """The finished bundle."""
        return self.of(Stage.BUNDLE) / f"{self.study.export.name}.bundle"

    def spectrogram(self, label: str) -> Path:
        """Table of decibels over time and frequency of a class's clip at every level."""
        return self.of(Stage.SPECTROGRAMS) / f"spectrogram-{label}.csv"

    @property
    def spectrogram_clips(self) -> Path:
        """The clip that stands for each class."""
        return self.of(Stage.SPECTROGRAMS) / "clips.csv"

    @property
    def cutoffs(self) -> Path:
        """Where each level cuts off."""
        return self.of(Stage.SPECTROGRAMS) / "cutoffs.csv"

    @property
    def costs(self) -> Path:
        """What every coding takes, and the macro-F1 that it leaves."""
        return self.of(Stage.COSTS) / "costs.csv"

    @property
    def cost_timings(self) -> Path:
        """Milliseconds of every coding on this machine."""
        return self.of(Stage.COSTS) / "timings.csv"

    @property
    def report(self) -> Path:
        """The report, at the top of the folder, where a reader looks for it."""
        return self.root / "report.html"

    @property
    def run_record(self) -> Path:
        """Versions, seeds, digests and durations, beside the report."""
        return self.root / "run.json"

    @property
    def summary(self) -> Path:
        """What the study found, for programs, beside the report."""
        return self.root / "summary.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second run out of the folder; the lock ends with the process, however that ends.

        Raises:
            StageError: another run is at work in it, or it would lie among the recordings.
            OSError: the folder cannot be made or written.
        """
        self._check_apart()
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / _LOCK_FILE).open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise StageError(
                    f"{self.root} is in use by process {lock.read().strip() or 'unknown'}: wait for it to end, or give "
                    "another folder with --out"
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def claim(self) -> None:
        """Write down whose folder it is: the results of another study would be deleted as stale.

        Raises:
            StageError: a study of another name was run in it.
        """
        other = _read_text(self.settings, "name")
        if other not in (None, self.study.name):
            raise StageError(
                f"{self.root} holds the study {other!r}, not {self.study.name!r}: give another folder with --out, or "
                "delete it"
            )
        _sweep([*self.root.glob(_UNFINISHED), *self.root.glob(f"figures/{_UNFINISHED}")])
        write_whole(self.settings, self.study.model_dump_json(indent=1).encode())

    def _check_apart(self) -> None:
        """Results among the folders of classes would be listed as recordings by the next run."""
        for dataset in self.study.dataset:
            path = dataset.path if dataset.format is DatasetFormat.CLASS_FOLDERS else None
            if path is not None and self.root.resolve().is_relative_to(path.resolve()):
                raise StageError(
                    f"{self.root} lies in the folder of dataset {dataset.name!r}, {path}, whose folders are "
                    "classes: give another folder with --out"
                )

    def key(self, stage: Stage) -> str:
        """Digest of everything that a stage's results depend on."""
        inputs = INPUTS[stage]
        document = {
            "stage": stage,
            "version": inputs.version,
            "settings": {name: setting(self.study, name) for name in inputs.settings},
            "after": [self.key(before) for before in inputs.after],
        }
        if stage is Stage.DATASET:
            document["clip_lists"] = [_digest(dataset.clips) for dataset in self.study.dataset]
        if Stage.DATASET in inputs.after:
            document["clips"] = self.listed()
        if stage is Stage.COMPRESS:
            document["encoder"] = encoder_version()
        if stage is Stage.COMPARE:
            document["variants"] = {
                name: variant.key(LAST_OF_VARIANTS) if variant.is_done(LAST_OF_VARIANTS) else None
                for name, variant in self.variants().items()
            }
        if stage is Stage.PRETRAIN:
            document["embedding_file"] = _digest(self.study.embedding.weights or self.study.embedding.model_path)
            if (distil := self.study.pretrain.distil) and distil.sounds:
                document["sounds"] = files_digest(audio_below(distil.sounds))
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()

    def is_done(self, stage: Stage) -> bool:
        """Whether a stage's results are whole and belong to the present settings."""
        return _read_text(self.of(stage) / _DONE_FILE, "key") == self.key(stage)

    def begin(self, stage: Stage) -> None:
        """Make a stage's folder ready: what an interrupted run of the same settings left stays, else it is emptied.

        Raises:
            StageError: a stage whose results this one reads has not been run.
        """
        for before in INPUTS[stage].after:
            if not self.is_done(before):
                raise StageError(
                    f"stage '{stage}' needs '{before}' first: run 'sonyc-trainer {before}', or 'run' for all"
                )
        folder = self.of(stage)
        if folder.exists() and _read_text(folder / _KEY_FILE, "key") != self.key(stage):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder.rglob(_UNFINISHED))
        write_whole(folder / _KEY_FILE, json.dumps({"key": self.key(stage)}).encode())

    def finish(self, stage: Stage, *, duration_s: float) -> None:
        """Mark a stage's results as whole."""
        record = {"key": self.key(stage), "duration_s": round(duration_s, 3)}
        write_whole(self.of(stage) / _DONE_FILE, json.dumps(record).encode())

    def duration_s(self, stage: Stage) -> float:
        """How long a finished stage took.

        Raises:
            StageError: it is not finished.
        """
        if not self.is_done(stage):
            raise StageError(f"stage '{stage}' is not finished in {self.root}")
        return float(json.loads((self.of(stage) / _DONE_FILE).read_text())["duration_s"])


def open_folder(root: Path) -> StudyFolder:
    """Open the folder of a study that was run before, or of one of its variants.

    Raises:
        StageError: no study was run in it, or by another version of the trainer.
    """
    try:
        study = Study.model_validate_json((root / _SETTINGS_FILE).read_text())
    except OSError as error:
        raise StageError(f"{root} is not the folder of a study: it has no {_SETTINGS_FILE}") from error
    except ValidationError as error:
        raise StageError(f"{root / _SETTINGS_FILE}: {describe(error)}; run the study again") from error
    folder, whole = StudyFolder(root, study), root.resolve()
    above = whole.parent.parent
    if whole.parent.name == _VARIANTS and (above / _SETTINGS_FILE).is_file():
        return open_folder(above).variants().get(whole.name, folder)
    return folder


def _sweep(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_file():
            path.unlink()


def _digest(path: Path | None) -> str | None:
    return sha256_hex(path.read_bytes()) if path is not None and path.is_file() else None


def _read_text(path: Path, name: str) -> str | None:
    try:
        return str(json.loads(path.read_text())[name])
    except (OSError, ValueError, KeyError, TypeError):
        return None
