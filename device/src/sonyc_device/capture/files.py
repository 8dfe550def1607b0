"""Audio files in the place of a microphone, joined without a gap."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from sonyc_contract.audio import AudioReader, FloatArray, open_audio, resample_blocks, to_int16
from sonyc_contract.errors import AudioError
from sonyc_device.capture.source import Int16Array, SampleSink
from sonyc_device.errors import CaptureError

_LOGGER = logging.getLogger(__name__)

BLOCK_S: Final = 0.1
STOP_WITHIN_S: Final = 0.5
"""A file on a slow disk is not waited for; what is still read of it is not taken."""


class FileSource:
    """Delivers files one after the other at a multiple of real time, or as fast as they are taken, block by block.

    The sink waits instead of dropping samples. A file that is not usable audio is named in the log, counted, and not
    tried again; the others go on.
    """

    def __init__(
        self,
        files: Sequence[Path],
        *,
        rate_hz: int,
        speed: float = 1.0,
        loop: bool = False,
        on_refused: Callable[[Path], None] = lambda _path: None,
    ) -> None:
        """Take the files' names; nothing is read yet.

        Args:
            files: What to deliver, in order.
            rate_hz: The rate to deliver at; files of another rate are resampled.
            speed: Multiple of real time; 0 is as fast as the sink takes it.
            loop: Whether to begin again after the last file.
            on_refused: Told each file that is left out, once.
        """
        self._files = list(files)
        self._rate_hz = rate_hz
        self._speed = speed
        self._loop = loop
        self._on_refused = on_refused
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._sink: SampleSink | None = None
        self._n_delivered = 0
        self._started_s = 0.0

    @property
    def is_live(self) -> bool:
        """No: a file waits until it is taken."""
        return False

    def start(self, sink: SampleSink) -> None:
        """Begin to deliver."""
        self._sink = sink
        self._thread = threading.Thread(target=self._run, args=(sink,), name="file-source", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Deliver no more, and end the sink."""
        self._stopping.set()
        if self._sink is not None:
            self._sink.end()
        if self._thread is not None:
            self._thread.join(STOP_WITHIN_S)

    def _run(self, sink: SampleSink) -> None:
        try:
            self._deliver_all(sink)
        except CaptureError as error:
            sink.end(error)
        except Exception as error:  # noqa: BLE001 - the agent must hear of it, whatever it is
            sink.end(CaptureError(f"reading files failed: {error!r}"))
        else:
            sink.end()

    def _deliver_all(self, sink: SampleSink) -> None:
        self._started_s = time.monotonic()
        while self._files and not self._stopping.is_set():
            for path in list(self._files):
                self._deliver(path, sink)
            if not self._loop:
                break
        if not self._n_delivered and not self._stopping.is_set():
            raise CaptureError("none of the files to replay is usable audio; the log says what is wrong with each")

    def _deliver(self, path: Path, sink: SampleSink) -> None:
        n_before = self._n_delivered
        try:
            with open_audio(path) as reader:
                if reader.is_float:
                    self._read_through(path)
                for samples in resample_blocks(self._seconds(reader), reader.rate_hz, self._rate_hz):
                    self._pass_on(to_int16(samples), sink)
        except AudioError as error:
            _LOGGER.warning("file left out: %s", error)
            self._files.remove(path)
            self._on_refused(path)
            return
        if reader.is_cut:
            taken_s = (self._n_delivered - n_before) / self._rate_hz
            _LOGGER.warning("file is cut short: %s: its first %.2f s are taken", path, taken_s)

    def _seconds(self, reader: AudioReader) -> Iterator[FloatArray]:
        """Give a file by the second, up to its end or ours."""
        for block in reader.blocks():
            for start in range(0, len(block), reader.rate_hz):
                if self._stopping.is_set():
                    return
                yield block[start : start + reader.rate_hz]

    def _read_through(self, path: Path) -> None:
        """See that no sample is NaN or infinite before the first of them is taken: a file is good or bad as a whole.

        Raises:
            AudioError: one is.
        """
        with open_audio(path) as reader:
            for _ in self._seconds(reader):
                pass

    def _pass_on(self, samples: Int16Array, sink: SampleSink) -> None:
        n_block = round(BLOCK_S * self._rate_hz)
        for start in range(0, len(samples), n_block):
            block = samples[start : start + n_block]
            self._n_delivered += len(block)
            if self._speed:
                due_s = self._started_s + self._n_delivered / (self._rate_hz * self._speed)
                self._stopping.wait(max(0.0, due_s - time.monotonic()))
            if self._stopping.is_set():
                return
            sink.write(block)
