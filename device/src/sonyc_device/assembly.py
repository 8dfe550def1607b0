"""Chooses the parts of an agent that a configuration asks for."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sonyc_contract.bundle import Bundle, read_bundle
from sonyc_contract.errors import ConfigError
from sonyc_device.agent import Agent, Counters, Parts
from sonyc_device.bundles import default_bundle_path
from sonyc_device.capture.assembly import make_plan, make_ring, make_source, make_timeline
from sonyc_device.capture.faults import FaultDetector
from sonyc_device.capture.liveness import Liveness
from sonyc_device.capture.source import AudioSource
from sonyc_device.classification import Classifier, require_served
from sonyc_device.clock import Clock, SystemClock
from sonyc_device.config import MqttSettings, NodeConfig, OutboxSettings
from sonyc_device.effective import InEffect, effective_of
from sonyc_device.keeping_up import measure_speed, require_speed
from sonyc_device.labelling import NodeFacts
from sonyc_device.messaging.books import Books
from sonyc_device.messaging.holding import HoldingOutbox
from sonyc_device.messaging.mqtt import Login, MqttMessenger
from sonyc_device.messaging.outbox import Bounds, Outbox
from sonyc_device.messaging.publisher import Publisher, PublisherSettings
from sonyc_device.running.notify import service_manager
from sonyc_device.running.status import status_answered
from sonyc_device.state import state_folder
from sonyc_device.storing.assembly import make_store
from sonyc_device.supervision import TICK_S, Duty

if TYPE_CHECKING:
    from sonyc_device.level.watch import LevelWatch

MAX_PASSWORD_BYTES: Final = 65_535
"""MQTT writes a length in 16 bits."""

_DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class Seams:
    """What stands in for the machine's own; None is the machine's own.

    Attributes:
        clock: Tells the time.
        source: Delivers samples, at the configured rate.
        classifier: Encodes and scores them.
    """

    clock: Clock | None = None
    source: AudioSource | None = None
    classifier: Classifier | None = None


@contextmanager
def open_agent(config: NodeConfig, *, seams: Seams = Seams()) -> Iterator[Agent]:  # noqa: B008 - it is frozen
    """Put an agent together, and close its files at the end.

    Args:
        config: The node's.
        seams: What is not to be the machine's own.

    Raises:
        ContractError: the bundle cannot be used, or does not serve the node's level or storage rate; files to replay or
            the password file cannot be read.
        DeviceError: the state folder is held by another agent, or cannot be written; or this machine cannot keep up.
    """
    classifier = seams.classifier or make_classifier(config)
    messenger = make_messenger(config.mqtt, client_id=config.node_id)
    counters, clock = Counters(), seams.clock or SystemClock()
    in_effect = InEffect(effective_of(config))
    liveness = Liveness()
    source = seams.source or make_source(config.capture, on_refused=counters.count_refused, liveness=liveness)
    if source.is_live:  # files wait
        require_speed(measure_speed(classifier, config), config)
    ring = make_ring(config.capture)
    timeline = make_timeline(config.capture, ring, clock)
    with state_folder(config.state_folder) as folder:
        run = secrets.token_hex(8)
        books = Books(run)
        store = make_store(config.store, state_folder=folder, clock=clock)
        store.age()  # removes what a kill left half-written
        store.make_room()  # a full disk must not keep the outbox from being opened
        outbox = _open_outbox(config.outbox, folder, books, make_room=store.make_room, clock=clock)
        try:
            agent = Agent(
                Parts(
                    source=source,
                    ring=ring,
                    plan=make_plan(config.capture, timeline, in_effect=lambda: in_effect.now.config.capture),
                    timeline=timeline,
                    faults=FaultDetector(config.faults, timeline, rate_hz=config.capture.rate_hz),
                    classifier=classifier,
                    store=store,
                    outbox=outbox,
                    books=books,
                    publisher=Publisher(outbox, messenger, _publisher_settings(config)),
                    clock=clock,
                    facts=_facts(config, session=outbox.session, run=run),
                    in_effect=in_effect,
                    levels=_make_levels(config, folder),
                    liveness=liveness,
                    duties=[Duty("store", TICK_S, store.age)],
                    counters=counters,
                    manager=service_manager(),
                )
            )
            with status_answered(folder, agent.status):
                yield agent
        finally:
            outbox.close()
            store.close()


def make_classifier(config: NodeConfig) -> Classifier:
    """Open the models of the node's bundle.

    Raises:
        ContractError: they cannot be used, or do not serve the node's level or storage rate.
    """
    return Classifier(served_bundle(config), runtime=config.classify.runtime, n_threads=config.classify.n_threads)


def served_bundle(config: NodeConfig) -> Bundle:
    """Read the node's bundle, and see that it serves the node's level and storage rate.

    Raises:
        BundleError: it cannot be read, or is for another storage rate.
        LevelError: it has no head for the level.
    """
    bundle = read_bundle(config.classify.bundle or default_bundle_path())
    require_served(bundle, level=config.served_level, storage_rate_hz=config.store.storage_rate_hz)
    return bundle


def make_messenger(settings: MqttSettings, *, client_id: str) -> MqttMessenger:
    """Make the way to the broker.

    Raises:
        ConfigError: the password file cannot be read.
    """
    login = Login(
        host=settings.host,
        port=settings.port,
        client_id=client_id,
        username=settings.username,
        password=read_password(settings.password_file),
        keepalive_s=settings.keepalive_s,
    )
    return MqttMessenger(login, max_in_flight=settings.max_in_flight)


def read_password(path: Path | None) -> str:
    """Read the password, the first line of a file; empty where there is none.

    Raises:
        ConfigError: the file cannot be read, or its first line is longer than MQTT can send.
    """
    if path is None:
        return ""
    try:
        password = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise ConfigError(f"{path}: the broker's password cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the broker's password is not UTF-8 text") from error
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise ConfigError(f"{path}: the broker's password is longer than {MAX_PASSWORD_BYTES} bytes")
    return password


def _make_levels(config: NodeConfig, folder: Path) -> "LevelWatch | None":
    if not config.level.enabled:
        return None
    from sonyc_device.level.calibration import reference_in
    from sonyc_device.level.watch import LevelWatch

    return LevelWatch(
        config.capture.rate_hz,
        with_bands=config.level.bands,
        with_minutes=config.level.spl,
        keep_s=config.capture.clip_s,
        reference=reference_in(folder, config.capture),
    )


def _open_outbox(
    settings: OutboxSettings, folder: Path, books: Books, *, make_room: Callable[[], None], clock: Clock
) -> HoldingOutbox:
    def open_file() -> Outbox:
        return Outbox(folder / "outbox.sqlite", _bounds(settings), books=books, now_s=lambda: clock.utc().timestamp())

    return HoldingOutbox(open_file, books, make_room=make_room)


def _facts(config: NodeConfig, *, session: str, run: str) -> NodeFacts:
    return NodeFacts(
        node=config.node_id,
        session=session,
        run=run,
        storage_rate_hz=config.store.storage_rate_hz,
        rate_hz=config.capture.rate_hz,
    )


def _bounds(settings: OutboxSettings) -> Bounds:
    return Bounds(settings.max_rows, settings.max_bytes, settings.max_age_days * _DAY_S)


def _publisher_settings(config: NodeConfig) -> PublisherSettings:
    return PublisherSettings(
        topic=f"{config.mqtt.prefix}/v1/{config.node_id}",
        keepalive_s=config.mqtt.keepalive_s,
        reconnect_max_s=config.mqtt.reconnect_max_s,
    )
