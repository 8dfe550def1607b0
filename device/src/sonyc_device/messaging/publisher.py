"""The one thread that sends what waits in the outbox, and forgets a message only when it was acknowledged."""

import logging
import queue
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from sonyc_contract.reports import Presence
from sonyc_device.errors import MessengerError
from sonyc_device.messaging.link_session import LinkSession, Pace
from sonyc_device.messaging.messenger import Event, MessageStore, Messenger, Received, Will

_LOGGER = logging.getLogger(__name__)

RECONNECT_MIN_S: Final = 1.0
MAX_WAITING_COMMANDS: Final = 100
STATE: Final = "state"
COMMANDS: Final = "cmd/+/+"
LOST_REASON: Final = "connection lost"


@dataclass(frozen=True)
class PublisherSettings:
    """How the publisher behaves.

    Attributes:
        topic: What a message's topic begins with; its own follows, as in `sonyc/v1/node-0001/label`.
        keepalive_s: A message that waits longer than two of these for its acknowledgement forces a new connection: a
            lost acknowledgement is not sent again on the same one.
        reconnect_max_s: Longest pause between two attempts to connect; what the broker forbids is tried again as late.
        drain_per_s: Messages a second at most, so that a fleet that comes back does not flood its broker.
    """

    topic: str
    keepalive_s: float
    reconnect_max_s: float
    drain_per_s: float = float("inf")


class Spokesman(Protocol):
    """Says whether the node is there."""

    def __call__(self, presence: Presence, connection: str, reason: str) -> bytes:
        """Give the document for the state topic."""


@dataclass(frozen=True)
class Conversation:
    """What is said and heard beside the messages of the outbox.

    Attributes:
        state: Makes the document of the state topic, retained when a connection begins, and its last will; None is to
            say nothing.
        on_command: Takes commands, one at a time in the publisher's thread; None is not to ask for any.
    """

    state: Spokesman | None = None
    on_command: Callable[[Received], None] | None = None


@dataclass
class PublisherCounts:
    """What the publisher did; the publisher's thread writes it.

    Attributes:
        n_published: Messages that were acknowledged.
        n_failures: Connections that failed or were lost.
        n_ignored: Commands that came faster than they were taken.
        refused: Why the broker does not take a kind of message, by kind.
    """

    n_published: int = 0
    n_failures: int = 0
    n_ignored: int = 0
    refused: dict[str, str] = field(default_factory=dict)


class _Wake:
    """There is something new to do."""


