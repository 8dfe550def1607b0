"""A study small enough for a test, run to its end in one process that has TensorFlow loaded."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from sonyc_trainer.context import StageContext
from sonyc_trainer.study import DatasetFormat, DatasetSettings, Study
from support.stage_runs import Quiet

RATE_HZ = 16_000
TONES_HZ = {"dog": 900.0, "music": 300.0, "engine": 2_400.0}
N_GROUPS, N_CLIPS = 8, 2


def small_study(audio: Path, **tables: object) -> Study:
    """A study of three classes, 48 clips of 2 s (two windows each), and a few epochs."""
    dataset = DatasetSettings(
        name="tones", format=DatasetFormat.CLASS_FOLDERS, path=audio, file_pattern=r"^(?P<source>\d+)-"
    )
    defaults: dict[str, object] = {
        "name": "small",
        "dataset": [dataset.model_dump()],
        "trim": {"mode": "whole", "keep_s": 2.0},
        "compress": {"storage_rate_hz": RATE_HZ, "levels": ["pcm", "v5", "v9"]},
        "pretrain": {"epochs": 20, "n_channels": 4, "n_dimensions": 16, "batch_size": 16},
        "train": {"levels": ["pcm", "v5"], "epochs": 60},
        "export": {"name": "small", "licence": "none", "sources": ["tones, made here"], "notes": ["for tests"]},
    }
    return Study.model_validate(defaults | tables)


def write_tones(folder: Path) -> Path:
    """Write the clips: a tone of the class, with overtones, in noise; another pitch and level in each recording."""
    times_s = np.arange(2 * RATE_HZ) / RATE_HZ
    for label, hz in TONES_HZ.items():
        (folder / label).mkdir(parents=True)
        for group in range(N_GROUPS):
            for clip in range(N_CLIPS):
                rng = np.random.default_rng([group, clip, round(hz)])
                pitch_hz = hz * rng.uniform(0.9, 1.1)
                tone = sum(np.sin(2 * np.pi * k * pitch_hz * times_s) / k for k in (1, 2, 3))
                samples = 0.1 * rng.uniform(0.3, 1.0) * tone + 0.01 * rng.standard_normal(len(times_s))
                soundfile.write(folder / label / f"{group}-{clip}.wav", samples, RATE_HZ)
    return folder


def in_pool(pool: Executor) -> StageContext:
    """Work in a pool that outlives the stages, so that TensorFlow is loaded once."""

    @contextmanager
    def the_pool() -> Iterator[Executor]:
        yield pool

    return StageContext(the_pool, Quiet())
