"""Log-mel frames of recordings whose classes nobody knows: their sound is learned from, and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from sonyc_contract.audio import Audio, FloatArray, read_audio
from sonyc_contract.codec import round_trip
from sonyc_contract.errors import AudioError
from sonyc_contract.frontend import Frontend
from sonyc_contract.levels import Level
from sonyc_contract.recognise import EmbeddingSpec
from sonyc_trainer.context import StageContext
from sonyc_trainer.cutting import TrimPlan, trimmed
from sonyc_trainer.datasets.listing import AUDIO_SUFFIXES, audio_below
from sonyc_trainer.embeddings.compact_frames import FRAMES_FILE, frames_of
from sonyc_trainer.errors import TrainingError
from sonyc_trainer.shards import Shard, make_shards, read_rows, run_missing, whole_folder, write_rows
from sonyc_trainer.splitting import TRAIN

PIECE_S: Final = 30.0
"""Of every half minute of a file the part that a study keeps of a clip is taken ..."""
MAX_PIECES: Final = 8
"""... up to so many, from anywhere in it."""
_SOFTEST: Final = 1e-3


@dataclass(frozen=True)
class SoundPlan:
    """What is made of every file.

    Attributes:
        trim: The study's, so that a sound is like its clips.
        levels: At which it is heard.
        spec: The embedding whose front end and windows are meant.
    """

    trim: TrimPlan
    levels: tuple[Level, ...]
    spec: EmbeddingSpec


def find_sounds(folder: Path, *, at_most: int, seed: int) -> list[Path]:
    """List the audio files in a folder and all below it; where there are more, as many as are wanted, by chance.

    Raises:
        TrainingError: there are none.
    """
    files = audio_below(folder)
    if not files:
        known = ", ".join(sorted(AUDIO_SUFFIXES))
        raise TrainingError(f"[pretrain.distil] sounds: {folder} holds no audio file ({known})")
    chosen = np.random.default_rng(seed).permutation(len(files))[:at_most]
    return [files[index] for index in sorted(chosen)]


def make_sound_frames(
    files: Sequence[Path], target: Path, plan: SoundPlan, *, context: StageContext
) -> dict[Level, list[Path]]:
    """Compute the frames of all sounds; files that cannot be read or are silent give none.

    Returns:
        Folders of frames by level, as `compact_frames.make_frames` gives them.

    Raises:
        TrainingError: nothing is left.
    """
    target.mkdir(parents=True, exist_ok=True)
    shards = make_shards(target, files)
    run_missing(shards, partial(write_sound_frames, plan=plan), context, description="pretrain: sounds")
    heard = [shard for shard in shards if read_rows([_at(shard, plan.levels[0])])]
    if not heard:
        raise TrainingError(f"[pretrain.distil] sounds: none of {len(files)} files can be read and is not silent")
    return {level: [_at(shard, level).folder for shard in heard] for level in plan.levels}


def write_sound_frames(shard: Shard[Path], *, plan: SoundPlan) -> int:
    """Write the frames of a shard's files, a folder per level; returns how many files there were."""
    frontend = Frontend(plan.spec.frontend)
    pieces = [piece for path in shard.items for piece in pieces_of(path, plan.trim)]
    n_window, rate_hz = round(plan.spec.window_s * frontend.spec.rate_hz), plan.trim.rate_hz
    with whole_folder(shard.folder) as part:
        for level in plan.levels:
            coded = (round_trip(piece, rate_hz, level=level) for piece in pieces)
            frames = [frames_of(samples, rate_hz, frontend, n_window=n_window) for samples in coded]
            (part / level).mkdir()
            if frames:
                np.save(part / level / FRAMES_FILE, np.concatenate(frames))
            write_rows(part / level, [{"labels": [], "split": TRAIN, "n_frames": len(of_piece)} for of_piece in frames])
    return len(shard.items)


def pieces_of(path: Path, plan: TrimPlan) -> Iterator[FloatArray]:
    """Give what is kept of every piece of a file, float32 [n] at the plan's rate; nothing of what cannot be read."""
    try:
        audio = read_audio(path)
    except AudioError:
        return
    n_piece = round(PIECE_S * audio.rate_hz)
    n_pieces = min(max(1, len(audio.samples) // n_piece), MAX_PIECES)
    for start in np.linspace(0, len(audio.samples), n_pieces, endpoint=False).astype(int):
        samples = audio.samples[start : start + n_piece]
        if np.abs(samples).max() >= _SOFTEST:
            yield trimmed(Audio(samples, audio.rate_hz), plan)[0]


def _at(shard: Shard[Path], level: Level) -> Shard[Path]:
    return Shard(shard.folder / level, ())
