"""A messenger at the publisher's seam that does what a test tells it to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sonyc_device.errors import MessengerError
from sonyc_device.messaging.messenger import Acknowledged, Event, Lost, Will


@dataclass
class FakeLink:
    """A connection that keeps what was sent, and acknowledges when told to, or at once."""

    deliver: Callable[[Event], None]
    will: Will | None = None
    max_in_flight: int = 20
    acknowledges: bool = True
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    retained: list[str] = field(default_factory=list)
    subscriptions: list[str] = field(default_factory=list)
    n_tickets: int = 0
    is_closed: bool = False
    is_broken: bool = False

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Keep a message; its ticket is its number within this link."""
        if self.is_broken:
            raise MessengerError("not sent: broken")
        self.sent.append((topic, payload))
        self.retained += [topic] if retain else []
        return self._ticket()

    def subscribe(self, topic: str) -> int:
        """Keep a subscription."""
        self.subscriptions.append(topic)
        return self._ticket()

    def _ticket(self) -> int:
        self.n_tickets += 1
        if self.acknowledges:
            # Before the ticket is known, as paho's callback may.
            self.deliver(Acknowledged(self.n_tickets))
        return self.n_tickets

    def acknowledge(self, *tickets: int) -> None:
        """Acknowledge messages by their tickets."""
        for ticket in tickets:
            self.deliver(Acknowledged(ticket))

    def lose(self) -> None:
        """Tell that the connection is gone."""
        self.deliver(Lost("connection lost: told to"))

    def close(self) -> None:
        """Note that nobody uses it any more."""
        self.is_closed = True


@dataclass
class FakeMessenger:
    """Makes `FakeLink`s, or refuses."""

    max_in_flight: int = 20
    acknowledges: bool = True
    refusal: str = ""
    n_attempts: int = 0
    links: list[FakeLink] = field(default_factory=list)

    def connect(self, deliver: Callable[[Event], None], *, will: Will | None = None) -> FakeLink:
        """Connect, unless `refusal` says why not."""
        self.n_attempts += 1
        if self.refusal:
            raise MessengerError(self.refusal)
        self.links.append(FakeLink(deliver, will, self.max_in_flight, self.acknowledges))
        return self.links[-1]

    @property
    def payloads(self) -> list[bytes]:
        """Everything that was sent, over all links."""
        return [payload for link in self.links for _, payload in link.sent]

    def payloads_of(self, kind: str) -> list[bytes]:
        """What was sent on topics that end so, over all links."""
        return [payload for link in self.links for topic, payload in link.sent if topic.endswith(f"/{kind}")]
