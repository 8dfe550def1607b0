"""Cuts the stream of samples into clips without a gap between or within them."""

from collections.abc import Iterator

import numpy as np

from sonyc_device.capture.clips import Clip
from sonyc_device.capture.source import Block, End, Gap, GapCause, Int16Array


class Cutter:
    """Cuts clips of one length; a gap ends a clip early, so that no clip has one inside.

    Every sample that comes in goes out in a clip or is named in a gap. What is left before a gap becomes a clip if it
    has at least `min_samples`, else a gap of cause `fragment`; what is left at the end is always a clip.
    """

    def __init__(self, *, clip_samples: int, min_samples: int) -> None:
        self._clip_samples = clip_samples
        self._min_samples = min_samples
        self._pending: list[Int16Array] = []
        self._n_pending = 0
        self._start_sample = 0

    def push(self, item: Block | Gap | End) -> Iterator[Clip | Gap]:
        """Take what the ring gave next, and give the clips and gaps that are complete with it, in order."""
        if isinstance(item, Block):
            yield from self._add(item)
            return
        if isinstance(item, Gap):
            yield from self._flush(min_samples=self._min_samples)
            yield item
        else:
            yield from self._flush(min_samples=1)

    def _add(self, block: Block) -> Iterator[Clip]:
        if not self._n_pending:
            self._start_sample = block.start_sample
        samples = block.samples
        while self._n_pending + len(samples) >= self._clip_samples:
            n = self._clip_samples - self._n_pending
            self._append(samples[:n])
            yield self._take()
            samples = samples[n:]
        if len(samples):
            self._append(samples)

    def _append(self, samples: Int16Array) -> None:
        self._pending.append(samples)
        self._n_pending += len(samples)

    def _take(self) -> Clip:
        clip = Clip(self._start_sample, np.concatenate(self._pending))
        self._start_sample += len(clip.samples)
        self._pending, self._n_pending = [], 0
        return clip

    def _flush(self, *, min_samples: int) -> Iterator[Clip | Gap]:
        if not self._n_pending:
            return
        clip = self._take()
        is_long_enough = len(clip.samples) >= min_samples
        yield clip if is_long_enough else Gap(clip.start_sample, len(clip.samples), GapCause.FRAGMENT)
