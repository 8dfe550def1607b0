"""Clips per second of every stage over synthetic scenes, how busy the cores were, and OpenL3 against its own package.

    make bench-trainer [CLIPS=60]

OpenL3 runs with random weights: its speed does not depend on them. Both sides embed the same clips at 48 kHz with the
same hop: the trainer as its stage does, from starting its processes to the finished table; the package one clip after
the other with all its threads and its model loaded before, which favours it.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from sonyc_contract.audio import read_audio
from sonyc_contract.levels import Level
from sonyc_trainer.context import StageContext
from sonyc_trainer.datasets.generated import write_scenes
from sonyc_trainer.embeddings.embedding import load_embedding
from sonyc_trainer.embeddings.vectors import read_vectors
from sonyc_trainer.execution import n_cores, process_pool, run_one
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import stage_module
from sonyc_trainer.quiet import NOWHERE, output_to
from sonyc_trainer.scenes import scenes_config
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import Study
from sonyc_trainer.tables import SELECTION, TRIMMED, read_table
from support.openl3_weights import write_openl3_weights
from support.stage_runs import Quiet

HOP_S = 1.0


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60, help="scenes of 10 s (default: 60)")
    parser.add_argument("--openl3-clips", type=int, default=30, help="scenes for OpenL3 (default: 30)")
    arguments = parser.parse_args()
    context = StageContext(progress=Quiet())
    _say(f"load average before: {os.getloadavg()[0]:.1f}; beside other work these figures mean little")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        root = Path(name)
        write_scenes(root / "scenes", scenes_config(n_clips=arguments.clips, n_sensors=6, seed=1), context)
        bench_stages(root, context)
        bench_openl3(root, context, arguments.openl3_clips)


def bench_stages(root: Path, context: StageContext) -> None:
    """Run a study with `compact` to its end, stage by stage."""
    pretrain = {"epochs": 5, "n_channels": 8}
    folder = StudyFolder(root / "compact", _study(root, "compact", pretrain=pretrain, export=_LENIENT))
    _say(f"{n_cores()} cores, {'stage':<14}{'seconds':>9}{'clips/s':>9}{'cores busy':>12}")
    for stage in Stage:
        n_seconds, busy = _run(folder, stage, context)
        n_clips = len(read_table(folder.selection, SELECTION)) if folder.is_done(Stage.SELECT) else 0
        rate = f"{n_clips / n_seconds:9.1f}" if n_clips else f"{'':>9}"
        _say(f"{'':<9}{stage:<14}{n_seconds:9.1f}{rate}{100 * busy:10.0f} %")


def bench_openl3(root: Path, context: StageContext, n_clips: int) -> None:
    """Embed the same clips with the trainer's stage and with the package."""
    with process_pool(1) as pool:
        weights = run_one(pool, write_openl3_weights, root / "openl3_audio_mel256_env.h5")
    embedding = {"kind": "openl3", "weights": str(weights), "hop_s": HOP_S}
    study = _study(root, "openl3", n_clips=n_clips, embedding=embedding, **_ONLY_PCM)
    folder = StudyFolder(root / "openl3", study)
    for stage in (Stage.DATASET, Stage.SELECT, Stage.TRIM, Stage.COMPRESS, Stage.PRETRAIN):
        _run(folder, stage, context)
    ours_s, busy = _run(folder, Stage.EMBED, context)
    table = read_table(folder.trimmed, TRIMMED)
    paths = [folder.of(Stage.TRIM) / file for file in table["file"]]
    # Not our own pool, whose workers have one thread each.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as own_process:
        vectors, theirs_s, theirs_cpu_s = own_process.submit(package_embeddings, weights, paths).result()
    found = read_vectors(folder.embeddings(Level.PCM), embedding_id=load_embedding(folder.embedding_model).id)
    by_clip = dict(zip(found.clips["clip_id"], found.per_clip(), strict=True))
    ours = np.concatenate([by_clip[clip_id] for clip_id in table["clip_id"]])
    difference = float(np.abs(ours - np.concatenate(vectors)).max() / np.abs(ours).max())
    n_s = len(ours) * HOP_S
    _say(f"OpenL3 mel256 512, hop {HOP_S:g} s, {len(paths)} clips, {n_s:.0f} s of sound, random weights:")
    ours_cpu_s = busy * ours_s * n_cores()
    _say(f"  trainer  {ours_s:6.1f} s, cores {100 * busy:.0f} % busy, {ours_cpu_s:6.1f} s of processor, start included")
    _say(f"  package  {theirs_s:6.1f} s, {theirs_cpu_s:6.1f} s of processor, its model loaded before")
    _say(f"  {theirs_s / ours_s:.2f} times its speed; largest difference {difference:.1e} of the largest value")


def package_embeddings(weights: Path, paths: Sequence[Path]) -> tuple[list[Any], float, float]:
    """Embed clips as the package's users do; also gives seconds and processor seconds without its model's loading."""
    import warnings

    warnings.simplefilter("ignore")
    with output_to(NOWHERE):  # what TensorFlow says of drivers that are not there
        import openl3

        model = openl3.models.load_audio_embedding_model_from_path(str(weights), "mel256", 512)
    openl3.get_audio_embedding(np.ones(48_000), 48_000, model=model, center=False, hop_size=HOP_S, verbose=False)
    started, cpu_s = time.perf_counter(), time.process_time()
    vectors = []
    for path in paths:
        audio = read_audio(path)
        found, _ = openl3.get_audio_embedding(
            audio.samples, audio.rate_hz, model=model, center=False, hop_size=HOP_S, verbose=False
        )
        vectors.append(found)
    return vectors, time.perf_counter() - started, time.process_time() - cpu_s


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


_ONLY_PCM: dict[str, object] = {"compress": {"levels": ["pcm"]}, "train": {"levels": ["pcm"]}}
_LENIENT = {"name": "bench", "min_top1_agreement": 0.01, "max_probability_difference": 0.99, "golden_tolerance": 0.2}
"""Five epochs make no model that int8 could be held against."""


def _study(root: Path, name: str, *, n_clips: int | None = None, **tables: object) -> Study:
    scenes = root / "scenes"
    if n_clips is not None:
        scenes = root / f"scenes-{n_clips}"
        write_scenes(scenes, scenes_config(n_clips=n_clips, n_sensors=6, seed=1), StageContext(progress=Quiet()))
    defaults: dict[str, object] = {
        "name": name,
        "dataset": [{"name": "scenes", "format": "sonyc-ust", "path": str(scenes)}],
        "split": {"mode": "random"},
        "trim": {"mode": "whole", "keep_s": 10.0},
    }
    return Study.model_validate(defaults | tables)


def _run(folder: StudyFolder, stage: Stage, context: StageContext) -> tuple[float, float]:
    """Run a stage; returns seconds, and the share of all cores that this process and its workers kept busy."""
    folder.begin(stage)
    cpu_s, started = _cpu_s(), time.perf_counter()
    stage_module(stage).run(folder, context)
    n_seconds = time.perf_counter() - started
    folder.finish(stage, duration_s=n_seconds)
    return n_seconds, (_cpu_s() - cpu_s) / (n_seconds * n_cores())


def _cpu_s() -> float:
    """Processor time of this process and of all workers that have ended; a stage's have when it returns."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
