"""What a user's own recordings take at every level: pieces from files all over a folder, coded as a node does."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray, read_audio
from sonyc_contract.errors import AudioError
from sonyc_contract.levels import Level
from sonyc_trainer.context import StageContext
from sonyc_trainer.datasets.listing import AUDIO_SUFFIXES, audio_below
from sonyc_trainer.errors import PlanError
from sonyc_trainer.execution import run_shards
from sonyc_trainer.planning.codings import Coding, level_codings
from sonyc_trainer.planning.measuring import PIECE_S, measure

SAMPLED_RATES_HZ: Final = (16_000, 24_000, 48_000)

MAX_FILES: Final = 24
"""Files that a piece is taken from, evenly over all; 33 codings of 24 pieces take a minute on two cores."""

FileCosts = tuple[str, list[tuple[int, float]], str]
"""File, bytes and seconds per coding, and why it could not be read, if it could not."""


class Sample:
    """What the pieces took.

    Attributes:
        codings: What they were coded with.
        n_files: How many files a piece was taken from.
        duration_s: How much audio was coded.
        unread: Files that could not be read, with the reason.
    """

    def __init__(self, codings: Sequence[Coding]) -> None:
        self.codings = tuple(codings)
        self.n_files = 0
        self.duration_s = 0.0
        self.unread: list[str] = []
        self._bytes = [0] * len(codings)

    def add(self, found: FileCosts) -> None:
        """Add a file."""
        _, costs, reason = found
        if reason:
            self.unread.append(reason)
            return
        self.n_files += 1
        self.duration_s += costs[0][1]
        self._bytes = [total + n_bytes for total, (n_bytes, _) in zip(self._bytes, costs, strict=True)]

    def bytes_per_hour(self) -> dict[Coding, int]:
        """Bytes per hour of each coding."""
        return {coding: round(3_600 * n / self.duration_s) for coding, n in zip(self.codings, self._bytes, strict=True)}


def sample_audio(folder: Path, rates_hz: Sequence[int], context: StageContext) -> Sample:
    """Code pieces of the audio below a folder at every level and rate.

    Raises:
        PlanError: the folder holds no audio that can be read.
    """
    files = _files(folder)
    codings = [coding for rate in rates_hz for coding in level_codings(tuple(Level), rate)]
    sample = Sample(codings)
    work = partial(cost_of_file, codings=codings)
    with context.progress.task("code a sample of the audio", len(files)) as advance, context.executor() as executor:

        def on_done(found: FileCosts) -> None:
            sample.add(found)
            advance(1)

        run_shards(executor, work, files, on_done=on_done)
    if not sample.n_files:
        raise PlanError(f"{folder}: none of {len(files)} files could be read, the first because: {sample.unread[0]}")
    return sample


def cost_of_file(path: Path, *, codings: Sequence[Coding]) -> FileCosts:
    """Code the middle 10 s of a file with every coding."""
    try:
        audio = read_audio(path)
    except AudioError as error:
        return str(path), [], str(error)
    piece = _middle(audio.samples, audio.rate_hz)
    costs = [measure([piece], audio.rate_hz, coding) for coding in codings]
    return str(path), [(cost.n_bytes, cost.duration_s) for cost in costs], ""


def _middle(samples: FloatArray, rate_hz: int) -> FloatArray:
    n = round(PIECE_S * rate_hz)
    start = max(0, (len(samples) - n) // 2)
    return samples[start : start + n]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PlanError(f"{folder} is not a folder: --audio names one that holds recordings")
    found = audio_below(folder)
    if not found:
        raise PlanError(f"{folder} holds no audio: files ending in {', '.join(sorted(AUDIO_SUFFIXES))} are looked for")
    chosen = np.linspace(0, len(found) - 1, min(len(found), MAX_FILES)).round().astype(int)
    return [found[index] for index in chosen]
