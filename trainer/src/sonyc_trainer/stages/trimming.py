"""Stage `trim`: the part of each clip that is learned from, at the study's storage rate, as 16-bit FLAC."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sonyc_contract.audio import from_int16, read_audio, to_int16
from sonyc_contract.codec import encode
from sonyc_contract.errors import AudioError
from sonyc_contract.levels import Level
from sonyc_trainer.context import StageContext
from sonyc_trainer.cutting import TrimPlan, trimmed
from sonyc_trainer.datasets.listing import Dropped
from sonyc_trainer.errors import StageError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import DROPPED, named, write_csv, write_notes
from sonyc_trainer.shards import Row, Shard, file_name, make_shards, read_rows, run_missing, whole_folder, write_rows
from sonyc_trainer.splitting import TRAIN
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import Fill, TrimMode, TrimSettings
from sonyc_trainer.tables import SELECTION, TRIMMED, read_table, rows_of, write_table

if TYPE_CHECKING:
    import pandas as pd

SILENT: Final = "silent"
UNREADABLE: Final = "unreadable"

_RULE = "rule"
_FILLED: Final = {
    Fill.NONE: "they stay so, and length may tell classes apart",
    Fill.ZEROS: "they are filled with zeros",
    Fill.LOOP: "they are repeated",
}


def run(folder: StudyFolder, context: StageContext) -> None:
    """Trim every selected clip; clips that are silent or cannot be read are dropped, and named in `dropped.csv`.

    Raises:
        StageError: no clip of a class is left to train on.
    """
    import pandas as pd

    selection = read_table(folder.selection, SELECTION)
    columns = ("clip_id", "path", "labels", "group", "split")
    shards = make_shards(folder.of(Stage.TRIM), rows_of(selection, columns))
    plan = TrimPlan(folder.study.trim, folder.study.compress.storage_rate_hz)
    run_missing(shards, partial(trim_shard, plan=plan), context, description="trim")
    rows = read_rows(shards)
    kept = [row for row in rows if _RULE not in row]
    dropped = [Dropped(row["clip_id"], row[_RULE], row["detail"]) for row in rows if _RULE in row]
    _check_left(selection, kept)
    write_csv(folder.dropped(Stage.TRIM), dropped, DROPPED)
    write_notes(folder.notes(Stage.TRIM), _notes(kept, folder.study.trim))
    write_table(folder.trimmed, pd.DataFrame(kept), TRIMMED)


def trim_shard(shard: Shard[Row], *, plan: TrimPlan) -> int:
    """Trim the clips of a shard into its folder; returns how many there were."""
    with whole_folder(shard.folder) as part:
        rows = [_trim_clip(item, position, part, shard.folder.name, plan) for position, item in enumerate(shard.items)]
        write_rows(part, rows)
    return len(rows)


def _check_left(selection: "pd.DataFrame", kept: list[Row]) -> None:
    left = {label for row in kept if row["split"] == TRAIN for label in row["labels"]}
    lost = {label for labels in selection.loc[selection["split"] == TRAIN, "labels"] for label in labels} - left
    if lost:
        raise StageError(
            f"no clip of class {min(lost)!r} is left to train on: all of them are silent or cannot be read; look at "
            "one of the files"
        )


def _notes(kept: list[Row], settings: TrimSettings) -> list[str]:
    notes, keep_s, n_short = [], f"{settings.keep_s:g} s", sum(row["short"] for row in kept)
    if settings.mode is TrimMode.LOUDEST and n_short < len(kept):
        notes.append(f"Clips are cut to their loudest {keep_s}: figures are of these, while a node hears whole clips.")
    if n_short:
        notes.append(f"{n_short} of {len(kept)} clips are shorter than {keep_s}: {_FILLED[settings.fill]}.")
    if cut := [row["clip_id"] for row in kept if row["cut"]]:
        notes.append(f"Files that were cut off, used as far as they go: {named(cut)}.")
    return notes


def _trim_clip(item: Row, position: int, part: Path, shard: str, plan: TrimPlan) -> Row:
    try:
        audio = read_audio(Path(item["path"]))
    except AudioError as error:
        return {"clip_id": item["clip_id"], _RULE: UNREADABLE, "detail": str(error)}
    samples, moment = trimmed(audio, plan)
    quantised = to_int16(samples)
    if not quantised.any():
        detail = f"{item['path']}: every sample is zero at 16 bits"
        return {"clip_id": item["clip_id"], _RULE: SILENT, "detail": detail}
    name = file_name(position, item["clip_id"], Level.PCM.suffix)
    (part / name).write_bytes(encode(from_int16(quantised), plan.rate_hz, level=Level.PCM))
    return {
        "clip_id": item["clip_id"],
        "labels": item["labels"],
        "group": item["group"],
        "split": item["split"],
        "file": f"{shard}/{name}",
        "start_s": moment.start / plan.rate_hz,
        "duration_s": len(quantised) / plan.rate_hz,
        "snr_db": moment.snr_db,
        "short": moment.n_samples < round(plan.settings.keep_s * plan.rate_hz),
        "cut": audio.is_cut,
    }
