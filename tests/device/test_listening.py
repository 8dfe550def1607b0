"""Whether what was recorded can be what a microphone hears."""

import math
import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sonyc_contract.audio import to_int16
from sonyc_device.capture.source import GapCause, SampleSink
from sonyc_device.errors import CaptureError, CaptureStalledError
from sonyc_device.listening import listen, what_is_wrong
from support.signals import noise

RATE_HZ = 16_000


class Microphone:
    """Delivers what it is given, from a thread of its own, and then nothing."""

    is_live = True

    def __init__(self, samples: NDArray[np.int16], *, then: Callable[[SampleSink], None] = lambda _sink: None) -> None:
        self._samples = samples
        self._then = then
        self.is_stopped = False

    def start(self, sink: SampleSink) -> None:
        threading.Thread(target=self._deliver, args=(sink,)).start()

    def stop(self) -> None:
        self.is_stopped = True

    def _deliver(self, sink: SampleSink) -> None:
        sink.write(self._samples)
        self._then(sink)


def microphone_noise(level: float) -> NDArray[np.int16]:
    return to_int16(noise(1.0, RATE_HZ, level=level))


def test_noise_is_plausible_and_measured() -> None:
    microphone = Microphone(microphone_noise(0.1))
    heard = listen(microphone, RATE_HZ, seconds=1.0)
    assert (heard.n_samples, heard.n_gaps) == (RATE_HZ, 0)
    assert heard.leq_dbfs == pytest.approx(-20, abs=0.2)
    assert what_is_wrong(heard) == ""
    assert microphone.is_stopped


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros(RATE_HZ, np.int16), "every sample is the same"),
        (np.full(RATE_HZ, -700, np.int16), "every sample is the same"),
        (np.arange(RATE_HZ, dtype=np.int16) % 2, "hardly anything"),
        (to_int16(noise(1.0, RATE_HZ, level=1.5)), "at full scale: turn the gain down"),
        ((microphone_noise(0.01) + 8_000).astype(np.int16), "mean is 24 % of full scale"),
    ],
)
def test_what_no_microphone_hears_is_said(samples: NDArray[np.int16], said: str) -> None:
    assert said in what_is_wrong(listen(Microphone(samples), RATE_HZ, seconds=1.0))


def test_constant_samples_have_no_level() -> None:
    assert listen(Microphone(np.zeros(RATE_HZ, np.int16)), RATE_HZ, seconds=1.0).leq_dbfs == -math.inf


def test_device_that_ends_is_an_error() -> None:
    gone = CaptureError("it is gone")
    with pytest.raises(CaptureError, match="it is gone"):
        listen(Microphone(microphone_noise(0.1), then=lambda sink: sink.end(gone)), RATE_HZ, seconds=2.0)


def test_device_that_delivers_nothing_is_an_error() -> None:
    microphone = Microphone(np.zeros(0, np.int16))
    with pytest.raises(CaptureStalledError):
        listen(microphone, RATE_HZ, seconds=1.0, wait_s=0.05)
    assert microphone.is_stopped


def test_lost_samples_are_counted() -> None:
    def lose(sink: SampleSink) -> None:
        sink.skip(100, GapCause.DEVICE_OVERFLOW)
        sink.write(microphone_noise(0.1))

    assert listen(Microphone(microphone_noise(0.1), then=lose), RATE_HZ, seconds=2.0).n_gaps == 1
