"""Says how the node is: what was recorded, what became of it, what waits, and what is wrong now."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

import sonyc_device
from sonyc_contract.errors import ConfigError
from sonyc_contract.messages import ClockQuality
from sonyc_contract.reports import (
    BrokerHealth,
    CaptureHealth,
    CommandHealth,
    Hour,
    LabelHealth,
    MicrophoneHealth,
    NodeHealth,
    QueueHealth,
    StoreHealth,
)
from sonyc_contract.runtime import runtime_version
from sonyc_device.errors import OutboxError
from sonyc_device.machine import read_machine
from sonyc_device.messaging.books import HOUR_S, read_hours
from sonyc_device.messaging.outbox import LABEL
from sonyc_device.messaging.tls import certificate_expires
from sonyc_device.parts import Parts


class Pipeline(Protocol):
    """What the agent knows beside its parts."""

    @property
    def n_waiting_clips(self) -> int:
        """How many clips are recorded and not classified yet."""

    @property
    def lag_s(self) -> float | None:
        """How long the last label came after the end of its clip."""

    @property
    def failed_duties(self) -> Mapping[str, int]:
        """How often duties failed."""


class HealthReport:
    """Makes health documents; any thread may ask for one.

    Attributes:
        is_asked_for: Whether somebody wants one now.
    """

    def __init__(self, parts: Parts, pipeline: Pipeline, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._pipeline = pipeline
        self._monotonic = monotonic
        self._started_s = monotonic()
        self._runtime = runtime_version(parts.classifier.runtime)
        self.is_asked_for = False

    def ask(self) -> None:
        """Ask for one to be published soon."""
        self.is_asked_for = True

    @property
    def run_s(self) -> float:
        """For how long this run has lasted."""
        return self._monotonic() - self._started_s

    def document(self) -> NodeHealth:
        """Say how the node is now."""
        parts = self._parts
        return NodeHealth(
            node=parts.facts.node,
            session=parts.facts.session,
            run=parts.facts.run,
            utc=parts.clock.utc(),
            clock=parts.clock.quality(),
            run_s=round(self.run_s, 3),
            agent_version=sonyc_device.__version__,
            runtime=self._runtime,
            bundle=parts.classifier.bundle.digest,
            settings=parts.in_effect.now.said(),
            capture=self._capture(),
            microphone=self._microphone(),
            labels=self._labels(),
            queues=self._queues(),
            broker=self._broker(),
            store=self._store(),
            commands=self._commands(),
            machine=read_machine(parts.in_effect.now.config.state_folder),
            hours=tuple(self._hours()),
            problems=tuple(self._problems()),
        )

    def _capture(self) -> CaptureHealth:
        counters, rate_hz = self._parts.counters, self._parts.facts.rate_hz
        return CaptureHealth(
            captured_s=round(counters.samples_captured / rate_hz, 3),
            lost_s=round(counters.samples_lost / rate_hz, 3),
            unscheduled_s=round(counters.samples_paused / rate_hz, 3),
            gaps=counters.gaps,
            clips_shed=counters.clips_shed,
            schedule=self._parts.plan.schedule_state,
        )

    def _microphone(self) -> MicrophoneHealth | None:
        if not self._parts.source.is_live:
            return None
        liveness = self._parts.liveness
        return MicrophoneHealth(
            name=liveness.microphone,
            state=liveness.state,
            detail=liveness.detail,
            faults=tuple(fault.kind for fault in self._parts.faults.current()),
            reopened=liveness.n_reopened,
        )

    def _labels(self) -> LabelHealth:
        parts = self._parts
        return LabelHealth(
            written=parts.counters.labels_written,
            published=parts.publisher.counts.n_published,
            failed=parts.counters.clips_failed,
            lost=parts.outbox.lost[LABEL],
            evicted=dict(parts.outbox.counts.evicted),
        )

    def _queues(self) -> QueueHealth:
        outbox, oldest_s, lag_s = self._parts.outbox, self._parts.outbox.oldest_s(), self._pipeline.lag_s
        return QueueHealth(
            messages=outbox.n_rows,
            n_bytes=outbox.counts.n_bytes,
            oldest_s=None if oldest_s is None else round(oldest_s, 3),
            in_memory=outbox.n_held,
            clips=self._pipeline.n_waiting_clips,
            lag_s=None if lag_s is None else round(lag_s, 3),
        )

    def _broker(self) -> BrokerHealth:
        publisher = self._parts.publisher
        return BrokerHealth(
            connected=publisher.is_connected,
            state=publisher.state,
            failures=publisher.counts.n_failures,
            refused=tuple(sorted(publisher.counts.refused)),
            certificate_expires_utc=self._certificate_expires(),
        )

    def _certificate_expires(self) -> datetime | None:
        path = self._parts.in_effect.now.config.mqtt.tls.certificate_file
        try:
            return None if path is None else certificate_expires(path)
        except ConfigError:  # which the connection reports
            return None

    def _store(self) -> StoreHealth:
        status, counters = self._parts.store.status(), self._parts.counters
        return StoreHealth(
            clips=status.n_clips,
            n_bytes=status.n_bytes,
            quota_bytes=status.quota_bytes,
            oldest_utc=status.oldest_utc,
            evicted={str(cause): evicted.n_clips for cause, evicted in status.evicted.items()},
            stored=counters.clips_stored,
            vetoed=counters.clips_vetoed,
            failed=counters.clips_not_stored,
        )

    def _commands(self) -> CommandHealth:
        counts, n_dropped = self._parts.desk.counts, self._parts.publisher.counts.n_ignored
        return CommandHealth(applied=counts.applied, refused=counts.refused, ignored=counts.ignored + n_dropped)

    def _hours(self) -> list[Hour]:
        from_s = self._now_in_sound().timestamp() // HOUR_S * HOUR_S - HOUR_S
        try:
            return self._parts.outbox.read(
                lambda connection: read_hours(connection, from_s=from_s, until_s=from_s + 2 * HOUR_S)
            )
        except OutboxError:  # which is a problem of its own
            return []

    def _now_in_sound(self) -> datetime:
        """Give the time of the newest sample: files may be replayed faster than the clock goes."""
        parts, counters = self._parts, self._parts.counters
        if parts.source.is_live:
            return parts.clock.utc()
        return parts.timeline.utc(counters.samples_captured + counters.samples_lost + counters.samples_paused)

    def _problems(self) -> Iterator[str]:
        parts = self._parts
        if parts.outbox.problem:
            yield f"outbox: {parts.outbox.problem}"
        if parts.outbox.set_aside is not None:
            yield f"outbox: was corrupt at the start, and is kept as {parts.outbox.set_aside.name}"
        if trouble := parts.store.status().trouble:
            yield f"store: {trouble}"
        if parts.source.is_live:
            yield from ([f"microphone: {parts.liveness.detail}"] if parts.liveness.detail else [])
            yield from (f"microphone: {fault.kind}" for fault in parts.faults.current())
        if parts.clock.quality() is ClockQuality.UNSET:
            yield "clock: was never set in this run"
        yield from (f"broker: refuses {kind}: {why}" for kind, why in sorted(parts.publisher.counts.refused.items()))
        yield from (f"commands: {problem}" for problem in parts.desk.problems)
        yield from (f"duty {name!r} failed {n} times" for name, n in sorted(self._pipeline.failed_duties.items()))
