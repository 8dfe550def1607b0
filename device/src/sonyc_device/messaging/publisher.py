"""The one thread that sends what waits in the outbox, and forgets a message only when it was acknowledged."""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sonyc_device.errors import MessengerError
from sonyc_device.messaging.messenger import Acknowledged, Event, Link, Lost, MessageStore, Messenger

_LOGGER = logging.getLogger(__name__)

RECONNECT_MIN_S: Final = 1.0
STALLED_AFTER_KEEPALIVES: Final = 2


@dataclass(frozen=True)
class PublisherSettings:
    """How the publisher behaves.

    Attributes:
        topic: What a message's topic begins with; its kind follows, as in `sonyc/v1/node-0001/label`.
        keepalive_s: A message that waits longer than two of these for its acknowledgement forces a new connection: a
            lost acknowledgement is not sent again on the same one.
        reconnect_max_s: Longest pause between two attempts to connect.
    """

    topic: str
    keepalive_s: float
    reconnect_max_s: float


class _Wake:
    """There is something new to do."""


class Publisher:
    """Connects for ever in the background, sends in order, a bounded number at a time, deletes on acknowledgement."""

    def __init__(
        self,
        outbox: MessageStore,
        messenger: Messenger,
        settings: PublisherSettings,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._messenger = messenger
        self._settings = settings
        self._monotonic = monotonic
        self._jitter = jitter
        self._events: queue.SimpleQueue[_Wake | tuple[int, Event]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._is_woken = False
        self._n_links = 0
        self.n_published = 0
        self.n_connection_failures = 0
        self.state = "not connected yet"

    def start(self) -> None:
        """Begin to connect and to send."""
        self._thread.start()

    def wake(self) -> None:
        """Say that the outbox has a new message."""
        if not self._is_woken:  # at most one waits, however long there is no connection
            self._is_woken = True
            self._events.put(_Wake())

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until every message is acknowledged, at most for `timeout_s`, and say whether it is so."""
        with self._progress:
            return self._progress.wait_for(lambda: self._outbox.n_rows == 0, timeout_s)

    def pause_s(self, n_failures: int) -> float:
        """Say how long to pause after so many failures in a row, n_failures >= 1: doubling, and half of it jitter."""
        longest_s = min(self._settings.reconnect_max_s, RECONNECT_MIN_S * 2.0 ** min(n_failures - 1, 30))
        return longest_s * (0.5 + 0.5 * self._jitter())

    def stop(self, timeout_s: float) -> None:
        """Hang up and end the thread; what is not acknowledged stays in the outbox."""
        self._stopping.set()
        self._events.put(_Wake())
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        n_failures = 0
        while not self._stopping.is_set():
            n_published = self.n_published
            try:
                self._serve()
            except Exception as error:  # noqa: BLE001 - the publisher goes on, whatever happened
                n_failures = 1 if self.n_published > n_published else n_failures + 1
                self._failed(error)
                self._stopping.wait(self.pause_s(n_failures))

    def _failed(self, error: Exception) -> None:
        if self._stopping.is_set():
            return
        self.n_connection_failures += 1
        self.state = str(error)
        _LOGGER.warning("not publishing: %s; %d message(s) wait", error, self._outbox.n_rows)

    def _serve(self) -> None:
        self._n_links += 1
        number = self._n_links  # events of earlier links may still come
        link = self._messenger.connect(lambda event: self._events.put((number, event)))
        try:
            self.state = "connected"
            session = _LinkSession(link, self._outbox, self._settings, self._monotonic)
            while not self._stopping.is_set():
                session.fill()
                self._take_events(number, session)
        finally:
            link.close()

    def _take_events(self, number: int, session: "_LinkSession") -> None:
        """Wait for an event, take all that are there, and delete in one commit what they acknowledge."""
        session.check_stalled()
        try:
            item = self._events.get(timeout=session.time_to_stall_s())
            while True:
                if isinstance(item, _Wake):
                    self._is_woken = False
                elif item[0] == number:
                    session.take(item[1])
                item = self._events.get_nowait()
        except queue.Empty:
            return
        finally:
            with self._progress:  # who waits for an empty outbox must find them counted
                self.n_published += session.delete_acknowledged()
                self._progress.notify_all()


class _LinkSession:
    """What is in flight on one link. Only the publisher's thread touches it."""

    def __init__(
        self, link: Link, outbox: MessageStore, settings: PublisherSettings, monotonic: Callable[[], float]
    ) -> None:
        self._link = link
        self._outbox = outbox
        self._settings = settings
        self._monotonic = monotonic
        self._in_flight: dict[int, tuple[int, float]] = {}  # ticket -> row id, when sent; in the order of sending
        self._acknowledged: list[int] = []
        self._last_row_id = 0

    def fill(self) -> None:
        """Send as many messages as may be in flight."""
        n_free = self._link.max_in_flight - len(self._in_flight)
        if n_free <= 0:
            return
        for message in self._outbox.after(self._last_row_id, n_free):
            ticket = self._link.send(f"{self._settings.topic}/{message.kind}", message.payload)
            self._in_flight[ticket] = (message.row_id, self._monotonic())
            self._last_row_id = message.row_id

    def take(self, event: Event) -> None:
        """Note an acknowledgement.

        Raises:
            MessengerError: the event is the loss of the link.
        """
        if isinstance(event, Lost):
            raise MessengerError(event.reason)
        if isinstance(event, Acknowledged) and event.ticket in self._in_flight:
            self._acknowledged.append(self._in_flight.pop(event.ticket)[0])

    def delete_acknowledged(self) -> int:
        """Delete what was acknowledged from the outbox, and say how many messages that were."""
        row_ids, self._acknowledged = self._acknowledged, []
        return self._outbox.delete(row_ids) if row_ids else 0

    def check_stalled(self) -> None:
        """See that no acknowledgement is overdue.

        Raises:
            MessengerError: one is.
        """
        if self._in_flight and self.time_to_stall_s() == 0:
            raise MessengerError(f"no acknowledgement for {self._patience_s:g} s")

    def time_to_stall_s(self) -> float | None:
        """Say how long the oldest message in flight may still wait; None when there is none."""
        if not self._in_flight:
            return None
        _, sent_s = next(iter(self._in_flight.values()))
        return max(0.0, sent_s + self._patience_s - self._monotonic())

    @property
    def _patience_s(self) -> float:
        return STALLED_AFTER_KEEPALIVES * self._settings.keepalive_s
