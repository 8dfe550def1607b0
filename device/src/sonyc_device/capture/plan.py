"""The recording plan: which samples become clips, and which were not to be recorded."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sonyc_device.capture.clips import Clip, Pause
from sonyc_device.capture.source import Block, End, Gap, GapCause, Int16Array
from sonyc_device.capture.starts import ClipStarts, ScheduleState

Piece = Clip | Gap | Pause


class RecordingPlan:
    """Cuts clips of one length where they are to begin; a gap ends a clip early, so that no clip has one inside.

    Every sample that comes in goes out in a clip, or is named in a gap or a pause. A clip that has begun is
    completed, whatever the schedule says meanwhile. What is left before a gap becomes a clip if it has at least
    `min_samples`, else a gap of cause `fragment`; what is left at the end is always a clip. Samples that never came are
    a gap where clips would have held them, and a pause elsewhere.
    """

    def __init__(self, starts: ClipStarts, *, clip_samples: int, min_samples: int) -> None:
        """Take where clips begin, and how long they are."""
        self._starts = starts
        self._clip_samples = clip_samples
        self._min_samples = min_samples
        self._pending: list[Int16Array] = []
        self._start_sample = 0
        self._position = 0
        self._clip_end: int | None = None

    @property
    def schedule_state(self) -> ScheduleState:
        """What the schedule holds of the newest sample."""
        return self._starts.state(self._position)

    def push(self, item: Block | Gap | End) -> Iterator[Piece]:
        """Take what the ring gave next, and give the pieces that are complete with it, in order."""
        if isinstance(item, Block):
            yield from self._add(item)
        elif isinstance(item, Gap):
            yield from self._flush(min_samples=self._min_samples)
            yield from self._lose(item)
        else:
            yield from self._flush(min_samples=1)

    def _add(self, block: Block) -> Iterator[Piece]:
        for stretch in self._stretches(block.start_sample, len(block.samples)):
            if not stretch.is_wanted:
                yield self._pause(stretch)
                continue
            if not self._pending:
                self._start_sample = stretch.start
            first = stretch.start - block.start_sample
            self._pending.append(block.samples[first : first + stretch.n_samples])
            if stretch.ends_clip:
                yield self._take()

    def _lose(self, gap: Gap) -> Iterator[Piece]:
        lost = Gap(gap.start_sample, 0, gap.cause)
        for stretch in self._stretches(gap.start_sample, gap.n_samples):
            if stretch.is_wanted:
                lost = replace(lost, n_samples=lost.n_samples + stretch.n_samples)
                continue
            yield from _unless_empty(lost)
            yield self._pause(stretch)
            lost = Gap(stretch.start + stretch.n_samples, 0, gap.cause)
        yield from _unless_empty(lost)
        self._clip_end = None  # another clip may begin with the next sample

    def _stretches(self, start: int, n_samples: int) -> Iterator["_Stretch"]:
        """Divide samples where clips begin and end."""
        end = start + n_samples
        while start < end:
            clip_end = self._clip_end
            stretch = self._paused(start, end) if clip_end is None else self._in_clip(start, min(end, clip_end))
            if stretch.n_samples:
                yield stretch
            start += stretch.n_samples
        self._position = end

    def _paused(self, start: int, end: int) -> "_Stretch":
        begins = self._starts.first_in(start, end)
        if begins is None:
            return _Stretch(start, end - start, is_wanted=False)
        self._clip_end = begins + self._clip_samples
        return _Stretch(start, begins - start, is_wanted=False)

    def _in_clip(self, start: int, stop: int) -> "_Stretch":
        is_last = stop == self._clip_end
        if is_last:
            self._clip_end = None
        return _Stretch(start, stop - start, is_wanted=True, ends_clip=is_last)

    def _pause(self, stretch: "_Stretch") -> Pause:
        return Pause(stretch.start, stretch.n_samples, self._starts.pause_cause(stretch.start))

    def _flush(self, *, min_samples: int) -> Iterator[Clip | Gap]:
        if self._pending:
            clip = self._take()
            is_long_enough = len(clip.samples) >= min_samples
            yield clip if is_long_enough else Gap(clip.start_sample, len(clip.samples), GapCause.FRAGMENT)

    def _take(self) -> Clip:
        clip = Clip(self._start_sample, np.concatenate(self._pending))
        self._pending = []
        return clip


class _Stretch(NamedTuple):
    """Samples that belong to one clip, or to none; `ends_clip`: the clip's last ones are among them."""

    start: int
    n_samples: int
    is_wanted: bool
    ends_clip: bool = False


def _unless_empty(gap: Gap) -> Iterator[Gap]:
    if gap.n_samples:
        yield gap