class Publisher:
    """Connects for ever in the background, sends in order, a bounded number at a time, deletes on acknowledgement.

    Attributes:
        counts: What it did.
        state: `connected`, or why not.
    """

    def __init__(
        self,
        outbox: MessageStore,
        messenger: Messenger,
        settings: PublisherSettings,
        *,
        conversation: Conversation | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Prepare to connect.

        Args:
            outbox: Where messages wait.
            messenger: Makes connections.
            settings: How to behave.
            conversation: What is said and heard beside the messages.
            jitter: Gives a random number from 0 to 1.
        """
        self._outbox = outbox
        self._messenger = messenger
        self._settings = settings
        self._conversation = conversation or Conversation()
        self._jitter = jitter
        self._pace = Pace(settings.drain_per_s, time.monotonic)
        self._events: queue.SimpleQueue[_Wake | tuple[int, Event]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._is_woken = False
        self._is_to_announce = False
        self._n_links = 0
        self._room = threading.Semaphore(MAX_WAITING_COMMANDS)
        self.counts = PublisherCounts()
        self.is_connected = False
        self.state = "not connected yet"

    @property
    def n_published(self) -> int:
        """How many messages were acknowledged."""
        return self.counts.n_published

    def start(self) -> None:
        """Begin to connect and to send."""
        self._thread.start()

    def wake(self) -> None:
        """Say that the outbox has a new message."""
        if not self._is_woken:  # at most one waits, however long there is no connection
            self._is_woken = True
            self._events.put(_Wake())

    def announce(self) -> None:
        """Say that the document of the state topic has changed."""
        self._is_to_announce = True
        self.wake()

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until every message is acknowledged, at most for `timeout_s`, and say whether it is so."""
        with self._progress:
            return self._progress.wait_for(lambda: self._outbox.n_rows == 0, timeout_s)

    def pause_s(self, n_failures: int) -> float:
        """Say how long to pause after so many failures in a row, n_failures >= 1: doubling, and half of it jitter."""
        longest_s = min(self._settings.reconnect_max_s, RECONNECT_MIN_S * 2.0 ** min(n_failures - 1, 30))
        return longest_s * (0.5 + 0.5 * self._jitter())

    def stop(self, timeout_s: float) -> None:
        """Say goodbye, hang up and end the thread; what is not acknowledged stays in the outbox."""
        self._stopping.set()
        self._events.put(_Wake())
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        n_failures = 0
        while not self._stopping.is_set():
            n_published = self.counts.n_published
            try:
                self._serve()
            except Exception as error:  # noqa: BLE001 - the publisher goes on, whatever happened
                n_failures = 1 if self.counts.n_published > n_published else n_failures + 1
                self._failed(error)
                self._stopping.wait(self.pause_s(n_failures))

    def _failed(self, error: Exception) -> None:
        self.is_connected = False
        if self._stopping.is_set():
            return
        self.counts.n_failures += 1
        self.state = str(error)
        expected = isinstance(error, MessengerError)
        _LOGGER.warning("not publishing: %s; %d message(s) wait", error, self._outbox.n_rows, exc_info=not expected)

    def _serve(self) -> None:
        self._n_links += 1
        number, connection = self._n_links, secrets.token_hex(8)  # events of earlier links may still come
        self._room = room = threading.Semaphore(MAX_WAITING_COMMANDS)
        link = self._messenger.connect(lambda event: self._deliver(number, event, room), will=self._will(connection))
        session = LinkSession(link, self._outbox, self._settings, self._pace, self.counts.refused)
        try:
            self.is_connected, self.state, self._is_to_announce = True, "connected", True
            if self._conversation.on_command is not None:
                session.subscribe(f"{self._settings.topic}/{COMMANDS}")
            while not self._stopping.is_set():
                self._announce(session, connection, Presence.ONLINE, "connected")
                session.fill()
                self._take_events(number, session)
            self._is_to_announce = True
            self._announce(session, connection, Presence.OFFLINE, "stopped")
        finally:
            self.is_connected = False
            link.close()

    def _will(self, connection: str) -> Will | None:
        if self._conversation.state is None:
            return None
        document = self._conversation.state(Presence.OFFLINE, connection, LOST_REASON)
        return Will(f"{self._settings.topic}/{STATE}", document)

    def _announce(self, session: LinkSession, connection: str, presence: Presence, reason: str) -> None:
        if self._is_to_announce and self._conversation.state is not None:
            self._is_to_announce = False
            session.send_unkept(STATE, self._conversation.state(presence, connection, reason))

    def _deliver(self, number: int, event: Event, room: threading.Semaphore) -> None:
        """Take an event from the link's thread; a flood of commands must not fill the memory."""
        if isinstance(event, Received) and not room.acquire(blocking=False):
            self.counts.n_ignored += 1
            return
        self._events.put((number, event))

    def _take_events(self, number: int, session: LinkSession) -> None:
        """Wait for an event, take all that are there, and delete in one commit what they acknowledge."""
        session.check_stalled()
        try:
            item = self._events.get(timeout=session.time_to_act_s())
            while True:
                if isinstance(item, _Wake):
                    self._is_woken = False
                elif item[0] == number:
                    self._take(item[1], session)
                item = self._events.get_nowait()
        except queue.Empty:
            return
        finally:
            with self._progress:  # who waits for an empty outbox must find them counted
                self.counts.n_published += session.delete_acknowledged()
                self._progress.notify_all()

    def _take(self, event: Event, session: LinkSession) -> None:
        if not isinstance(event, Received):
            session.take(event)
            return
        self._room.release()
        if self._conversation.on_command is not None:
            self._conversation.on_command(event)
