"""What the publisher needs: messages that wait, and connections to a broker that are made, used and thrown away."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Message:
    """A message that waits: `row_id` grows in the order of commits, `kind` ends its topic."""

    row_id: int
    kind: str
    payload: bytes


class MessageStore(Protocol):
    """Where messages wait until they are acknowledged."""

    @property
    def n_rows(self) -> int:
        """How many messages wait."""

    def after(self, row_id: int, limit: int) -> Sequence[Message]:
        """Give up to `limit` messages that were committed after `row_id`, the oldest first."""

    def delete(self, row_ids: Sequence[int]) -> int:
        """Forget messages that were acknowledged, and say how many were still there."""


@dataclass(frozen=True)
class Acknowledged:
    """The broker has taken over the message that `Link.send` gave this ticket for."""

    ticket: int


@dataclass(frozen=True)
class Lost:
    """The connection is gone, or the broker refused a message; what is not acknowledged must be sent again."""

    reason: str


Event = Acknowledged | Lost


class Link(Protocol):
    """One connection. After its loss it is closed and never used again."""

    @property
    def max_in_flight(self) -> int:
        """How many messages may wait for their acknowledgement."""

    def send(self, topic: str, payload: bytes) -> int:
        """Send with QoS 1, not retained, without waiting; gives a ticket that is unique within this link.

        Raises:
            MessengerError: the connection is lost.
        """

    def close(self) -> None:
        """End the connection, within a second whatever the broker does."""


class Messenger(Protocol):
    """Makes connections."""

    def connect(self, deliver: Callable[[Event], None]) -> Link:
        """Connect, and wait until the broker has accepted.

        Args:
            deliver: Told, from another thread, what happens to the link; it must not wait.

        Raises:
            MessengerError: the broker is not reached, does not answer in time, or refuses.
        """
