"""Hears what an agent would hear, cut, coded and scored as an agent does it; nothing is stored or published."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from sonyc_contract.audio import from_int16
from sonyc_contract.bundle import Bundle
from sonyc_contract.errors import ContractError
from sonyc_contract.labels import LABELS
from sonyc_contract.recognise import Scores
from sonyc_device.assembly import Seams
from sonyc_device.capture.assembly import make_plan, make_ring, make_source, make_timeline, microphone_settings
from sonyc_device.capture.clips import Clip
from sonyc_device.capture.liveness import Liveness
from sonyc_device.capture.microphone import check_microphone
from sonyc_device.capture.plan import RecordingPlan
from sonyc_device.capture.ring import Ring
from sonyc_device.capture.source import AudioSource, Block, End
from sonyc_device.classification import Classifier, encode_and_score, native_messages_muted
from sonyc_device.clock import SystemClock
from sonyc_device.config import CaptureKind, CaptureMode, CaptureSettings, NodeConfig, StoreMode
from sonyc_device.effective import require_head
from sonyc_device.errors import AgentRunningError, CaptureError, NotRunningError, StatusError
from sonyc_device.messaging.assembly import COMMANDS_NAME
from sonyc_device.messaging.command_memory import Kept, read_kept
from sonyc_device.messaging.commands import what_holds
from sonyc_device.running.status import read_status

_LOGGER = logging.getLogger(__name__)

_READ_S: Final = 1.0
_WAY_OUT: Final = "sudo systemctl stop sonyc-device, and start it again afterwards"


@dataclass(frozen=True)
class HeardClip:
    """A clip of full length: when it began, and its scores at the bundle's own thresholds."""

    start_utc: datetime
    scores: Scores


@dataclass
class Heard:
    """What was heard so far.

    Attributes:
        clips: In order; those that are nothing but zeros are left out.
        n_silent: How many those were.
        n_failed: How many could not be coded or scored; the log says why.
        was_interrupted: Whether somebody had enough of it.
        error: Why the source ended early; None where it did not.
    """

    clips: list[HeardClip] = field(default_factory=list)
    n_silent: int = 0
    n_failed: int = 0
    was_interrupted: bool = False
    error: CaptureError | None = None


def require_free_microphone(config: NodeConfig) -> None:
    """See that no agent holds the microphone, and that it can record.

    Raises:
        AgentRunningError: the node's agent runs.
        StatusError: that cannot be found out.
        CaptureError: the microphone is missing, or refuses the settings.
    """
    if config.capture.source is not CaptureKind.MICROPHONE:
        return
    try:
        read_status(config.state_folder)
    except NotRunningError:
        pass
    except StatusError as error:
        raise StatusError(f"an agent may hold the microphone: {error}") from error
    else:
        raise AgentRunningError(f"the agent runs and holds the microphone: {_WAY_OUT}")
    with native_messages_muted():
        check_microphone(microphone_settings(config.capture))


def config_in_effect(config: NodeConfig, bundle: Bundle) -> NodeConfig:
    """Give what an agent would run under: the node's file, with what earlier commands changed; nothing is stored."""
    kept = Kept()
    if config.commands.enabled:
        try:
            kept = read_kept(config.state_folder / COMMANDS_NAME)
        except (OSError, ValidationError):  # as for the agent, the file then holds alone
            kept = Kept()
    changed = what_holds(config, kept, lambda effective: require_head(effective, bundle)).effective.config
    return changed.model_copy(update={"store": changed.store.model_copy(update={"mode": StoreMode.NONE})})


