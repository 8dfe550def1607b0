"""Chooses the parts of capture that a configuration asks for."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from sonyc_contract.messages import ClockQuality
from sonyc_device.capture.audio_files import find_audio
from sonyc_device.capture.files import FileSource
from sonyc_device.capture.ladder import Ladder, Patience
from sonyc_device.capture.liveness import Liveness, WatchedSource
from sonyc_device.capture.microphone import MicrophoneSettings, PortAudio
from sonyc_device.capture.plan import RecordingPlan
from sonyc_device.capture.ring import Ring
from sonyc_device.capture.source import AudioSource
from sonyc_device.capture.starts import ClipStarts, StartsInEffect, starts_of
from sonyc_device.capture.timeline import LiveTimeline, ReplayTimeline, Timeline
from sonyc_device.clock import Clock
from sonyc_device.config import CaptureKind, CaptureSettings

RING_S: Final = 10.0
MIN_CLIP_S: Final = 1.0
"""What is left before a gap must be about one window of the recogniser to be worth a label."""


def make_source(settings: CaptureSettings, *, on_refused: Callable[[Path], None], liveness: Liveness) -> AudioSource:
    """Choose where samples come from.

    Args:
        settings: What is wanted.
        on_refused: Told each file that is left out.
        liveness: How a microphone does is written here.

    Raises:
        AudioError: a folder of files to replay holds no audio file.
    """
    if settings.source is CaptureKind.FILES:
        return FileSource(
            find_audio(settings.files),
            rate_hz=settings.rate_hz,
            speed=settings.speed,
            loop=settings.loop,
            on_refused=on_refused,
        )
    microphone = microphone_settings(settings)
    liveness.microphone = microphone.name
    return WatchedSource(
        PortAudio(microphone),
        Ladder(Patience(settings.stalled_after_s, settings.give_up_after_s)),
        rate_hz=settings.rate_hz,
        liveness=liveness,
    )


def microphone_settings(settings: CaptureSettings) -> MicrophoneSettings:
    """Give what a microphone is opened with."""
    return MicrophoneSettings(settings.device, settings.rate_hz, settings.channels, settings.channel)


def make_ring(settings: CaptureSettings, *, monotonic: Callable[[], float] = time.monotonic) -> Ring:
    """Make the ring that fits a source."""
    is_live = settings.source is CaptureKind.MICROPHONE
    return Ring(round(RING_S * settings.rate_hz), waits_when_full=not is_live, monotonic=monotonic)


def make_timeline(settings: CaptureSettings, ring: Ring, clock: Clock) -> Timeline:
    """Choose what gives samples their times: the clock, or for files their position."""
    if settings.source is CaptureKind.MICROPHONE:
        return LiveTimeline(lambda: ring.arrival, rate_hz=settings.rate_hz, clock=clock)
    if settings.files_start is not None:
        return ReplayTimeline(settings.files_start, rate_hz=settings.rate_hz, quality=ClockQuality.SYNCED)
    return ReplayTimeline(clock.utc(), rate_hz=settings.rate_hz, quality=clock.quality())


def make_plan(
    settings: CaptureSettings, timeline: Timeline, *, in_effect: Callable[[], CaptureSettings]
) -> RecordingPlan:
    """Make the plan: clips of one length and rate for the whole run, and where they begin as `in_effect` says."""
    generator = np.random.default_rng()
    of_the_run = {"rate_hz": settings.rate_hz, "clip_s": settings.clip_s}

    def make_starts(found: CaptureSettings) -> ClipStarts:
        return starts_of(found.model_copy(update=of_the_run), timeline, generator=generator)

    return RecordingPlan(
        StartsInEffect(in_effect, make_starts),
        clip_samples=round(settings.clip_s * settings.rate_hz),
        min_samples=round(MIN_CLIP_S * settings.rate_hz),
    )
