"""The publisher: in order, bounded, again after a loss, and deleted only when acknowledged."""

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sonyc_contract.reports import Presence
from sonyc_device.messaging.link_session import Pace
from sonyc_device.messaging.messenger import Received, Refused
from sonyc_device.messaging.outbox import HEALTH, LABEL, Bounds, Outbox
from sonyc_device.messaging.publisher import MAX_WAITING_COMMANDS, Conversation, Publisher, PublisherSettings
from sonyc_device.messaging.rows import Draft
from support.messengers import FakeMessenger
from support.processes import wait_until

SETTINGS = PublisherSettings(topic="sonyc/v1/node-1", keepalive_s=60.0, reconnect_max_s=0.02)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An outbox with three messages."""
    box = Outbox(tmp_path / "outbox.sqlite", Bounds(1000, 1_000_000, 1e9), now_s=lambda: 1e9)
    for payload in (b"1", b"2", b"3"):
        box.put(Draft(LABEL, payload))
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
    started: list[Publisher],
    outbox: Outbox,
    messenger: FakeMessenger,
    settings: PublisherSettings = SETTINGS,
    conversation: Conversation | None = None,
) -> Publisher:
    publisher = Publisher(outbox, messenger, settings, conversation=conversation)
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
    outbox.put(Draft(LABEL, b"4"))
    publisher.wake()
    assert publisher.wait_until_empty(10)
    assert messenger.payloads == [b"1", b"2", b"3", b"4"]


def test_no_more_are_in_flight_than_may_be(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger(max_in_flight=2, acknowledges=False)
    start(started, outbox, messenger)
    wait_until(lambda: messenger.payloads == [b"1", b"2"], what="two messages in flight")
    messenger.links[0].acknowledge(2)
    wait_until(lambda: messenger.payloads == [b"1", b"2", b"3"], what="the third message")
    assert [message.payload for message in outbox.oldest(10)] == [b"1", b"3"]


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
    outbox.put(Draft(LABEL, b"4"))
    publisher.wake()
    assert publisher.wait_until_empty(10)
    assert len(messenger.links) == 2


def test_it_tries_for_ever_and_says_why_not(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger(refusal="broker 127.0.0.1:1883 refused: Not authorized")
    publisher = start(started, outbox, messenger)
    wait_until(lambda: messenger.n_attempts > 5, what="more attempts")
    assert publisher.state == "broker 127.0.0.1:1883 refused: Not authorized"
    assert publisher.counts.n_failures >= 5
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
    link = messenger.links[0]
    link.acknowledges = True
    for ticket in (1, 2, 3):
        link.deliver(Refused(ticket, "Not authorized"))
    assert publisher.wait_until_empty(10)
    assert messenger.payloads == [b"1", b"2", b"3"] * 2
    assert len(messenger.links) == 1


def test_kind_that_the_broker_refuses_does_not_hold_up_the_others(outbox: Outbox, started: list[Publisher]) -> None:
    outbox.put(Draft(HEALTH, b"h"))
    messenger = FakeMessenger(acknowledges=False, max_in_flight=3)
    publisher = start(started, outbox, messenger, replace(SETTINGS, reconnect_max_s=3600))
    wait_until(lambda: messenger.payloads == [b"1", b"2", b"3"], what="the labels in flight")
    for ticket in (1, 2, 3):
        messenger.links[0].deliver(Refused(ticket, "Not authorized"))
    wait_until(lambda: messenger.payloads == [b"1", b"2", b"3", b"h"], what="the health message")
    messenger.links[0].acknowledge(4)
    wait_until(lambda: publisher.n_published == 1, what="its acknowledgement")
    assert publisher.counts.refused == {LABEL: "Not authorized"}
    assert [message.payload for message in outbox.oldest(10)] == [b"1", b"2", b"3"]
    messenger.links[0].lose()
    wait_until(lambda: len(messenger.payloads) == 7, what="the labels on a new link")
    assert publisher.counts.refused == {}


def test_stopping_while_offline_keeps_the_messages(outbox: Outbox, started: list[Publisher]) -> None:
    publisher = start(started, outbox, FakeMessenger(refusal="no"))
    publisher.stop(timeout_s=10)
    assert outbox.n_rows == 3


def speak(presence: Presence, connection: str, reason: str) -> bytes:
    return f"{presence.value} {connection} {reason}".encode()


def test_every_connection_begins_with_a_birth_and_leaves_a_will(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger()
    publisher = start(started, outbox, messenger, conversation=Conversation(state=speak))
    assert publisher.wait_until_empty(10)
    messenger.links[0].lose()
    wait_until(lambda: len(messenger.links) == 2 and bool(messenger.links[1].sent), what="a second connection")
    for link in messenger.links:
        topic, birth = link.sent[0]
        assert link.will is not None
        assert (topic, link.will.topic, link.retained) == ("sonyc/v1/node-1/state",) * 2 + ([topic],)
        connection = birth.decode().split()[1]
        assert (birth, link.will.payload) == (
            f"online {connection} connected".encode(),
            f"offline {connection} connection lost".encode(),
        )
    assert messenger.links[0].sent[0] != messenger.links[1].sent[0], "a random id for each connection"


def test_changed_state_is_announced_and_an_orderly_end_is_said(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger()
    publisher = start(started, outbox, messenger, conversation=Conversation(state=speak))
    assert publisher.wait_until_empty(10)
    publisher.announce()
    wait_until(lambda: len(messenger.links[0].retained) == 2, what="the state again")
    publisher.stop(timeout_s=10)
    said = [payload.decode() for topic, payload in messenger.links[0].sent if topic.endswith("/state")]
    assert [words.split()[0] for words in said] == ["online", "online", "offline"]
    assert said[-1].endswith(" stopped")
    assert messenger.links[0].is_closed
    assert publisher.n_published == 3


def test_commands_are_asked_for_and_handed_over(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger()
    taken: list[Received] = []
    start(started, outbox, messenger, conversation=Conversation(on_command=taken.append))
    wait_until(lambda: bool(messenger.links), what="a connection")
    assert messenger.links[0].subscriptions == ["sonyc/v1/node-1/cmd/+/+"]
    command = Received("sonyc/v1/node-1/cmd/status/1", b"{}", retained=True)
    messenger.links[0].deliver(command)
    wait_until(lambda: taken == [command], what="the command")


def test_nothing_is_subscribed_to_where_nobody_takes_commands(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger()
    publisher = start(started, outbox, messenger)
    assert publisher.wait_until_empty(10)
    assert messenger.links[0].subscriptions == []


def test_flood_of_commands_is_cut_off_and_counted(outbox: Outbox, started: list[Publisher]) -> None:
    messenger, gate = FakeMessenger(), threading.Event()
    taken: list[Received] = []

    def take(command: Received) -> None:
        gate.wait(30)
        taken.append(command)

    publisher = start(started, outbox, messenger, conversation=Conversation(on_command=take))
    wait_until(lambda: bool(messenger.links), what="a connection")
    for n in range(3 * MAX_WAITING_COMMANDS):
        messenger.links[0].deliver(Received(f"cmd/status/{n}", b"{}", retained=False))
    n_taken_at_most = MAX_WAITING_COMMANDS + 1  # one is in work
    assert publisher.counts.n_ignored >= 3 * MAX_WAITING_COMMANDS - n_taken_at_most
    gate.set()
    wait_until(lambda: len(taken) + publisher.counts.n_ignored == 3 * MAX_WAITING_COMMANDS, what="the rest")
    for _ in range(10):
        messenger.links[0].deliver(Received("cmd/status/again", b"{}", retained=False))
    wait_until(lambda: taken[-1].topic == "cmd/status/again", what="commands after the flood")


def test_command_that_cannot_be_taken_costs_no_message(outbox: Outbox, started: list[Publisher]) -> None:
    messenger = FakeMessenger(acknowledges=False)

    def fail(_command: Received) -> None:
        raise ValueError("told to fail")

    publisher = start(started, outbox, messenger, conversation=Conversation(on_command=fail))
    wait_until(lambda: len(messenger.payloads) == 3, what="all in flight")
    messenger.acknowledges = True
    messenger.links[0].deliver(Received("cmd/status/1", b"{}", retained=False))
    assert publisher.wait_until_empty(10)


def test_pace_is_kept_and_not_saved_up() -> None:
    now_s = 50.0
    pace = Pace(4.0, lambda: now_s)
    for _ in range(4):
        assert pace.n_allowed() >= 1
        pace.take()
    assert (pace.n_allowed(), pace.time_to_next_s()) == (0, 0.25)
    now_s += 0.25
    assert (pace.n_allowed(), pace.time_to_next_s()) == (1, 0)
    now_s += 3600
    assert pace.n_allowed() == 4


def test_backlog_is_sent_no_faster_than_the_pace(outbox: Outbox, started: list[Publisher]) -> None:
    for n in range(60):
        outbox.put(Draft(LABEL, b"%d" % n))
    messenger = FakeMessenger()
    publisher = start(started, outbox, messenger, replace(SETTINGS, drain_per_s=40.0))
    started_s = time.monotonic()
    assert publisher.wait_until_empty(30)
    # 63 messages: a second's worth at once, and the other 23 one by one.
    assert time.monotonic() - started_s > 23 / 40.0 - 0.05
    assert len(messenger.payloads) == 63


def test_slow_pace_never_stops() -> None:
    now_s = 0.0
    pace = Pace(0.1, lambda: now_s)
    pace.take()
    assert pace.time_to_next_s() == 10
    now_s = 10.0
    assert pace.n_allowed() == 1