def hear(
    config: NodeConfig,
    classifier: Classifier,
    *,
    for_s: float,
    on_clip: Callable[[Heard], None],
    seams: Seams | None = None,
) -> Heard:
    """Hear and score clips for some time, or until Ctrl-C; the main thread calls it.

    Clips follow each other, while the schedule permits it: what is sampled elsewhere has no gaps here. Files are heard
    once, as fast as they are scored. What is shorter than a clip is left out.

    Args:
        config: What is in effect.
        classifier: The node's.
        for_s: For how many seconds of samples.
        on_clip: Told of each clip, with all before it.
        seams: Clock and source, where they are not to be the machine's own.

    Raises:
        AudioError: a folder of files to replay holds no audio file.
    """
    capture = config.capture.model_copy(update={"mode": CaptureMode.CONTINUOUS, "speed": 0.0, "loop": False})
    seams = seams or Seams()
    clock = seams.clock or SystemClock()
    source = seams.source or make_source(capture, on_refused=lambda _path: None, liveness=Liveness())
    ring = make_ring(capture, monotonic=clock.monotonic_s)
    timeline = make_timeline(capture, ring, clock)
    plan = make_plan(capture, timeline, in_effect=lambda: capture)
    heard = Heard()

    def stop() -> None:
        heard.was_interrupted = True
        ring.end()

    try:
        with _interrupt_calling(stop):
            for clip in _clips(source, ring, plan, capture, n_samples=round(for_s * capture.rate_hz)):
                if heard.was_interrupted:
                    break
                _take(heard, timeline.utc(clip.start_sample), _score(clip, classifier, config))
                on_clip(heard)
    except CaptureError as error:
        heard.error = error
    finally:
        source.stop()
    return heard


@dataclass(frozen=True)
class Stretch:
    """Clips that follow each other, in all of which a class was detected.

    Attributes:
        start_utc: When the first of them began.
        end_utc: When the last of them ended.
        n_clips: How many they are.
        highest: The highest probability among them.
    """

    start_utc: datetime
    end_utc: datetime
    n_clips: int
    highest: float


def stretches(clips: list[HeardClip], label: str, *, clip_s: float) -> list[Stretch]:
    """Say when a class was detected at the bundle's own threshold."""
    found: list[Stretch] = []
    for clip in clips:
        if label not in clip.scores.detections:
            continue
        start, score = clip.start_utc, float(clip.scores.probabilities[LABELS.index(label)])
        end = start + timedelta(seconds=clip_s)
        if found and start - found[-1].end_utc < timedelta(seconds=clip_s / 2):
            last = found[-1]
            found[-1] = Stretch(last.start_utc, end, last.n_clips + 1, max(last.highest, score))
        else:
            found.append(Stretch(start, end, 1, score))
    return found


@contextmanager
def _interrupt_calling(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C call `stop` from another thread, and end the program only when it comes again.

    As an exception it would be lost where it came in a callback of libsndfile, and a clip with it.
    """

    def heed(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        threading.Thread(target=stop, name="interrupt", daemon=True).start()

    before = signal.signal(signal.SIGINT, heed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _take(heard: Heard, start_utc: datetime, scores: Scores | None) -> None:
    if scores is None:
        heard.n_failed += 1
    elif scores.is_silent:
        heard.n_silent += 1
    else:
        heard.clips.append(HeardClip(start_utc, scores))


def _score(clip: Clip, classifier: Classifier, config: NodeConfig) -> Scores | None:
    try:
        return encode_and_score(classifier, from_int16(clip.samples), config.capture.rate_hz, config)[1]
    except ContractError as error:
        _LOGGER.error("clip at sample %d has no label: %s", clip.start_sample, error)
        return None


def _clips(
    source: AudioSource, ring: Ring, plan: RecordingPlan, capture: CaptureSettings, *, n_samples: int
) -> Iterator[Clip]:
    """Give clips of full length from the first `n_samples`."""
    with native_messages_muted():
        source.start(ring)
    n_clip, position = round(capture.clip_s * capture.rate_hz), 0
    while position < n_samples:
        item = ring.read(min(round(_READ_S * capture.rate_hz), n_samples - position))
        if isinstance(item, End):
            if item.error is not None:
                raise item.error
            return
        position = item.start_sample + (len(item.samples) if isinstance(item, Block) else item.n_samples)
        for piece in plan.push(item):
            if isinstance(piece, Clip) and len(piece.samples) == n_clip:
                yield piece
