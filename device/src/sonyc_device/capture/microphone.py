"""A microphone through PortAudio; its callback only copies."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sonyc_device.capture.source import GapCause, SampleSink
from sonyc_device.errors import CaptureError

_LOGGER = logging.getLogger(__name__)

BLOCK_S: Final = 0.1
LATENCY_S: Final = 0.5
"""What the sound system may buffer: it bridges a stall of the process of up to about this long."""


class MicrophoneSource:
    """One channel of an input device, as int16."""

    def __init__(
        self,
        *,
        device: str,
        rate_hz: int,
        n_channels: int = 1,
        channel: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the settings; the device is opened by `start`.

        Args:
            device: Name, or a unique part of it, as PortAudio lists it; empty is the system's default.
            rate_hz: Samples per second.
            n_channels: With how many channels the device is opened.
            channel: Which of them is recorded, from 1.
            monotonic: The clock.
        """
        self._device = device
        self._rate_hz = rate_hz
        self._n_channels = n_channels
        self._channel = channel
        self._monotonic = monotonic
        self._sink: SampleSink | None = None
        self._stream: Any = None
        self._is_stopping = False
        self._called_s: float | None = None

    @property
    def is_live(self) -> bool:
        """Yes: samples that nobody takes are lost."""
        return True

    def start(self, sink: SampleSink) -> None:
        """Open the device and begin to deliver.

        Raises:
            CaptureError: there is no such device, or it cannot be opened as configured.
        """
        sounddevice = _sounddevice()
        self._sink = sink
        try:
            self._stream = sounddevice.RawInputStream(
                samplerate=self._rate_hz,
                blocksize=round(BLOCK_S * self._rate_hz),
                device=self._device or None,
                channels=self._n_channels,
                dtype="int16",
                latency=LATENCY_S,
                callback=self._on_block,
                finished_callback=self._on_finished,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise CaptureError(
                f"cannot record from {self._name()} at {self._rate_hz} Hz, {self._n_channels} channel(s): "
                f"{_one_line(error)}; {_inputs()}"
            ) from error

    def stop(self) -> None:
        """Deliver no more, and end the sink."""
        self._is_stopping = True
        if self._stream is not None:
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)
        if self._sink is not None:
            self._sink.end()

    def _on_block(self, data: Any, n_frames: int, _time: Any, status: Any) -> None:
        # Runs in PortAudio's thread: it must neither wait nor raise.
        now_s = self._monotonic()
        sink = self._sink
        if sink is None:
            return
        if status.input_overflow and self._called_s is not None:
            n_lost = round((now_s - self._called_s) * self._rate_hz) - n_frames
            sink.skip(max(1, n_lost), GapCause.DEVICE_OVERFLOW)
        self._called_s = now_s
        samples = np.frombuffer(data, np.int16)
        sink.write(samples if self._n_channels == 1 else samples[self._channel - 1 :: self._n_channels])

    def _on_finished(self) -> None:
        if self._sink is not None and not self._is_stopping:
            self._sink.end(CaptureError(f"the sound system ended the stream of {self._name()}"))

    def _name(self) -> str:
        return repr(self._device) if self._device else "the default input"


def input_names() -> list[str]:
    """Name the input devices that PortAudio finds.

    Raises:
        CaptureError: PortAudio or its Python package is not installed.
    """
    sounddevice = _sounddevice()
    return [str(device["name"]) for device in sounddevice.query_devices() if device["max_input_channels"] > 0]


def check_microphone(*, device: str, rate_hz: int, n_channels: int) -> None:
    """Ask PortAudio whether a device can be opened so, without recording.

    Raises:
        CaptureError: it cannot, or there is none; names the inputs there are.
    """
    sounddevice = _sounddevice()
    try:
        sounddevice.check_input_settings(device=device or None, channels=n_channels, dtype="int16", samplerate=rate_hz)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise CaptureError(f"{device or 'default input'}: {_one_line(error)}; {_inputs()}") from error


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise CaptureError("sounddevice is not installed: pip install 'sonyc-device[node]'") from error
    except OSError as error:
        raise CaptureError("PortAudio is not installed: apt-get install libportaudio2") from error
    return sounddevice


def _inputs() -> str:
    names = input_names()
    return f"inputs are: {', '.join(names)}" if names else "PortAudio finds no input at all: connect a microphone"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
