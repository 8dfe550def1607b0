"""The preallocated ring between the audio callback and the cutter, with the one sample counter of a run."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sonyc_device.capture.source import Block, End, Gap, GapCause, Int16Array
from sonyc_device.errors import CaptureError, CaptureStalledError


@dataclass(frozen=True)
class Arrival:
    """That the sample before index `n_samples` had come at `monotonic_s`."""

    n_samples: int
    monotonic_s: float


class Ring:
    """A ring of int16 samples for one writer and one reader, which hold its lock for microseconds only.

    A live writer never waits: what does not fit becomes a gap, of which the length is exact. The sample counter counts
    what was delivered and what was lost, so that an index divided by the rate is time.
    """

    def __init__(
        self,
        capacity_samples: int,
        *,
        waits_when_full: bool = False,
        stalled_after_s: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an empty ring.

        Args:
            capacity_samples: How many samples it holds.
            waits_when_full: Whether `write` waits for the reader instead of dropping samples.
            stalled_after_s: For how long no sample may come before `read` raises; None is for ever.
            monotonic: The clock.
        """
        self._buffer = np.zeros(capacity_samples, np.int16)
        self._waits = waits_when_full
        self._stalled_after_s = stalled_after_s
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._n_written = self._n_read = 0  # samples through the buffer
        self._n_lost_written = self._n_lost_read = 0  # samples in gaps
        self._gaps: deque[tuple[int, Gap]] = deque()  # with the value of _n_written at which each lies
        self._n_wanted = 1
        self._end: End | None = None
        self._arrival = Arrival(0, monotonic())

    @property
    def arrival(self) -> Arrival:
        """How many samples had come, or were known lost, at the time of the last `write`."""
        return self._arrival

    def write(self, samples: Int16Array) -> None:
        """Take int16 [n]; what does not fit is dropped with a gap record, or waited for."""
        while len(samples) and self._end is None:
            n = self._room(len(samples))
            self._copy_in(samples[:n])
            with self._changed:
                self._n_written += n
                if n < len(samples) and not self._waits:
                    self._add_gap(len(samples) - n, GapCause.RING_FULL)
                self._arrival = Arrival(self._n_written + self._n_lost_written, self._monotonic())
                self._notify_reader()
            samples = samples[n:] if self._waits else samples[:0]

    def skip(self, n_samples: int, cause: GapCause) -> None:
        """Note that the source lost `n_samples`."""
        with self._changed:
            self._add_gap(n_samples, cause)
            self._notify_reader()

    def end(self, error: CaptureError | None = None) -> None:
        """Let the reader have what is left and then the end; a writer that waits is let go."""
        with self._changed:
            if self._end is None:
                self._end = End(error)
            self._changed.notify_all()

    def read(self, n_samples: int) -> Block | Gap | End:
        """Give the next block of up to `n_samples`, as soon as so many are there or a gap or the end follows.

        Raises:
            CaptureStalledError: no sample has come for `stalled_after_s`, and none is left to give.
        """
        n_samples = min(n_samples, len(self._buffer))
        with self._changed:
            self._n_wanted = n_samples
            while not self._is_readable(n_samples):
                if self._wait_for_writer():
                    continue
                if self._n_before_gap() == 0:
                    raise CaptureStalledError(f"no sample has come for {self._stalled_after_s:g} s")
                break
            n = min(n_samples, self._n_before_gap())
            if n == 0:
                return self._next_event()
            start_sample, first = self._n_read + self._n_lost_read, self._n_read
        samples = self._copy_out(first, n)
        with self._changed:
            self._n_read += n
            if self._waits:
                self._changed.notify_all()
        return Block(start_sample, samples)

    def _room(self, n_samples: int) -> int:
        with self._changed:
            while self._waits and self._n_free() == 0 and self._end is None:
                self._changed.wait()
            return min(n_samples, self._n_free())

    def _n_free(self) -> int:
        return len(self._buffer) - (self._n_written - self._n_read)

    def _copy_in(self, samples: Int16Array) -> None:
        position = self._n_written % len(self._buffer)
        n_first = min(len(samples), len(self._buffer) - position)
        self._buffer[position : position + n_first] = samples[:n_first]
        self._buffer[: len(samples) - n_first] = samples[n_first:]

    def _copy_out(self, first: int, n: int) -> Int16Array:
        position = first % len(self._buffer)
        samples = np.empty(n, np.int16)
        n_first = min(n, len(self._buffer) - position)
        samples[:n_first] = self._buffer[position : position + n_first]
        samples[n_first:] = self._buffer[: n - n_first]
        return samples

    def _add_gap(self, n_samples: int, cause: GapCause) -> None:
        self._n_lost_written += n_samples
        if self._gaps and self._gaps[-1][0] == self._n_written and self._gaps[-1][1].cause is cause:
            position, gap = self._gaps.pop()
            self._gaps.append((position, replace(gap, n_samples=gap.n_samples + n_samples)))
        else:
            start_sample = self._n_written + self._n_lost_written - n_samples
            self._gaps.append((self._n_written, Gap(start_sample, n_samples, cause)))

    def _notify_reader(self) -> None:
        if self._gaps or self._n_written - self._n_read >= self._n_wanted:
            self._changed.notify_all()

    def _is_readable(self, n_samples: int) -> bool:
        return bool(self._gaps) or self._end is not None or self._n_written - self._n_read >= n_samples

    def _wait_for_writer(self) -> bool:
        """Wait for a change; False when no sample has come for too long."""
        if self._stalled_after_s is None:
            return self._changed.wait()
        left_s = self._arrival.monotonic_s + self._stalled_after_s - self._monotonic()
        return left_s > 0 and (self._changed.wait(left_s) or True)

    def _n_before_gap(self) -> int:
        until = self._gaps[0][0] if self._gaps else self._n_written
        return until - self._n_read

    def _next_event(self) -> Gap | End:
        if self._gaps:
            _, gap = self._gaps.popleft()
            self._n_lost_read += gap.n_samples
            return gap
        return self._end or End()
