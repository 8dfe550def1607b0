"""`run.json`: what a study was run with, what came out, and how long it took."""

import json
import os
import platform
from importlib import metadata
from typing import Any, Final

from sonyc_contract.files import sha256_hex, write_whole
from sonyc_trainer import __version__
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage

_PACKAGES: Final = (
    *("sonyc-device", "sonyc-tools", "numpy", "scipy", "soxr", "soundfile", "pedalboard", "tensorflow"),
    *("ai-edge-litert", "tflite-runtime", "scikit-learn", "pandas", "pyarrow", "openl3", "dask"),
)
_DIGESTED: Final = ("*.tflite", "*.bundle", "*.parquet", "*.csv", "heads.json", "statistics.json")
_STAGES: Final = (Stage.SELECT, Stage.PRETRAIN, Stage.EMBED, Stage.TRAIN, Stage.EVALUATE, Stage.EXPORT, Stage.BUNDLE)


def write_run_record(folder: StudyFolder) -> None:
    """Write `run.json`; it holds times and versions, so it differs from run to run."""
    write_whole(folder.run_record, (json.dumps(run_record(folder), indent=1) + "\n").encode())


def run_record(folder: StudyFolder) -> dict[str, Any]:
    """Give versions, seeds, digests of results by their path in the folder, and durations of finished stages."""
    study = folder.study
    return {
        "study": study.name,
        "seed": study.seed,
        "n_seeds": study.train.seeds,
        "versions": {"sonyc-trainer": __version__, "python": platform.python_version(), **_versions()},
        "machine": {"system": platform.system(), "architecture": platform.machine(), "n_cores": os.cpu_count()},
        "settings": study.model_dump(mode="json"),
        "keys": {stage.value: folder.key(stage) for stage in Stage if folder.is_done(stage)},
        "digests": _digests(folder),
        "durations_s": {stage.value: folder.duration_s(stage) for stage in Stage if folder.is_done(stage)},
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _digests(folder: StudyFolder) -> dict[str, str]:
    paths = [path for stage in _STAGES for pattern in _DIGESTED for path in sorted(folder.of(stage).glob(pattern))]
    return {str(path.relative_to(folder.root)): sha256_hex(path.read_bytes()) for path in paths}
