"""A bundle's recogniser over hours of background, clip by clip as on a node: rate, codec, head of the level."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from sonyc_contract.audio import FloatArray, from_int16, open_audio, resample, to_int16
from sonyc_contract.bundle import Bundle, read_bundle
from sonyc_contract.codec import decode, encode
from sonyc_contract.errors import AudioError, LevelError
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Probabilities, Recogniser
from sonyc_contract.stored import read_sidecar
from sonyc_trainer.context import StageContext
from sonyc_trainer.datasets.listing import AUDIO_SUFFIXES, audio_below
from sonyc_trainer.errors import AlarmError
from sonyc_trainer.execution import run_shards, sharded
from sonyc_trainer.quiet import NOWHERE, output_to
from sonyc_trainer.scenes.made_background import made_background
from sonyc_trainer.scenes.settings import RATE_HZ, BackgroundConfig

MADE: Final = "made background"

_SHARD_SIZE: Final = 20
_SHORTEST_S: Final = 1.0
"""What is left of a file after its last whole clip counts from this length on."""

_THREAD: Final = threading.local()
"""The bundle that this thread of this worker has open: models are no work for two threads at once."""


@dataclass(frozen=True)
class Listener:
    """What listens.

    Attributes:
        bundle: The bundle's file.
        levels: Clips go through the codec at each of these, and to the head of it.
        clip_s: How long a node's clip is.
    """

    bundle: Path
    levels: tuple[Level, ...]
    clip_s: float = 10.0


@dataclass(frozen=True)
class Heard:
    """What the recogniser said of some clips of one source at one level.

    Attributes:
        source: `made background`, or a folder.
        level: The level.
        duration_s: Length of all clips.
        probabilities: float64 [n_clips, 8].
    """

    source: str
    level: Level
    duration_s: float
    probabilities: Probabilities


@dataclass(frozen=True)
class Listened:
    """All that was heard.

    Attributes:
        heard: By source and level, in the order in which they were asked for.
        unread: Why files were left out, a line each.
    """

    heard: tuple[Heard, ...]
    unread: tuple[str, ...]


class _Clip(NamedTuple):
    """A clip, and whether it has been through the codec already."""

    samples: FloatArray
    rate_hz: int
    is_stored: bool = False


def listen(
    listener: Listener, made: BackgroundConfig | None, folders: Sequence[Path], context: StageContext
) -> Listened:
    """Let a bundle hear made background, and the recordings below some folders, with all cores.

    A file that an agent stored is only decoded and gets the head of its own level; any other is cut into clips.

    Raises:
        AlarmError: a folder is missing or holds no audio, or none of its files could be read.
        BundleError: the bundle is not readable.
        LevelError: it has no head for one of the levels.
        ModelError: its models do not load.
    """
    bundle = read_bundle(listener.bundle)
    for level in listener.levels:
        bundle.head_for(level)
    files = {folder: _audio_below(folder) for folder in folders}
    parts: list[list[Heard]] = []
    n_made = made.n_clips if made else 0
    total = n_made + sum(map(len, files.values()))
    unread: dict[Path, list[str]] = {folder: [] for folder in folders}
    with context.progress.task("listen", total) as advance, context.executor() as executor:

        def on_made(found: list[Heard]) -> None:
            parts.append(found)
            advance(len(found[0].probabilities))

        def on_file(found: tuple[Path, list[Heard], str]) -> None:
            folder, heard, reason = found
            parts.append(heard)
            unread[folder] += [reason] if reason else []
            advance(1)

        if made:
            work = partial(hear_made, listener=listener, config=made)
            run_shards(executor, work, sharded(range(n_made), _SHARD_SIZE), on_done=on_made)
        for folder, paths in files.items():
            run_shards(executor, partial(hear_file, listener=listener, folder=folder), paths, on_done=on_file)
    for folder, paths in files.items():
        if len(unread[folder]) == len(paths):
            raise AlarmError(
                f"{folder}: none of {len(paths)} files could be read, the first because: {min(unread[folder])}"
            )
    order = [*([MADE] if made else []), *map(str, files)]
    return Listened(_joined(parts, order), tuple(sorted(line for lines in unread.values() for line in lines)))


def hear_made(indices: Sequence[int], *, listener: Listener, config: BackgroundConfig) -> list[Heard]:
    """Make some clips of background and score them, at every level."""
    clips = [_Clip(from_int16(made_background(index, config)), RATE_HZ) for index in indices]
    return [_heard(MADE, level, clips, listener) for level in listener.levels]


def hear_file(path: Path, *, listener: Listener, folder: Path) -> tuple[Path, list[Heard], str]:
    """Score the clips of a file; gives its folder, what was heard, and why it could not be read, if it could not."""
    try:
        sidecar = read_sidecar(path)
        bundle, _ = _opened(listener.bundle)
        if sidecar is not None and sidecar.storage_rate_hz != bundle.manifest.storage_rate_hz:
            rates = f"{sidecar.storage_rate_hz} Hz, but the bundle is for {bundle.manifest.storage_rate_hz} Hz"
            return folder, [], f"{path}: stored at {rates}"
        with open_audio(path) as reader:
            rate_hz = reader.rate_hz
            if sidecar is not None:
                stored = _Clip(np.concatenate(list(reader.blocks())), rate_hz, is_stored=True)
                return folder, [_heard(str(folder), sidecar.level, [stored], listener)], ""
            cut = _clips(reader.blocks(), round(listener.clip_s * rate_hz), round(_SHORTEST_S * rate_hz))
            clips = (_Clip(samples, rate_hz) for samples in cut)
            return folder, [_heard(str(folder), k, [clip], listener) for clip in clips for k in listener.levels], ""
    except AudioError as error:  # which names the file
        return folder, [], str(error)
    except LevelError as error:
        return folder, [], f"{path}: {error}"


def _heard(source: str, level: Level, clips: Sequence[_Clip], listener: Listener) -> Heard:
    bundle, recogniser = _opened(listener.bundle)
    found = []
    for clip in clips:
        samples, rate_hz = clip[:2] if clip.is_stored else _coded(clip, bundle.manifest.storage_rate_hz, level)
        found.append(recogniser.score(samples, rate_hz, level=level).probabilities)
    return Heard(source, level, sum(len(clip.samples) / clip.rate_hz for clip in clips), np.stack(found))


def _coded(clip: _Clip, storage_rate_hz: int, level: Level) -> tuple[FloatArray, int]:
    """Give what a node hears of a clip: at the storage rate, after the codec; `pcm` only rounds to 16 bits."""
    at_rate = resample(clip.samples, clip.rate_hz, storage_rate_hz)
    if level is Level.PCM:
        return from_int16(to_int16(at_rate)), storage_rate_hz
    return decode(encode(at_rate, storage_rate_hz, level=level))


def _clips(blocks: Iterator[FloatArray], n_clip: int, n_shortest: int) -> Iterator[FloatArray]:
    """Cut blocks into clips; what is left at the end counts from `n_shortest` samples on, or where it is all."""
    rest, n_given = np.empty(0, np.float32), 0
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) >= n_clip:
            yield rest[:n_clip]
            rest, n_given = rest[n_clip:], n_given + 1
    if len(rest) >= n_shortest or (len(rest) and not n_given):
        yield rest


def _opened(path: Path) -> tuple[Bundle, Recogniser]:
    """Give the bundle that this worker opened for its first clip."""
    if getattr(_THREAD, "path", None) != path:
        bundle = read_bundle(path)
        with output_to(NOWHERE):
            _THREAD.bundle, _THREAD.recogniser = bundle, bundle.recogniser()
        _THREAD.path = path
    return _THREAD.bundle, _THREAD.recogniser


def _joined(parts: Sequence[Sequence[Heard]], sources: Sequence[str]) -> tuple[Heard, ...]:
    """Put what was heard of the same source at the same level together."""
    of: dict[tuple[str, Level], list[Heard]] = {}
    for part in parts:
        for one in part:
            of.setdefault((one.source, one.level), []).append(one)
    order = sorted(of, key=lambda key: (sources.index(key[0]), list(Level).index(key[1])))
    return tuple(
        Heard(*key, sum(one.duration_s for one in of[key]), np.concatenate([one.probabilities for one in of[key]]))
        for key in order
    )


def _audio_below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise AlarmError(f"{folder} is not a folder: --audio names one that holds recordings of background")
    found = audio_below(folder)
    if not found:
        raise AlarmError(f"{folder} holds no audio: files ending in {', '.join(sorted(AUDIO_SUFFIXES))} are looked for")
    return found
