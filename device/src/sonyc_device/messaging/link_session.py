"""What is in flight on one connection, at which pace, and what the broker does not take."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from sonyc_device.errors import MessengerError
from sonyc_device.messaging.messenger import Acknowledged, Event, Link, Lost, MessageStore, Refused

_LOGGER = logging.getLogger(__name__)

STALLED_AFTER_KEEPALIVES: Final = 2
_SUBSCRIPTION: Final = "cmd"


class SessionSettings(Protocol):
    """What a session must know of the publisher's settings."""

    @property
    def topic(self) -> str:
        """What every topic begins with."""

    @property
    def keepalive_s(self) -> float:
        """Half of how long an acknowledgement may take."""

    @property
    def reconnect_max_s(self) -> float:
        """After how long a kind that the broker refused is tried again."""


class Pace:
    """So many messages a second: what is not used in one second is not saved up for later ones."""

    def __init__(self, per_s: float, monotonic: Callable[[], float]) -> None:
        self._per_s = per_s
        self._monotonic = monotonic
        self._saved = self._most = max(1.0, per_s)
        self._at_s = monotonic()

    def now_s(self) -> float:
        """The time on the clock that the pace is measured with."""
        return self._monotonic()

    def n_allowed(self) -> float:
        """Say how many may be sent now."""
        now_s = self._monotonic()
        if now_s > self._at_s:
            self._saved = min(self._most, self._saved + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        return self._saved

    def take(self) -> None:
        """Note that one was sent."""
        self._saved -= 1.0

    def time_to_next_s(self) -> float:
        """Say how long it takes until one more may be sent."""
        missing = 1.0 - self.n_allowed()
        return 0.0 if missing <= 0 else missing / self._per_s


@dataclass(frozen=True)
class _InFlight:
    """What waits for its acknowledgement; `row_id` is None for what is not in the outbox."""

    row_id: int | None
    kind: str
    sent_s: float


class LinkSession:
    """What is in flight on one link. Only the publisher's thread touches it."""

    def __init__(
        self,
        link: Link,
        outbox: MessageStore,
        settings: SessionSettings,
        pace: Pace,
        refused: dict[str, str],
    ) -> None:
        """Begin with nothing in flight.

        Args:
            link: The connection.
            outbox: Where messages wait.
            settings: The publisher's.
            pace: How fast to send, over all connections.
            refused: Where to write down what the broker does not take: why, by kind.
        """
        self._link = link
        self._outbox = outbox
        self._settings = settings
        self._pace = pace
        self._refused = refused
        self._refused.clear()
        self._try_again_s: dict[str, float] = {}
        self._in_flight: dict[int, _InFlight] = {}  # by ticket, in the order of sending
        self._acknowledged: list[int] = []
        self._waits_for_pace = False

    def fill(self) -> None:
        """Send as many messages as may be in flight, no faster than the pace."""
        self._forgive()
        n_free = self._link.max_in_flight - len(self._in_flight)
        n_allowed = self._pace.n_allowed()
        self._waits_for_pace = n_free > 0 and n_allowed < 1
        n = min(n_free, math.floor(min(n_allowed, n_free)))
        if n <= 0:
            return
        sent = {flight.row_id for flight in self._in_flight.values() if flight.row_id is not None}
        found = self._outbox.oldest(n, without=sent, kinds_left_out=self._refused)
        for message in found:
            ticket = self._link.send(f"{self._settings.topic}/{message.topic}", message.payload, retain=message.retain)
            self._in_flight[ticket] = _InFlight(message.row_id, message.kind, self._pace.now_s())
            self._pace.take()
        self._waits_for_pace = len(found) == n < n_free

    def send_unkept(self, topic: str, payload: bytes) -> None:
        """Send, retained, something that is not in the outbox."""
        ticket = self._link.send(f"{self._settings.topic}/{topic}", payload, retain=True)
        self._in_flight[ticket] = _InFlight(None, topic, self._pace.now_s())

    def subscribe(self, topic: str) -> None:
        """Ask for what is published on a topic."""
        self._in_flight[self._link.subscribe(topic)] = _InFlight(None, _SUBSCRIPTION, self._pace.now_s())

    def take(self, event: Event) -> None:
        """Note what became of something in flight.

        Raises:
            MessengerError: the event is the loss of the link.
        """
        if isinstance(event, Lost):
            raise MessengerError(event.reason)
        if not isinstance(event, Acknowledged | Refused):
            return
        flight = self._in_flight.pop(event.ticket, None)
        if flight is None:
            return
        if isinstance(event, Refused):
            self._note_refused(flight, event.reason)
        elif flight.row_id is not None:
            self._acknowledged.append(flight.row_id)

    def delete_acknowledged(self) -> int:
        """Delete what was acknowledged from the outbox, and say how many messages that were."""
        row_ids, self._acknowledged = self._acknowledged, []
        return self._outbox.delete(row_ids) if row_ids else 0

    def check_stalled(self) -> None:
        """See that no acknowledgement is overdue.

        Raises:
            MessengerError: one is.
        """
        if self._in_flight and self._time_to_stall_s() == 0:
            raise MessengerError(f"no acknowledgement for {self._patience_s:g} s")

    def time_to_act_s(self) -> float | None:
        """Say after how long there is something to do though nothing happens; None is never."""
        times_s = [self._time_to_stall_s()] if self._in_flight else []
        times_s += [self._pace.time_to_next_s()] if self._waits_for_pace else []
        times_s += [max(0.0, again_s - self._pace.now_s()) for again_s in self._try_again_s.values()]
        return min(times_s, default=None)

    def _note_refused(self, flight: _InFlight, reason: str) -> None:
        _LOGGER.warning("the broker refuses %s: %s; the rest goes on", flight.kind, reason)
        self._refused[flight.kind] = reason
        if flight.row_id is not None:
            self._try_again_s[flight.kind] = self._pace.now_s() + self._settings.reconnect_max_s

    def _forgive(self) -> None:
        now_s = self._pace.now_s()
        for kind in [kind for kind, again_s in self._try_again_s.items() if again_s <= now_s]:
            del self._try_again_s[kind]
            self._refused.pop(kind, None)

    def _time_to_stall_s(self) -> float:
        sent_s = next(iter(self._in_flight.values())).sent_s
        return max(0.0, sent_s + self._patience_s - self._pace.now_s())

    @property
    def _patience_s(self) -> float:
        return STALLED_AFTER_KEEPALIVES * self._settings.keepalive_s
