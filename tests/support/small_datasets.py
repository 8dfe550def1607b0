"""Small datasets in the formats that studies read, with the columns that the real ones have."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from sonyc_contract.labels import LABELS
from sonyc_trainer.study import DatasetFormat, DatasetSettings, Study

COARSE = [f"{number}_{label}" for number, label in enumerate(LABELS, start=1)]
N_FINE = 29
V1_FIRST = ["split", "sensor_id", "audio_filename", "annotator_id"]
V2_FIRST = [*V1_FIRST, "borough", "block", "latitude", "longitude", "year", "week", "day", "hour"]
URBANSOUND8K_COLUMNS = ["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"]


@dataclass
class Annotation:
    """A row of annotations.csv: who says that which classes are present."""

    file: str
    present: Sequence[str] = ()
    annotator: str = "0"
    sensor: str = "1"
    cells: Mapping[str, str] = field(default_factory=dict)
    """Columns whose text differs from what the rest of this says."""


def write_noise(path: Path, *, seed: int = 0, duration_s: float = 0.01, rate_hz: int = 8000) -> None:
    """Write a little audio, in whatever format the name's ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    n_samples = max(round(duration_s * rate_hz), 1)
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.1, 0.1, n_samples), rate_hz)


def sonyc_columns(version: str) -> list[str]:
    """Columns of annotations.csv; the fine classes are numbered only, because nothing here reads them."""
    fine = [f"{1 + n % 8}-{1 + n // 8}_fine-{n}" for n in range(N_FINE)]
    first = V1_FIRST if version == "v1" else V2_FIRST
    presence = [f"{key}_presence" for key in fine]
    return [*first, *presence, *(f"{key}_proximity" for key in fine), *(f"{key}_presence" for key in COARSE)]


def write_sonyc_ust(
    folder: Path, annotations: Iterable[Annotation], *, version: str = "v2.3", columns: Sequence[str] | None = None
) -> Path:
    """Write annotations.csv and, for every file in it, a little audio; V1 has its presences as floats."""
    annotations = list(annotations)
    columns = list(columns or sonyc_columns(version))
    suffix = ".0" if version == "v1" else ""
    for name in {annotation.file for annotation in annotations}:
        write_noise(folder / "audio" / name)
    with (folder / "annotations.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for annotation in annotations:
            fine = {key: f"-1{suffix}" if key.endswith("presence") else "notvisible" for key in columns}
            coarse = {
                f"{key}_presence": f"{int(label in annotation.present)}{suffix}"
                for key, label in zip(COARSE, LABELS, strict=True)
            }
            row = {
                **fine,
                "split": "train",
                "sensor_id": annotation.sensor,
                "audio_filename": annotation.file,
                "annotator_id": annotation.annotator,
                **coarse,
                **annotation.cells,
            }
            writer.writerow(row)
    return folder


def write_urbansound8k(
    folder: Path, rows: Iterable[tuple[str, int, int, str]], *, with_audio: bool = True, further: bool = False
) -> Path:
    """Write the metadata of clips (file name, fsID, fold, class), and a little audio for each.

    `further` ones are of the table and the folder that some copies have beside the usual ones.
    """
    (folder / "metadata").mkdir(parents=True, exist_ok=True)
    table, audio = ("UrbanSound8K-extra.csv", "extra") if further else ("UrbanSound8K.csv", "audio")
    with (folder / "metadata" / table).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(URBANSOUND8K_COLUMNS)
        for name, source, fold, class_name in rows:
            writer.writerow([name, source, 0.0, 4.0, 1, fold, 0, class_name])
            if with_audio:
                write_noise(folder / audio / f"fold{fold}" / name)
    return folder


def write_class_folders(folder: Path, files: Iterable[str]) -> Path:
    """Write a little audio at each of these paths, such as `dog/1-23-A.ogg`."""
    for name in files:
        write_noise(folder / name)
    return folder


def settings_of(dataset_format: DatasetFormat, path: Path, **options: object) -> DatasetSettings:
    """Settings of a dataset named `d` in this folder."""
    return DatasetSettings.model_validate({"name": "d", "format": dataset_format, "path": path, **options})


def burst_study(folder: Path, *, n_groups: int = 6, n_clips: int = 2, **tables: object) -> Study:
    """A study over a made folder per class: `n_groups` recordings of `n_clips` clips of 1.5 s for each of two classes.

    A clip is faint noise with a loud burst of 0.5 s, at another place in each.
    """
    for label, hz in (("dog", 900.0), ("music", 300.0)):
        for group in range(n_groups):
            for clip in range(n_clips):
                write_burst(folder / label / f"{group}-{clip}.wav", hz=hz, start_s=0.1 * group, seed=group * 10 + clip)
    dataset = settings_of(
        DatasetFormat.CLASS_FOLDERS, folder, file_pattern=r"^(?P<source>\d+)-", sources=None, classes={}
    ).model_dump()
    return Study.model_validate(
        {
            "name": "small",
            "dataset": [dataset],
            "trim": {"keep_s": 0.5},
            "compress": {"storage_rate_hz": 16000, "levels": ["pcm", "v5", "v9"]},
            "train": {"levels": ["pcm"]},
            **tables,
        }
    )


def write_burst(
    path: Path, *, hz: float = 900.0, start_s: float = 0.5, duration_s: float = 1.5, rate_hz: int = 16000, seed: int = 0
) -> None:
    """Write faint noise with a loud tone of 0.5 s in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    is_burst = (time_s >= start_s) & (time_s < start_s + 0.5)
    noise = 0.001 * np.random.default_rng(seed).standard_normal(len(time_s))
    soundfile.write(path, noise + 0.5 * is_burst * np.sin(2 * np.pi * hz * time_s), rate_hz)
