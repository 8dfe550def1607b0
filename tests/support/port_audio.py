"""A fake of the package `sounddevice`: streams whose blocks and overflows a test makes up."""

from types import SimpleNamespace
from typing import Any

import numpy as np


class FakePortAudio:
    """In the place of `sounddevice`, which like it lists devices anew only when it is initialised anew.

    Attributes:
        devices: What `query_devices` lists from the next initialisation on.
        settings: What the newest stream was opened with.
        fails_with: What opening a stream raises.
    """

    PortAudioError = OSError

    def __init__(self) -> None:
        self.devices: list[dict[str, object]] = []
        self._listed: list[dict[str, object]] | None = None
        self._initialized = 1
        self.settings: dict[str, Any] = {}
        self.fails_with: Exception | None = None

    def query_devices(self) -> list[dict[str, object]]:
        if not self._initialized:
            raise OSError("PortAudio not initialized")
        if self._listed is None:
            self._listed = self.devices
        return self._listed

    def _initialize(self) -> None:
        self._initialized += 1
        self._listed = None

    def _terminate(self) -> None:
        self._initialized -= 1

    def _exit_handler(self) -> None:
        self._initialized = 0

    def RawInputStream(self, *, callback: Any, finished_callback: Any, **settings: Any) -> "FakePortAudio":  # noqa: N802
        if self.fails_with is not None:
            raise self.fails_with
        self.settings, self.callback, self.finished = settings, callback, finished_callback
        return self

    def start(self) -> None:
        pass

    def abort(self, *, ignore_errors: bool) -> None:
        self.finished()  # as PortAudio does

    def close(self, *, ignore_errors: bool) -> None:
        pass

    def deliver(self, frames: np.ndarray, *, overflow: bool = False) -> None:
        """Call back with int16 [n_frames, n_channels]."""
        data = frames.astype(np.int16).tobytes()
        self.callback(data, len(frames), None, SimpleNamespace(input_overflow=overflow))
