"""Stage `compress`: every trimmed clip at every level of the study, through the codec that the nodes use."""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from sonyc_contract.codec import decode, encode
from sonyc_contract.errors import CodecError
from sonyc_contract.levels import Level
from sonyc_trainer.context import StageContext
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import write_csv
from sonyc_trainer.shards import Row, Shard, file_name, make_shards, read_rows, run_missing, whole_folder, write_rows
from sonyc_trainer.stages import Stage
from sonyc_trainer.tables import CODED, TRIMMED, read_clip, read_table, rows_of, write_table

if TYPE_CHECKING:
    import pandas as pd

    from sonyc_contract.audio import FloatArray

_KEPT_COLUMNS = ("clip_id", "labels", "group", "split")

TIMINGS: Final = ("level", "duration_s", "encode_ms_per_s", "decode_ms_per_s")
"""A row per level, of this machine's thread time; beside the tables, which are the same on every run."""


def run(folder: StudyFolder, context: StageContext) -> None:
    """Code every trimmed clip at every level of the study.

    Raises:
        CodecError: what comes out of the codec is not as long as what went in.
        StageError: the trimmed clips are missing.
    """
    import pandas as pd

    table = read_table(folder.trimmed, TRIMMED)
    shards = make_shards(folder.of(Stage.COMPRESS), rows_of(table, (*_KEPT_COLUMNS, "file")))
    levels = folder.study.compress.levels
    work = partial(compress_shard, source=folder.trimmed.parent, levels=levels)
    run_missing(shards, work, context, description=f"compress at {len(levels)} levels")
    rows = pd.DataFrame(read_rows(shards))
    for level in levels:
        write_table(folder.coded(level), rows[rows["level"] == level.value], CODED)
    write_csv(folder.timings, [_timing(rows[rows["level"] == level.value], level) for level in levels], TIMINGS)


def compress_shard(shard: Shard[Row], *, source: Path, levels: tuple[Level, ...]) -> int:
    """Code the clips of a shard into its folder, a folder per level in it; returns how many clips there were."""
    with whole_folder(shard.folder) as part:
        for level in levels:
            (part / level).mkdir()
        rows: list[Row] = []
        for position, item in enumerate(shard.items):
            samples, rate_hz = read_clip(source / item["file"])
            for level in levels:
                name = f"{level}/{file_name(position, item['clip_id'], level.suffix)}"
                row = _code(samples, rate_hz, level, part / name)
                kept = {column: item[column] for column in _KEPT_COLUMNS}
                rows.append({**kept, **row, "file": f"{shard.folder.name}/{name}"})
        write_rows(part, rows)
    return len(shard.items)


def _timing(rows: "pd.DataFrame", level: Level) -> tuple[object, ...]:
    duration_s = float(rows["duration_s"].sum())
    return level.value, duration_s, *(float(rows[name].sum()) / duration_s for name in ("encode_ms", "decode_ms"))


def _code(samples: "FloatArray", rate_hz: int, level: Level, path: Path) -> Row:
    started = time.thread_time()
    data = encode(samples, rate_hz, level=level)
    encoded = time.thread_time()
    decoded, _ = decode(data)
    ended = time.thread_time()
    if len(decoded) != len(samples) or not np.isfinite(decoded).all():
        raise CodecError(f"{path.name}: {len(samples)} samples went into {level}, {len(decoded)} came out")
    path.write_bytes(data)
    return {
        "level": level.value,
        "n_bytes": len(data),
        "duration_s": len(samples) / rate_hz,
        "encode_ms": 1e3 * (encoded - started),
        "decode_ms": 1e3 * (ended - encoded),
    }
