"""The publisher: in order, bounded, again after a loss, and deleted only when acknowledged."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonyc_device.messaging.messenger import Lost
from sonyc_device.messaging.outbox import LABEL, Bounds, Outbox
from sonyc_device.messaging.publisher import Publisher, PublisherSettings
from support.messengers import FakeMessenger
from support.processes import wait_until

SETTINGS = PublisherSettings(topic="sonyc/v1/node-1", keepalive_s=60.0, reconnect_max_s=0.02)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An outbox with three messages."""
    box = Outbox(tmp_path / "outbox.sqlite", Bounds(1000, 1_000_000, 1e9), now_s=lambda: 1e9)
    for payload in (b"1", b"2", b"3"):
        box.put(LABEL, payload)
    yield box
    box.close()


@pytest.fixture
def started() -> Iterator[list[Publisher]]:
    """Publishers that a test starts, stopped at its end."""
    publishers: list[Publisher] = []
    yield publishers
    for publisher in publishers:
        publisher.stop(timeout_s=10)


def start(
    started: list[Publisher], outbox: Outbox, messenger: FakeMessenger, settings: PublisherSettings = SETTINGS
) -> Publisher:
    publisher = Publisher(outbox, messenger, settings)
    started.append(publisher)
    publisher.start()
    return publisher


def test_what_waits_is_sent_in_order_and_deleted(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger()
    publisher = start(started, outbox, messenger)
    assert publisher.wait_until_empty(10)
    assert messenger.links[0].sent == [("sonyc/v1/node-1/label", payload) for payload in (b"1", b"2", b"3")]
    assert publisher.n_published == 3


def test_a_new_message_wakes_it(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger()
    publisher = start(started, outbox, messenger)
    assert publisher.wait_until_empty(10)
    outbox.put(LABEL, b"4")
    publisher.wake()
    assert publisher.wait_until_empty(10)
    assert messenger.payloads == [b"1", b"2", b"3", b"4"]


def test_no_more_are_in_flight_than_may_be(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger(max_in_flight=2, acknowledges=False)
    start(started, outbox, messenger)
    wait_until(lambda: messenger.payloads == [b"1", b"2"], what="two messages in flight")
    messenger.links[0].acknowledge(2)
    wait_until(lambda: messenger.payloads == [b"1", b"2", b"3"], what="the third message")
    assert [message.payload for message in outbox.after(0, 10)] == [b"1", b"3"]


def test_nothing_is_deleted_without_its_acknowledgement(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger(acknowledges=False)
    publisher = start(started, outbox, messenger)
    wait_until(lambda: len(messenger.payloads) == 3, what="all in flight")
    assert not publisher.wait_until_empty(0.05)
    assert (outbox.n_rows, publisher.n_published) == (3, 0)


def test_what_was_not_acknowledged_goes_out_again_on_the_next_link(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger(acknowledges=False)
    publisher = start(started, outbox, messenger)
    wait_until(lambda: len(messenger.payloads) == 3, what="all in flight")
    first = messenger.links[0]
    first.acknowledge(2)
    first.lose()
    messenger.acknowledges = True
    first.acknowledge(1)  # too late: of a link that is gone
    assert publisher.wait_until_empty(10)
    assert first.is_closed
    assert [payload for _, payload in messenger.links[-1].sent] == [b"1", b"3"]


def test_broken_link_is_replaced(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger()
    publisher = start(started, outbox, messenger)
    assert publisher.wait_until_empty(10)
    messenger.links[0].is_broken = True
    outbox.put(LABEL, b"4")
    publisher.wake()
    assert publisher.wait_until_empty(10)
    assert len(messenger.links) == 2


def test_it_tries_for_ever_and_says_why_not(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger(refusal="broker 127.0.0.1:1883 refused: Not authorized")
    publisher = start(started, outbox, messenger)
    wait_until(lambda: messenger.n_attempts > 5, what="more attempts")
    assert publisher.state == "broker 127.0.0.1:1883 refused: Not authorized"
    assert publisher.n_connection_failures >= 5
    messenger.refusal = ""
    assert publisher.wait_until_empty(10)
    assert publisher.state == "connected"


def test_a_lost_acknowledgement_forces_a_new_connection(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger(acknowledges=False)
    settings = PublisherSettings(topic="t", keepalive_s=0.05, reconnect_max_s=0.02)
    publisher = start(started, outbox, messenger, settings)
    wait_until(lambda: len(messenger.links) >= 2, what="a second connection")
    assert publisher.state in ("no acknowledgement for 0.1 s", "connected")
    messenger.acknowledges = True
    assert publisher.wait_until_empty(10)


def test_pauses_double_with_jitter_up_to_the_longest(outbox: Outbox) -> None:
    settings = PublisherSettings(topic="t", keepalive_s=60, reconnect_max_s=10)
    jitter = itertools.cycle([0.0, 1.0])
    publisher = Publisher(outbox, FakeMessenger(), settings, jitter=lambda: next(jitter))
    pauses = [publisher.pause_s(n) for n in (1, 1, 2, 2, 3, 3, 9, 9, 9_000, 9_000)]
    assert pauses == [0.5, 1, 1, 2, 2, 4, 5, 10, 5, 10]


def test_refused_message_stays_and_is_tried_again(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger(acknowledges=False)
    publisher = start(started, outbox, messenger)
    wait_until(lambda: len(messenger.payloads) == 3, what="all in flight")
    messenger.acknowledges = True
    messenger.links[0].deliver(Lost("the broker refused a message: Not authorized"))
    assert publisher.wait_until_empty(10)
    assert messenger.payloads == [b"1", b"2", b"3"] * 2


def test_stopping_while_offline_keeps_the_messages(outbox: Outbox, started: list[Publisher]) -> None:
    publisher = start(started, outbox, FakeMessenger(refusal="no"))
    publisher.stop(timeout_s=10)
    assert outbox.n_rows == 3
