"""Says what the sound level of each minute was, as messages in the outbox."""

from functools import partial
from typing import TYPE_CHECKING

import sonyc_device
from sonyc_contract.messages import MinuteLevel, dump_message
from sonyc_device.capture.timeline import Timeline
from sonyc_device.labelling import NodeFacts
from sonyc_device.messaging.holding import HoldingOutbox
from sonyc_device.messaging.outbox import SPL
from sonyc_device.messaging.publisher import Publisher
from sonyc_device.messaging.rows import Draft, Identity

if TYPE_CHECKING:
    from sonyc_device.level.watch import LevelWatch, Minute


class MinuteReports:
    """Takes minutes from the level watch, and puts them into the outbox; one thread calls it."""

    def __init__(
        self, levels: "LevelWatch", *, facts: NodeFacts, timeline: Timeline, outbox: HoldingOutbox, publisher: Publisher
    ) -> None:
        self._levels = levels
        self._facts = facts
        self._timeline = timeline
        self._outbox = outbox
        self._publisher = publisher

    def send(self) -> None:
        """Put what has ended since the last call into the outbox."""
        for minute in self._levels.take_minutes():
            self._outbox.put_as(SPL, self._outbox.identify(SPL), partial(self._draft, minute))
            self._publisher.wake()

    def _draft(self, minute: "Minute", identity: Identity) -> Draft:
        return Draft(SPL, dump_message(self._message(minute, identity)), identity=identity)

    def _message(self, minute: "Minute", identity: Identity) -> MinuteLevel:
        reference = self._levels.reference
        return MinuteLevel(
            node=self._facts.node,
            session=identity.session,
            seq=identity.seq,
            run=self._facts.run,
            start_utc=self._timeline.utc(minute.start_sample),
            clock=self._timeline.quality(),
            sample_index=minute.start_sample,
            capture_rate_hz=self._facts.rate_hz,
            covered_s=round(minute.covered_s, 2),
            unit=reference.unit,
            calibration=reference.calibration,
            levels=minute.levels,
            agent_version=sonyc_device.__version__,
        )
