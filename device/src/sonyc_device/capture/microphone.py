"""A microphone through PortAudio; its callback only copies."""

import atexit
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sonyc_device.capture.devices import SYSTEM, Input, SystemRoots, describe, find_input, inputs_of, sound_cards
from sonyc_device.capture.source import GapCause, SampleSink
from sonyc_device.errors import CaptureError

_LOGGER = logging.getLogger(__name__)

BLOCK_S: Final = 0.1
LATENCY_S: Final = 0.5
"""What the sound system may buffer: it bridges a stall of the process of up to about this long."""


@dataclass(frozen=True)
class MicrophoneSettings:
    """Which device is recorded, and how it is opened.

    Attributes:
        device: `usb:PATH`, `card:ID`, or a part that is only in the name that PortAudio has for it; empty is the
            system's default.
        rate_hz: Samples per second.
        n_channels: With how many channels the device is opened.
        channel: Which of them is recorded, from 1.
    """

    device: str = ""
    rate_hz: int = 48_000
    n_channels: int = 1
    channel: int = 1

    @property
    def name(self) -> str:
        """What the configuration calls it, for a person."""
        return repr(self.device) if self.device else "the default input"

    def __str__(self) -> str:
        return f"{self.name} at {self.rate_hz} Hz, {self.n_channels} channel(s)"


class MicrophoneSource:
    """One channel of an input device, as int16."""

    def __init__(
        self,
        settings: MicrophoneSettings,
        *,
        roots: SystemRoots = SYSTEM,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the settings; the device is found and opened by `start`.

        Args:
            settings: Which device, and how it is opened.
            roots: Where the kernel says what sound cards there are.
            monotonic: The clock.
        """
        self._settings = settings
        self._roots = roots
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
                samplerate=self._settings.rate_hz,
                blocksize=round(BLOCK_S * self._settings.rate_hz),
                device=_found(sounddevice, self._settings.device, self._roots),
                channels=self._settings.n_channels,
                dtype="int16",
                latency=LATENCY_S,
                callback=self._on_block,
                finished_callback=self._on_finished,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError, CaptureError) as error:
            raise CaptureError(
                f"cannot record from {self._settings}: {_one_line(error)}; {describe(list_inputs(self._roots))}"
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
            n_lost = round((now_s - self._called_s) * self._settings.rate_hz) - n_frames
            sink.skip(max(1, n_lost), GapCause.DEVICE_OVERFLOW)
        self._called_s = now_s
        samples = np.frombuffer(data, np.int16)
        sink.write(samples[self._settings.channel - 1 :: self._settings.n_channels])

    def _on_finished(self) -> None:
        if self._sink is not None and not self._is_stopping:
            self._sink.end(CaptureError(f"the sound system ended the stream of {self._settings}"))


class PortAudio:
    """The sound system of one microphone; see `liveness.SoundSystem`."""

    def __init__(self, settings: MicrophoneSettings, *, roots: SystemRoots = SYSTEM) -> None:
        """Take which microphone, and where the kernel says what sound cards there are."""
        self._settings = settings
        self._roots = roots

    def open(self) -> MicrophoneSource:
        """Give the microphone, which its `start` opens; a new one each time."""
        return MicrophoneSource(self._settings, roots=self._roots)

    def rescan(self) -> None:
        """Look for devices anew, which ends every stream of this process.

        Raises:
            CaptureError: PortAudio cannot, or is not installed.
        """
        sounddevice = _sounddevice()
        try:
            while sounddevice._initialized:
                sounddevice._terminate()
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            raise CaptureError(f"PortAudio cannot be started anew: {_one_line(error)}") from error

    def abandon(self) -> None:
        """See that PortAudio does not keep the process from ending, though it hangs."""
        atexit.unregister(_sounddevice()._exit_handler)


def list_inputs(roots: SystemRoots = SYSTEM) -> list[Input]:
    """List the inputs that PortAudio found when it last looked.

    Raises:
        CaptureError: PortAudio or its Python package is not installed.
    """
    return inputs_of(_sounddevice().query_devices(), sound_cards(roots))


def check_microphone(settings: MicrophoneSettings) -> None:
    """Ask PortAudio whether a device can be opened so, without recording.

    Raises:
        CaptureError: it cannot, or there is none; names the inputs there are.
    """
    sounddevice = _sounddevice()
    try:
        sounddevice.check_input_settings(
            device=_found(sounddevice, settings.device, SYSTEM),
            channels=settings.n_channels,
            dtype="int16",
            samplerate=settings.rate_hz,
        )
    except (sounddevice.PortAudioError, ValueError, CaptureError) as error:
        raise CaptureError(f"cannot record from {settings}: {_one_line(error)}; {describe(list_inputs())}") from error


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise CaptureError("sounddevice is not installed: pip install 'sonyc-device[node]'") from error
    except OSError as error:
        raise CaptureError("PortAudio is not installed: apt-get install libportaudio2") from error
    return sounddevice


def _found(sounddevice: Any, device: str, roots: SystemRoots) -> int | str | None:
    if not device:
        return None
    cards = sound_cards(roots)
    return find_input(device, inputs_of(sounddevice.query_devices(), cards), cards)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
