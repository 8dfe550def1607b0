"""Tries out what a node needs: `check`, and beyond it sound that arrives, the clock, room, speed, and a message sent.

Where an agent runs, it holds microphone and client id: it is asked instead.
"""

import queue
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sonyc_contract.errors import ConfigError, ContractError
from sonyc_contract.messages import ClockQuality
from sonyc_device.assembly import make_classifier
from sonyc_device.capture.assembly import microphone_settings
from sonyc_device.capture.microphone import PortAudio
from sonyc_device.classification import native_messages_muted
from sonyc_device.clock import Clock
from sonyc_device.config import CaptureKind, NodeConfig, StoreMode, load_config
from sonyc_device.errors import CaptureError, DeviceError, MessengerError, NotRunningError
from sonyc_device.keeping_up import MAX_LOAD, Speed, measure_speed
from sonyc_device.listening import LISTEN_S, listen, what_is_wrong
from sonyc_device.messaging.assembly import make_messenger
from sonyc_device.messaging.messenger import Acknowledged, Event, Refused
from sonyc_device.messaging.tls import certificate_expires
from sonyc_device.preflight import Finding, State, check_node
from sonyc_device.running.status import read_status, troubles

TOPIC: Final = "doctor"
"""Below the node's own topics, where it must be permitted to publish; nobody listens there."""
ANSWER_WITHIN_S: Final = 5.0
EXPIRES_SOON: Final = timedelta(days=30)
FIRST_YEAR: Final = 2026
"""An earlier year is the clock's invention: this program did not exist."""
WARN_LOAD: Final = 0.5
_GB: Final = 1e9


def examine(path: Path, *, clock: Clock) -> Iterator[Finding]:
    """Try everything out; gives each finding as soon as it is there, and never raises for what is wrong."""
    try:
        config = load_config(path)
    except ConfigError:
        yield from check_node(path)
        return
    agent, status = _agent(config)
    yield agent
    # A microphone that is recorded cannot be opened twice.
    yield from (finding for finding in check_node(path) if status is None or finding.subject != "microphone")
    if status is not None:
        yield from _asked(status)
    elif config.capture.source is CaptureKind.MICROPHONE:
        yield _hear(config)
    yield _keeping_up(config)
    yield _clock(clock)
    yield from _room(config)
    if config.mqtt.tls.certificate_file is not None:
        yield _certificate(config.mqtt.tls.certificate_file, clock.utc())
    if status is None:
        yield _publish(config)


def _agent(config: NodeConfig) -> tuple[Finding, dict[str, Any] | None]:
    try:
        status = read_status(config.state_folder)
    except NotRunningError:
        return Finding("agent", State.OK, "does not run: all is tried out here"), None
    except DeviceError as error:
        return Finding("agent", State.WARNING, str(error), "systemctl restart sonyc-device, if it stays so"), None
    return Finding("agent", State.OK, "runs, and is asked for sound and publishing"), status


def _asked(status: dict[str, Any]) -> Iterator[Finding]:
    """What the running agent says of sound and broker, which are its own while it runs."""
    found = troubles(status)
    sound = [trouble for trouble in found if trouble.startswith(("sound: ", "microphone: "))]
    if sound:
        way_out = "look at its log: journalctl -u sonyc-device; and at the microphone: sonyc-device devices"
        yield Finding("sound", State.FAILURE, f"the running agent: {'; '.join(sound)}", way_out)
    else:
        ago_s = status["last_samples_s_ago"]
        yield Finding("sound", State.OK, f"the running agent had samples {ago_s:.1f} s ago")
    if status["broker"]["connected"]:
        yield Finding("publishing", State.OK, "the running agent is connected to the broker")
    else:
        detail = f"the running agent: {status['broker']['state']}"
        yield Finding("publishing", State.WARNING, detail, "labels wait in the outbox meanwhile")


def _hear(config: NodeConfig) -> Finding:
    capture = config.capture
    try:
        with native_messages_muted():
            heard = listen(PortAudio(microphone_settings(capture)).open(), capture.rate_hz, seconds=LISTEN_S)
    except CaptureError as error:
        return Finding("sound", State.FAILURE, str(error), "sonyc-device devices lists what there is")
    if wrong := what_is_wrong(heard):
        what, _, way_out = wrong.partition(": ")
        return Finding("sound", State.WARNING, f"{heard}; {what}", way_out)
    return Finding("sound", State.OK, str(heard))


