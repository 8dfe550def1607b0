"""List, split and shard a manifest of many clips in a process of its own; prints counts and peak memory as JSON."""

import csv
import json
import pickle
import sys
from pathlib import Path

from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import stage_module
from sonyc_trainer.shards import make_shards
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import Study
from sonyc_trainer.tables import SELECTION, read_table, rows_of
from support.small_datasets import URBANSOUND8K_COLUMNS, write_noise
from support.stage_runs import QUIET

CLASSES = ("dog_bark", "siren", "street_music", "drilling", "engine_idling", "children_playing")
N_PER_SOURCE = 8
N_LINKS = 30_000  # of one file; ext4 allows 65,000


def write_manifest(folder: Path, n_clips: int) -> Path:
    """Write UrbanSound8K's metadata and audio files, which are hard links to a few."""
    (folder / "metadata").mkdir(parents=True)
    for fold in range(1, 11):
        (folder / "audio" / f"fold{fold}").mkdir(parents=True)
    with (folder / "metadata" / "UrbanSound8K.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(URBANSOUND8K_COLUMNS)
        for number in range(n_clips):
            source = number // N_PER_SOURCE
            name, fold, class_name = f"{source}-{number}.wav", 1 + source % 10, CLASSES[source % len(CLASSES)]
            writer.writerow([name, source, 0.0, 4.0, 1, fold, 0, class_name])
            path = folder / "audio" / f"fold{fold}" / name
            if number % N_LINKS == 0:
                write_noise(path, seed=number)
                original = path
            else:
                path.hardlink_to(original)
    return folder


def shard_manifest(audio: Path, out: Path) -> dict[str, int]:
    """Run the stages that see all clips, and cut the work of the next one."""
    study = Study.model_validate(
        {"name": "large", "dataset": [{"name": "d", "format": "urbansound8k", "path": str(audio)}]}
    )
    folder = StudyFolder(out, study)
    for stage in (Stage.DATASET, Stage.SELECT):
        folder.begin(stage)
        stage_module(stage).run(folder, QUIET)
        folder.finish(stage, duration_s=0)
    rows = rows_of(read_table(folder.selection, SELECTION), SELECTION)
    shards = make_shards(folder.of(Stage.TRIM), rows)
    return {
        "n_clips": sum(len(shard.items) for shard in shards),
        "n_shards": len(shards),
        "n_splits": len({row["split"] for row in rows}),
        "largest_shard_bytes": max(len(pickle.dumps(shard)) for shard in shards),
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> int:
    """Peak of this program alone: `ru_maxrss` would begin with that of the process which started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1000


if __name__ == "__main__":
    json.dump(shard_manifest(Path(sys.argv[1]), Path(sys.argv[2])), sys.stdout)
