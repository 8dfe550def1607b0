"""Keeps a microphone delivering: a watch on its samples, and a ladder of remedies when none come."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from sonyc_device.capture.delivery import Delivery, Stream
from sonyc_device.capture.ladder import Ladder, Rung, Step
from sonyc_device.capture.source import AudioSource, SampleSink
from sonyc_device.errors import CaptureError, CaptureStalledError

_LOGGER = logging.getLogger(__name__)

STOP_WITHIN_S: Final = 1.0
"""A sound system that hangs is not waited for."""


class SoundSystem(Protocol):
    """What opens a microphone."""

    def open(self) -> AudioSource:
        """Give the microphone, which its `start` opens; a new one each time."""

    def rescan(self) -> None:
        """Look for devices anew, while none is open.

        Raises:
            CaptureError: it cannot.
        """

    def abandon(self) -> None:
        """See that it does not keep the process from ending, though it hangs."""


class MicrophoneState(StrEnum):
    """Whether samples come."""

    STARTING = "starting"
    DELIVERING = "delivering"
    MISSING = "missing"


@dataclass
class Liveness:
    """How a microphone does, for whoever reports it; one thread writes it.

    Attributes:
        microphone: What the configuration calls it.
        state: Whether samples come.
        detail: Why not, when they do not.
        n_reopened: How often it was opened again.
        n_rescanned: How often the sound system looked for devices anew, each time to open it again.
    """

    microphone: str = ""
    state: MicrophoneState = MicrophoneState.STARTING
    detail: str = ""
    n_reopened: int = 0
    n_rescanned: int = 0


class WatchedSource:
    """A microphone that is opened again when it hangs, ends or is not there; from outside it is one that never ends.

    What was lost meanwhile is told the sink at each step, estimated from the clock: a gap, in which the count of
    samples goes on. Before the first sample of all nothing counts as lost, unless a step was needed to get it.
    """

    def __init__(
        self,
        system: SoundSystem,
        ladder: Ladder,
        *,
        rate_hz: int,
        liveness: Liveness,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what to watch; nothing is opened yet.

        Args:
            system: Opens the microphone.
            ladder: Says when to try something, and what.
            rate_hz: Samples per second.
            liveness: How the microphone does is written here.
            monotonic: The clock.
        """
        self._system = system
        self._ladder = ladder
        self._rate_hz = rate_hz
        self._liveness = liveness
        self._monotonic = monotonic
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._delivery: Delivery | None = None
        self._guard = threading.Timer(0.0, lambda: None)

    @property
    def is_live(self) -> bool:
        """Yes: samples that nobody takes are lost."""
        return True

    def start(self, sink: SampleSink) -> None:
        """Begin to watch; a microphone that is not there is waited for."""
        self._delivery = Delivery(sink, rate_hz=self._rate_hz, monotonic=self._monotonic)
        self._thread = threading.Thread(target=self._run, args=(self._delivery,), name="microphone", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Deliver no more, and end the sink."""
        self._stopping.set()
        self._guard.cancel()
        if self._delivery is None or self._thread is None:
            return
        self._delivery.end()
        self._thread.join(STOP_WITHIN_S)
        if self._thread.is_alive():
            _LOGGER.warning("the sound system hangs; it is left as it is")
            self._system.abandon()

    def _run(self, delivery: Delivery) -> None:
        try:
            self._keep_delivering(delivery)
        except CaptureError as error:
            delivery.end(error)
        except Exception as error:  # noqa: BLE001 - the agent must hear of it, whatever it is
            delivery.end(CaptureError(f"watching the microphone failed: {error!r}"))
        finally:
            self._guard.cancel()

    def _keep_delivering(self, delivery: Delivery) -> None:
        heard_s = self._monotonic()
        self._guard = self._set_guard(delivery)
        while not self._stopping.is_set():
            stream, source = self._open(delivery)
            self._await_silence(stream)
            delivery.close(stream)
            if self._stopping.is_set():
                source.stop()
                return
            if stream.last_s is not None:
                heard_s = stream.last_s
                self._guard = self._set_guard(delivery)
            step = self._ladder.climb(delivered_s=stream.delivered_s, silent_s=self._monotonic() - heard_s)
            self._note(step, stream)
            delivery.lose()
            source.stop()
            self._take(step, silent_s=self._monotonic() - heard_s)

    def _open(self, delivery: Delivery) -> tuple[Stream, AudioSource]:
        stream, source = delivery.new_stream(), self._system.open()
        try:
            source.start(stream)
        except CaptureError as error:
            stream.end(error)
        return stream, source

    def _take(self, step: Step, *, silent_s: float) -> None:
        """Take a step of the ladder, up to where the microphone is opened again.

        Raises:
            CaptureStalledError: it is the last one.
        """
        if step.rung is Rung.GIVE_UP:
            raise CaptureStalledError(f"{self._describe(silent_s)}; {self._liveness.detail}")
        if self._stopping.wait(step.pause_s) or step.rung is not Rung.RESCAN:
            return
        try:
            self._system.rescan()
        except CaptureError as error:
            _LOGGER.warning("cannot look for microphones anew: %s", error)

    def _set_guard(self, delivery: Delivery) -> threading.Timer:
        """End the sink from outside, should the sound system hang in one of its functions."""
        self._guard.cancel()
        hung_after_s = self._ladder.hung_after_s
        error = CaptureStalledError(f"{self._describe(hung_after_s)}; the sound system hangs")
        guard = threading.Timer(hung_after_s, delivery.end, (error,))
        guard.daemon = True
        guard.start()
        return guard

    def _describe(self, silent_s: float) -> str:
        return f"no sample has come from {self._liveness.microphone} for {silent_s:.0f} s"

    def _await_silence(self, stream: Stream) -> None:
        opened_s = self._monotonic()
        while stream.error is None and not self._stopping.is_set():
            if stream.last_s is not None:
                self._note_delivery()
            allowed_s = self._ladder.allowed_silence_s(has_delivered=stream.last_s is not None)
            left_s = (stream.last_s or opened_s) + allowed_s - self._monotonic()
            if left_s <= 0:
                return
            stream.news.wait(left_s)
            stream.news.clear()

    def _note(self, step: Step, stream: Stream) -> None:
        liveness = self._liveness
        liveness.state = MicrophoneState.MISSING
        liveness.detail = str(stream.error or "the device is open, but no sample comes")
        liveness.n_reopened += step.rung is Rung.REOPEN
        liveness.n_rescanned += step.rung is Rung.RESCAN
        _LOGGER.warning(
            "microphone delivers nothing",
            extra={"reason": liveness.detail, "step": step.rung.value, "pause_s": step.pause_s},
        )

    def _note_delivery(self) -> None:
        if self._liveness.state is MicrophoneState.MISSING:
            _LOGGER.info("microphone delivers again")
        self._liveness.state, self._liveness.detail = MicrophoneState.DELIVERING, ""
        self._guard.cancel()