def _keeping_up(config: NodeConfig) -> Finding:
    try:
        with native_messages_muted():
            speed = measure_speed(make_classifier(config), config)
    except (ContractError, DeviceError) as error:
        return Finding(
            "speed", State.FAILURE, f"cannot be measured: {error}", "see bundle, level and storage rate above"
        )
    return judged_speed(speed, config)


def judged_speed(speed: Speed, config: NodeConfig) -> Finding:
    """Say whether a node keeps up, and with how much to spare."""
    detail = f"level '{config.store.level}': {speed}"
    if speed.load > MAX_LOAD:
        return Finding("speed", State.FAILURE, detail, "choose a smaller bundle, more threads, or gaps between clips")
    if speed.load > WARN_LOAD:
        return Finding("speed", State.WARNING, detail, "it keeps up, with little to spare for anything else")
    return Finding("speed", State.OK, detail)


def _clock(clock: Clock) -> Finding:
    now, quality = clock.utc(), clock.quality()
    detail = f"{now.isoformat(timespec='seconds')}, {quality}"
    way_out = "let a time daemon set it: sudo timedatectl set-ntp true"
    if now.year < FIRST_YEAR or quality is ClockQuality.UNSET:
        return Finding("clock", State.WARNING, detail, way_out)
    return Finding("clock", State.OK, detail)


def _room(config: NodeConfig) -> Iterator[Finding]:
    store = config.store
    try:
        state = shutil.disk_usage(_existing(config.state_folder))
        clips = shutil.disk_usage(_existing(store.folder))
    except OSError as error:
        yield Finding("room", State.FAILURE, f"cannot be asked: {error}", "is the disk mounted?")
        return
    needed = store.reserve_bytes if store.mode is not StoreMode.NONE else config.outbox.max_bytes
    detail = f"{state.free / _GB:.1f} GB free for the state folder"
    if state.free < needed:
        way_out = f"make room for {needed / _GB:.1f} GB, which labels may take while the broker is away"
        yield Finding("room", State.WARNING, detail, way_out)
    else:
        yield Finding("room", State.OK, detail)
    if store.mode is not StoreMode.NONE:
        yield _room_for_clips(store.max_bytes, store.reserve_bytes, clips.total)


def _room_for_clips(max_bytes: int, reserve_bytes: int, total: int) -> Finding:
    if max_bytes + reserve_bytes > total:
        detail = f"max_bytes = {max_bytes / _GB:.1f} GB and the reserve are more than the disk's {total / _GB:.1f} GB"
        return Finding("quota", State.WARNING, detail, "set store.max_bytes to what the disk has")
    return Finding("quota", State.OK, f"{max_bytes / _GB:.1f} GB of the disk's {total / _GB:.1f} GB")


def _certificate(path: Path, now: datetime) -> Finding:
    try:
        expires = certificate_expires(path)
    except ContractError as error:
        return Finding("certificate", State.FAILURE, str(error), "ask who runs the broker for another")
    detail = f"{path} is valid until {expires.astimezone(UTC).isoformat(timespec='minutes')}"
    if expires <= now:
        return Finding("certificate", State.FAILURE, detail, "it has expired, if the clock is right: renew it")
    if expires - now < EXPIRES_SOON:
        return Finding("certificate", State.WARNING, detail, "renew it soon")
    return Finding("certificate", State.OK, detail)


def _publish(config: NodeConfig) -> Finding:
    topic = f"{config.mqtt.prefix}/v1/{config.node_id}/{TOPIC}"
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    try:
        link = make_messenger(config.mqtt, client_id=config.node_id).connect(events.put)
        try:
            link.send(topic, b"{}")
            event = events.get(timeout=ANSWER_WITHIN_S)
        finally:
            link.close()
    except queue.Empty:
        way_out = "the broker accepts and does not answer: look at its log"
        return Finding("publishing", State.WARNING, f"no acknowledgement in {ANSWER_WITHIN_S:g} s", way_out)
    except MessengerError as error:
        return Finding("publishing", State.WARNING, str(error), "labels wait in the outbox until the broker takes them")
    except (ContractError, DeviceError) as error:
        return Finding("publishing", State.FAILURE, str(error), "see [mqtt] in the configuration")
    if isinstance(event, Acknowledged):
        return Finding("publishing", State.OK, f"the broker has acknowledged a message on {topic}")
    reason = event.reason if isinstance(event, Refused) else str(event)
    way_out = f"permit {config.mqtt.username or config.node_id} to write to {config.mqtt.prefix}/v1/{config.node_id}/#"
    return Finding("publishing", State.WARNING, f"{topic}: {reason}", way_out)


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())
