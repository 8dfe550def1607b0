"""What the publisher needs: messages that wait, and connections to a broker that are made, used and thrown away."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Message:
    """A message that waits.

    Attributes:
        row_id: What it is called in its store.
        kind: What it is: the broker may forbid one kind and take another.
        topic: What ends its topic.
        payload: Its bytes.
        retain: Whether the broker is to keep it for those who come later.
    """

    row_id: int
    kind: str
    topic: str
    payload: bytes
    retain: bool = False


class MessageStore(Protocol):
    """Where messages wait until they are acknowledged."""

    @property
    def n_rows(self) -> int:
        """How many messages wait."""

    def oldest(
        self, limit: int, *, without: Collection[int] = (), kinds_left_out: Collection[str] = ()
    ) -> Sequence[Message]:
        """Give up to `limit` messages, the oldest first, leaving out rows and kinds."""

    def delete(self, row_ids: Sequence[int]) -> int:
        """Forget messages that were acknowledged, and say how many were still there."""


@dataclass(frozen=True)
class Acknowledged:
    """The broker has taken over what this ticket was given for."""

    ticket: int


@dataclass(frozen=True)
class Refused:
    """The broker does not want what this ticket was given for, but stays connected."""

    ticket: int
    reason: str


@dataclass(frozen=True)
class Lost:
    """The connection is gone; what is not acknowledged must be sent again."""

    reason: str


@dataclass(frozen=True)
class Received:
    """Somebody published on a topic that was subscribed to; `retained` says that the broker has kept it."""

    topic: str
    payload: bytes
    retained: bool


Event = Acknowledged | Refused | Lost | Received


@dataclass(frozen=True)
class Will:
    """What the broker publishes, retained, when the connection is lost without a goodbye."""

    topic: str
    payload: bytes


class Link(Protocol):
    """One connection. After its loss it is closed and never used again."""

    @property
    def max_in_flight(self) -> int:
        """How many messages may wait for their acknowledgement."""

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send with QoS 1, without waiting; gives a ticket that is unique within this link.

        Raises:
            MessengerError: the connection is lost.
        """

    def subscribe(self, topic: str) -> int:
        """Ask for what is published on a topic, with QoS 1; gives a ticket.

        Raises:
            MessengerError: the connection is lost.
        """

    def close(self) -> None:
        """End the connection, after what was sent and within a second whatever the broker does."""


class Messenger(Protocol):
    """Makes connections."""

    def connect(self, deliver: Callable[[Event], None], *, will: Will | None = None) -> Link:
        """Connect, and wait until the broker has accepted.

        Args:
            deliver: Told, from another thread, what happens to the link; it must not wait.
            will: The last will.

        Raises:
            MessengerError: the broker is not reached, does not answer in time, or refuses.
        """
