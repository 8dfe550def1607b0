"""Chooses the parts of an agent that a configuration asks for."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sonyc_contract.bundle import Bundle, read_bundle
from sonyc_contract.golden import self_test
from sonyc_device.agent import Agent
from sonyc_device.bundles import default_bundle_path
from sonyc_device.capture.assembly import make_plan, make_ring, make_source, make_timeline
from sonyc_device.capture.faults import FaultDetector
from sonyc_device.capture.liveness import Liveness
from sonyc_device.capture.source import AudioSource
from sonyc_device.classification import Classifier, native_messages_muted, require_served
from sonyc_device.clock import Clock, SystemClock
from sonyc_device.config import NodeConfig
from sonyc_device.effective import require_head
from sonyc_device.keeping_up import measure_speed, require_speed
from sonyc_device.labelling import NodeFacts
from sonyc_device.messaging.assembly import (
    COMMANDS_NAME,
    make_messenger,
    make_outbox,
    node_topic,
    publisher_settings,
)
from sonyc_device.messaging.books import Books
from sonyc_device.messaging.command_memory import CommandMemory
from sonyc_device.messaging.commands import Desk, Listeners, Surroundings
from sonyc_device.messaging.holding import HoldingOutbox
from sonyc_device.messaging.publisher import Conversation, Publisher
from sonyc_device.node_state import StateDocument
from sonyc_device.parts import Counters, Parts
from sonyc_device.running.notify import service_manager
from sonyc_device.running.reloading import Reloader
from sonyc_device.running.status import status_answered
from sonyc_device.state import state_folder
from sonyc_device.storing.assembly import make_store
from sonyc_device.supervision import TICK_S, Duty

if TYPE_CHECKING:
    from sonyc_device.level.watch import LevelWatch


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
def open_agent(config: NodeConfig, *, path: Path | None = None, seams: Seams = Seams()) -> Iterator[Agent]:
    """Put an agent together, and close its files at the end.

    Args:
        config: The node's.
        path: The file it came from, to be read again when the agent is asked to.
        seams: What is not to be the machine's own.

    Raises:
        ContractError: the bundle cannot be used, or does not serve the node's level or storage rate; files to replay or
            the password file cannot be read.
        DeviceError: the state folder is held by another agent, or cannot be written; or this machine cannot keep up.
    """
    classifier = seams.classifier or make_tested_classifier(config)
    messenger = make_messenger(config.mqtt, client_id=config.node_id)
    counters, clock = Counters(), seams.clock or SystemClock()
    liveness = Liveness()
    source = seams.source or make_source(config.capture, on_refused=counters.count_refused, liveness=liveness)
    if source.is_live:  # files wait
        require_speed(measure_speed(classifier, config), config)
    ring = make_ring(config.capture, monotonic=clock.monotonic_s)
    timeline = make_timeline(config.capture, ring, clock)
    with state_folder(config.state_folder) as folder:
        run = secrets.token_hex(8)
        books = Books(run)
        store = make_store(config.store, state_folder=folder, clock=clock)
        store.age()  # removes what a kill left half-written
        store.make_room()  # a full disk must not keep the outbox from being opened
        outbox = make_outbox(config.outbox, folder, books, clock=clock, make_room=store.make_room)
        facts = _facts(config, session=outbox.session, run=run)
        memory = CommandMemory(folder / COMMANDS_NAME, is_in_use=config.commands.enabled)
        desk = Desk(config, memory, _surroundings(config, facts, classifier.bundle, outbox, clock))
        in_effect, manager = desk.in_effect, service_manager()
        state = StateDocument(facts, bundle=classifier.bundle.digest, clock=clock, in_effect=in_effect)
        conversation = Conversation(state, desk.take if config.commands.enabled else None)
        publisher = Publisher(outbox, messenger, publisher_settings(config), conversation=conversation)
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
                    publisher=publisher,
                    clock=clock,
                    facts=facts,
                    in_effect=in_effect,
                    desk=desk,
                    levels=_make_levels(config, folder),
                    liveness=liveness,
                    duties=[Duty("store", TICK_S, store.age)],
                    counters=counters,
                    manager=manager,
                    reloader=None if path is None else Reloader(path, config, desk.reload, manager=manager),
                )
            )
            desk.listeners = Listeners(on_change=publisher.announce, on_status=agent.health.ask)
            with status_answered(folder, agent.status):
                yield agent
        finally:
            outbox.close()
            store.close()


def make_tested_classifier(config: NodeConfig) -> Classifier:
    """Open the models of the node's bundle, and see that they give what they gave where they were made: in 0.2 s.

    Raises:
        ContractError: they cannot be used, give other probabilities on this machine, or do not serve the node's level
            or storage rate.
    """
    classifier = make_classifier(config)
    with native_messages_muted():
        self_test(classifier.bundle, runtime=config.classify.runtime, n_threads=config.classify.n_threads)
    return classifier


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


def _surroundings(
    config: NodeConfig, facts: NodeFacts, bundle: Bundle, outbox: HoldingOutbox, clock: Clock
) -> Surroundings:
    return Surroundings(
        topic=node_topic(config),
        node=facts.node,
        run=facts.run,
        clock=clock,
        require_possible=lambda effective: require_head(effective, bundle),
        keep=outbox.put,
    )


def _facts(config: NodeConfig, *, session: str, run: str) -> NodeFacts:
    return NodeFacts(
        node=config.node_id,
        session=session,
        run=run,
        storage_rate_hz=config.store.storage_rate_hz,
        rate_hz=config.capture.rate_hz,
    )
