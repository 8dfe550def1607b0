"""Log-mel frames of whole clips, made once before training; windows are cut from them at any frame."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray, resample
from sonyc_contract.frontend import Frontend, FrontendSpec
from sonyc_contract.levels import Level
from sonyc_contract.recognise import EmbeddingSpec
from sonyc_trainer.context import StageContext
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.learning import Indices, class_flags
from sonyc_trainer.shards import Shard, make_shards, read_rows, run_missing, whole_folder, write_rows
from sonyc_trainer.stages import Stage
from sonyc_trainer.tables import CODED, read_clip, read_table

FRAMES_FILE: Final = "frames.npy"


@dataclass(frozen=True)
class CodedClip:
    """A clip whose frames are wanted.

    Attributes:
        path: Its audio file at one level.
        labels: Its classes.
        split: `train` or `validation`.
        frontend: What makes the frames.
        n_window: Samples of a window at the front end's rate; a shorter clip is filled with zeros to one.
    """

    path: Path
    labels: list[str]
    split: str
    frontend: FrontendSpec
    n_window: int


def make_frames(
    folder: StudyFolder,
    levels: Sequence[Level],
    spec: EmbeddingSpec,
    *,
    context: StageContext,
    without: Container[str] = (),
) -> dict[Level, list[Path]]:
    """Compute the frames of all training and validation clips at some levels, but for some clips.

    Returns:
        Folders of shards by level, the same clips in the same order at each.
    """
    target = folder.of(Stage.PRETRAIN) / "frames"
    shards: dict[Level, list[Shard[CodedClip]]] = {}
    n_window = round(spec.window_s * spec.frontend.rate_hz)
    for level in levels:
        coded = read_table(folder.coded(level), CODED)
        clips = [
            CodedClip(folder.of(Stage.COMPRESS) / file, labels, split, spec.frontend, n_window)
            for clip_id, file, labels, split in zip(
                *(coded[column] for column in ("clip_id", "file", "labels", "split")), strict=True
            )
            if split != "test" and clip_id not in without
        ]
        (target / level).mkdir(parents=True, exist_ok=True)
        shards[level] = make_shards(target / level, clips)
    everything = [shard for of_level in shards.values() for shard in of_level]
    run_missing(everything, write_frames, context, description="pretrain: log-mel")
    return {level: [shard.folder for shard in of_level] for level, of_level in shards.items()}


def write_frames(shard: Shard[CodedClip]) -> int:
    """Write the frames of a shard's clips as one array, float32 [n_frames of all, n_mels]."""
    frontend = Frontend(shard.items[0].frontend)
    frames = [clip_frames(clip, frontend) for clip in shard.items]
    rows = [
        {"labels": clip.labels, "split": clip.split, "n_frames": len(of_clip)}
        for clip, of_clip in zip(shard.items, frames, strict=True)
    ]
    with whole_folder(shard.folder) as part:
        np.save(part / FRAMES_FILE, np.concatenate(frames))
        write_rows(part, rows)
    return len(shard.items)


def clip_frames(clip: CodedClip, frontend: Frontend) -> FloatArray:
    """Decode a clip and give its log-mel, float32 [n_frames, n_mels], the same that its windows have on a node."""
    return frames_of(*read_clip(clip.path), frontend, n_window=clip.n_window)


def frames_of(samples: FloatArray, rate_hz: int, frontend: Frontend, *, n_window: int) -> FloatArray:
    """Give the log-mel of float32 [n], float32 [n_frames, n_mels]; what is shorter than a window ends in zeros."""
    at_rate = resample(samples, rate_hz, frontend.spec.rate_hz)
    return frontend.log_mel(np.pad(at_rate, (0, max(0, n_window - len(at_rate)))))


class ClipFrames:
    """The frames of one level's clips, read from the disk as they are needed.

    Attributes:
        truth: bool [n_clips, 8], classes of each clip.
        is_training: bool [n_clips]; the others are for validation.
        n_frames: int64 [n_clips].
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        rows = read_rows([Shard(folder, ()) for folder in folders])
        self._arrays = [np.load(folder / FRAMES_FILE, mmap_mode="r") for folder in folders]
        self.truth = class_flags(row["labels"] for row in rows)
        self.is_training = np.array([row["split"] == "train" for row in rows])
        self.n_frames: Indices = np.array([row["n_frames"] for row in rows], dtype=np.int64)
        self._places = _places(self.n_frames, [len(array) for array in self._arrays])

    def window(self, clip: int, start: int, n_frames: int) -> FloatArray:
        """Cut `n_frames` frames out of a clip: float32 [n_frames, n_mels]."""
        array, first = self._places[clip]
        return np.asarray(self._arrays[array][first + start : first + start + n_frames])


def _places(n_frames: Indices, array_lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Give for each clip the array it lies in and its first frame there."""
    ends = np.cumsum(array_lengths)
    starts = np.cumsum(n_frames) - n_frames
    arrays = np.searchsorted(ends, starts, side="right")
    return [(int(i), int(start - (ends[i] - array_lengths[i]))) for i, start in zip(arrays, starts, strict=True)]
