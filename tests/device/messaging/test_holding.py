"""The outbox over a disk that is full, read-only or not there: held in memory, sent from there, and nothing twice."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonyc_device.errors import OutboxError, OutboxVersionError
from sonyc_device.messaging.books import Books, read_hours
from sonyc_device.messaging.database import BALLAST_BYTES
from sonyc_device.messaging.holding import HoldingOutbox
from sonyc_device.messaging.outbox import HEALTH, LABEL, Bounds, Outbox
from sonyc_device.messaging.rows import Draft, Identity
from support.disks import SmallDisk, small_disk
from support.drafts import RUN, START_S, label_draft, span

ROOMY = Bounds(max_rows=100_000, max_bytes=10**9, max_age_s=1e9)
DISK_BYTES = 12_000_000


class Node:
    """An outbox over a disk, as an agent has it, and what its labels are called."""

    def __init__(self, path: Path, bounds: Bounds = ROOMY, *, max_held: int = 1_000) -> None:
        self.books = Books(RUN)
        self.n_rooms_made = 0
        self.box = HoldingOutbox(
            lambda: Outbox(path, bounds, books=self.books, now_s=lambda: START_S),
            self.books,
            make_room=self._make_room,
            max_held=max_held,
        )

    def _make_room(self) -> None:
        self.n_rooms_made += 1

    def label(self, run_s: float = 0.0, *, n_bytes: int = 1_300) -> tuple[str, int]:
        """Make a label, and give what it is called in the end."""
        called: list[Identity] = []

        def make(identity: Identity) -> Draft:
            called.append(identity)
            return label_draft(identity.seq, identity.session, n_bytes=n_bytes, about=span(run_s))

        self.box.put_as(LABEL, self.box.identify(LABEL), make)
        return called[-1].session, called[-1].seq

    def numbers(self) -> list[int]:
        """The numbers of what would be sent now."""
        return [int(message.payload) for message in self.box.oldest(10_000)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", size_bytes=DISK_BYTES) as opened:
        yield opened


@pytest.fixture
def path(disk: SmallDisk) -> Path:
    return disk.folder / "state" / "outbox.sqlite"


def test_labels_that_meet_a_full_disk_are_held_under_another_session_and_committed_later(
    disk: SmallDisk, path: Path
) -> None:
    node = Node(path)
    first = [node.label() for _ in range(3)]
    in_the_way = disk.fill()
    held = [node.label(), node.label()]
    assert [seq for _, seq in held] == [1, 2], "a number that is not on the disk might be given again after a kill"
    assert {session for session, _ in held} != {node.box.session}
    assert node.n_rooms_made == 2
    assert (node.box.n_rows, node.box.n_held) == (5, 2)
    assert "disk is full" in node.box.problem
    assert node.numbers() == [1, 2, 3, 1, 2]
    in_the_way.unlink()
    node.box.maintain()
    assert (node.box.n_held, node.box.problem, node.numbers()) == (0, "", [1, 2, 3, 1, 2])
    session, seq = node.label()
    assert (session, seq) == (first[0][0], 5), "4 was given, and not used"
    node.box.close()
    again = Node(path)
    assert (again.box.session, again.box.identify(LABEL).seq) == (session, 6)
    again.box.close()


def test_labels_are_sent_from_memory(disk: SmallDisk, path: Path) -> None:
    node = Node(path)
    node.label()
    disk.fill()
    for n in range(3):
        node.label(10.0 * n)
    messages = node.box.oldest(100)
    assert [int(message.payload) for message in messages] == [1, 1, 2, 3]
    assert node.box.delete([message.row_id for message in messages[1:3]]) == 2
    assert (node.box.n_rows, node.box.n_held) == (2, 1)
    node.box.close()
    assert node.box.lost[LABEL] == 1, "what only memory had at the end"


def test_label_of_a_clip_that_is_kept_keeps_its_number(disk: SmallDisk, path: Path) -> None:
    node = Node(path)
    identity = node.box.identify(LABEL)
    node.box.secure(LABEL, identity)
    disk.fill()
    node.box.put_as(LABEL, identity, lambda known: label_draft(known.seq, known.session, n_bytes=100_000))
    assert (node.box.n_held, node.numbers()) == (1, [1])
    (message,) = node.box.oldest(1)
    assert message.payload.startswith(b"1 ")
    assert node.box.identify(LABEL).session != identity.session
    node.box.delete([message.row_id])
    node.box.close()
    again = Node(path)
    assert again.box.identify(LABEL).seq == 2, "it was on the disk before its clip was"
    again.box.close()


def test_nothing_is_sent_twice_when_the_disk_takes_again_what_is_in_flight(disk: SmallDisk, path: Path) -> None:
    node = Node(path)
    in_the_way = disk.fill()
    node.label()
    node.label()
    in_flight = node.box.oldest(1)[0].row_id
    in_the_way.unlink()
    node.box.maintain()
    assert node.box.n_held == 0
    assert [int(other.payload) for other in node.box.oldest(10, without={in_flight})] == [2]
    assert node.box.delete([in_flight]) == 1
    assert node.numbers() == [2]
    node.box.close()


def test_sent_messages_are_deleted_on_a_disk_without_a_free_byte(disk: SmallDisk, path: Path) -> None:
    node = Node(path)
    for n in range(400):
        node.label(10.0 * n)
    ballast = path.with_name("outbox.sqlite.ballast")
    assert ballast.stat().st_size == BALLAST_BYTES
    disk.fill()
    assert disk.free_bytes == 0
    for _ in range(40):
        messages = node.box.oldest(10)
        assert node.box.delete([message.row_id for message in messages]) == 10
    assert node.box.n_rows == 0
    assert not ballast.exists(), "it was given up"
    session, _ = node.label()
    assert (node.box.n_held, session) == (0, node.box.session), "there is room in the file again"
    node.box.close()
    again = Node(path)
    assert again.box.n_rows == 1
    again.box.close()


def test_evicting_works_on_a_disk_without_a_free_byte(disk: SmallDisk, path: Path) -> None:
    node = Node(path, Bounds(max_rows=300, max_bytes=10**9, max_age_s=1e9))
    for n in range(300):
        node.label(10.0 * n)
    node.box.close()
    narrow = Node(path, Bounds(max_rows=100, max_bytes=10**9, max_age_s=1e9))
    disk.fill()
    narrow.box.maintain()
    assert (narrow.box.n_rows, narrow.box.counts.evicted) == (100, {LABEL: 200})
    (evicted,) = narrow.box.evicted_ranges(10)
    assert (evicted.first_seq, evicted.last_seq, evicted.n_labels) == (1, 200, 200)
    narrow.box.close()


def test_ballast_comes_back_when_there_is_room(disk: SmallDisk, path: Path) -> None:
    node = Node(path)
    for n in range(200):
        node.label(10.0 * n)
    node.box.close()
    in_the_way = disk.fill()
    node = Node(path)
    node.box.delete([message.row_id for message in node.box.oldest(200)])
    ballast = path.with_name("outbox.sqlite.ballast")
    assert not ballast.exists()
    in_the_way.unlink()
    node.box.maintain()
    assert ballast.stat().st_size == BALLAST_BYTES
    node.box.close()


def test_start_on_a_full_disk_finds_what_waits(disk: SmallDisk, path: Path) -> None:
    node = Node(path)
    for n in range(50):
        node.label(10.0 * n)
    node.box.close()
    disk.fill()
    again = Node(path)
    assert (again.box.session, again.box.n_rows) == (node.box.session, 50)
    assert again.box.delete([message.row_id for message in again.box.oldest(50)]) == 50
    again.box.close()


def test_first_start_on_a_full_disk_lives_in_memory_until_there_is_room(disk: SmallDisk, path: Path) -> None:
    path.parent.mkdir()
    in_the_way = disk.fill()
    node = Node(path)
    session, seq = node.label()
    assert (session, seq) == (node.box.session, 1)
    assert node.numbers() == [1]
    with pytest.raises(OutboxError):
        node.box.secure(LABEL, node.box.identify(LABEL))
    in_the_way.unlink()
    node.box.maintain()
    assert (node.box.n_held, node.numbers()) == (0, [1])
    assert node.label()[0] != session
    node.box.close()


def test_file_that_becomes_read_only_costs_no_label_while_the_broker_is_there(path: Path) -> None:
    node = Node(path)
    for n in range(5):
        node.label(10.0 * n)
    # A file system does not become read-only under open files on request; SQLite's own switch gives the same refusal.
    node.box.read(lambda connection: connection.execute("PRAGMA query_only = 1"))
    assert node.box.delete([message.row_id for message in node.box.oldest(10)]) == 5
    assert "readonly" in node.box.problem
    assert (node.box.n_rows, node.box.oldest(10)) == (0, []), "they cannot be deleted, and are not sent again"
    session, seq = node.label(50.0)
    assert (seq, session == node.box.session) == (1, False)
    assert node.box.delete([message.row_id for message in node.box.oldest(10)]) == 1
    node.box.maintain()
    assert "readonly" in node.box.problem
    node.box.read(lambda connection: connection.execute("PRAGMA query_only = 0"))
    node.box.maintain()
    assert node.box.problem == ""
    assert node.label(60.0) == (node.box.session, 6)
    node.box.close()
    again = Node(path)
    assert again.numbers() == [6]
    again.box.close()


def test_start_on_a_read_only_disk_sends_from_memory(disk: SmallDisk, path: Path) -> None:
    node = Node(path)
    node.label()
    node.box.close()
    disk.remount("ro")
    again = Node(path)
    session, seq = again.label(10.0)
    assert (seq, session == node.box.session) == (1, False)
    assert 1 in again.numbers()
    again.box.close()


def test_folder_that_is_a_file_does_not_keep_labels_from_the_broker(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    node = Node(tmp_path / "state" / "outbox.sqlite")
    node.label()
    assert node.numbers() == [1]
    assert "cannot be opened" in node.box.problem
    node.box.maintain()
    node.box.close()


def test_memory_is_bounded_and_health_goes_before_labels(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    node = Node(tmp_path / "state" / "outbox.sqlite", max_held=4)
    node.label()
    node.box.put(Draft(HEALTH, b"901"))
    node.label()
    node.box.put(Draft(HEALTH, b"902"))
    node.label()
    assert node.numbers() == [1, 2, 902, 3]
    node.label()
    node.label()
    assert node.numbers() == [2, 3, 4, 5]
    assert node.box.lost == {HEALTH: 2, LABEL: 1}
    node.box.close()


def test_labels_that_memory_lost_are_reported_when_the_disk_takes_again(disk: SmallDisk, path: Path) -> None:
    node = Node(path, max_held=2)
    in_the_way = disk.fill()
    named = [node.label(10.0 * n) for n in range(5)]
    in_the_way.unlink()
    node.box.maintain()
    told = [(one.session, one.first_seq, one.last_seq) for one in node.box.evicted_ranges(10)]
    assert told == [(named[0][0], 1, 3)]
    node.box.close()


def test_what_is_published_from_memory_is_in_the_books(disk: SmallDisk, path: Path) -> None:
    node = Node(path)
    in_the_way = disk.fill()
    node.label(0.0)
    node.label(10.0)
    node.box.delete([node.box.oldest(1)[0].row_id])
    in_the_way.unlink()
    node.box.maintain()
    node.box.delete([message.row_id for message in node.box.oldest(10)])
    node.box.write(lambda _connection: None)
    (hour,) = node.box.read(lambda connection: read_hours(connection, from_s=0, until_s=1e12))
    assert (hour.classified_s, hour.published_s) == (20.0, 20.0)
    node.box.close()


def test_outbox_of_a_newer_agent_is_not_passed_over(path: Path, disk: SmallDisk) -> None:
    node = Node(path)
    node.box.read(lambda connection: connection.execute("PRAGMA user_version = 99"))
    node.box.close()
    with pytest.raises(OutboxVersionError):
        Node(path)


def test_disk_that_is_full_of_messages_takes_more_when_some_were_sent(disk: SmallDisk, path: Path) -> None:
    node = Node(path)
    n_put = 0
    while not node.box.problem:
        node.box.put(Draft(LABEL, os.urandom(20_000)))
        n_put += 1
    assert n_put * 20_000 < DISK_BYTES
    waiting = node.box.n_rows
    node.box.delete([message.row_id for message in node.box.oldest(50)])
    node.box.maintain()
    assert (node.box.problem, node.box.n_held, node.box.n_rows) == ("", 0, waiting - 50)
    node.box.close()
