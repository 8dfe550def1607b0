"""Between the streams of a microphone, which come and go, and the one sink that hears of all of them."""

import threading
from collections.abc import Callable

from sonyc_device.capture.source import GapCause, Int16Array, SampleSink
from sonyc_device.errors import CaptureError


class Delivery:
    """Passes samples of one stream at a time on, and tells the sink what was lost between two of them."""

    def __init__(self, sink: SampleSink, *, rate_hz: int, monotonic: Callable[[], float]) -> None:
        """Take the sink, samples per second, and the clock; what is lost counts from now."""
        self._sink = sink
        self._rate_hz = rate_hz
        self._monotonic = monotonic
        self._lock = threading.Lock()  # held for as long as the sink takes a block: microseconds
        self._stream: Stream | None = None
        self._accounted_s = monotonic()
        self._is_out = False

    def new_stream(self) -> "Stream":
        """Make the only stream whose samples are passed on from now on."""
        with self._lock:
            self._stream = Stream(self)
            return self._stream

    def close(self, stream: "Stream") -> None:
        """Pass nothing more of a stream on."""
        with self._lock:
            if self._stream is stream:
                self._stream = None

    def end(self, error: CaptureError | None = None) -> None:
        """Pass nothing more on, and end the sink; who waits for news of the stream has some."""
        with self._lock:
            stream, self._stream = self._stream, None
            if self._is_out:
                self._skip_until(self._monotonic())
            self._sink.end(error)
        if stream is not None:
            stream.news.set()

    def lose(self) -> None:
        """Tell the sink what it should have got until now."""
        with self._lock:
            self._is_out = True
            self._skip_until(self._monotonic())

    def write(self, stream: "Stream", samples: Int16Array) -> None:
        """Pass a block on; the first one after an outage with what was lost before it."""
        with self._lock:
            if stream is not self._stream:
                return
            now_s = self._monotonic()
            if self._is_out:
                self._skip_until(now_s - len(samples) / self._rate_hz)
                self._is_out = False
            self._sink.write(samples)
            self._accounted_s = stream.last_s = now_s
            if stream.first_s is None:
                stream.first_s = now_s
                stream.news.set()

    def note_end(self, stream: "Stream", error: CaptureError) -> None:
        """Note that a stream ended by itself."""
        with self._lock:
            if stream is self._stream:
                stream.error = stream.error or error
        stream.news.set()

    def skip(self, stream: "Stream", n_samples: int, cause: GapCause) -> None:
        """Pass on that the stream lost samples."""
        with self._lock:
            if stream is self._stream:
                self._sink.skip(n_samples, cause)

    def _skip_until(self, until_s: float) -> None:
        n_lost = round((until_s - self._accounted_s) * self._rate_hz)
        if n_lost > 0:
            self._sink.skip(n_lost, GapCause.STALLED)
            self._accounted_s = until_s


class Stream:
    """One opening of the microphone: the sink that it delivers to.

    Attributes:
        first_s: When its first samples came.
        last_s: When its newest samples came.
        error: Why it ended by itself.
        news: Set when its first samples have come, and when it has ended.
    """

    def __init__(self, delivery: Delivery) -> None:
        """Take what passes samples on; see `Delivery.new_stream`."""
        self._delivery = delivery
        self.first_s: float | None = None
        self.last_s: float | None = None
        self.error: CaptureError | None = None
        self.news = threading.Event()

    @property
    def delivered_s(self) -> float:
        """From its first samples to its newest."""
        return 0.0 if self.first_s is None or self.last_s is None else self.last_s - self.first_s

    def write(self, samples: Int16Array) -> None:
        """Take int16 [n]."""
        self._delivery.write(self, samples)

    def skip(self, n_samples: int, cause: GapCause) -> None:
        """Note that samples were lost."""
        self._delivery.skip(self, n_samples, cause)

    def end(self, error: CaptureError | None = None) -> None:
        """Note that it will deliver no more."""
        self._delivery.note_end(self, error or CaptureError("the microphone ended"))
