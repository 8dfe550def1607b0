"""The outbox: committed before sent, deleted on acknowledgement, never a number twice, evicted in a declared order."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_device.errors import OutboxError, OutboxVersionError
from sonyc_device.messaging.outbox import HEALTH, LABEL, SPL, Bounds, Outbox
from sonyc_device.messaging.rows import Draft, Identity
from support.drafts import label_draft

ROOMY = Bounds(max_rows=1000, max_bytes=1_000_000, max_age_s=1e9)


def open_outbox(
    path: Path,
    bounds: Bounds = ROOMY,
    now_s: Callable[[], float] = lambda: 1e9,
    monotonic: Callable[[], float] | None = None,
) -> Outbox:
    return Outbox(path, bounds, now_s=now_s, monotonic=monotonic or now_s)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an outbox may be made, in a folder that is not there yet."""
    return tmp_path / "state" / "outbox.sqlite"


def put(outbox: Outbox, *payloads: bytes, kind: str = LABEL) -> None:
    for payload in payloads:
        outbox.put(Draft(kind, payload))


def payloads(outbox: Outbox) -> list[bytes]:
    return [message.payload for message in outbox.oldest(1000)]


def test_messages_come_out_in_the_order_of_their_commits(path: Path) -> None:
    outbox = open_outbox(path)
    put(outbox, b"0", b"1", b"2", b"3", b"4")
    first, second = outbox.oldest(2)
    assert (first.kind, first.topic, first.payload, first.retain) == (LABEL, LABEL, b"0", False)
    rest = outbox.oldest(100, without={first.row_id, second.row_id})
    assert [message.payload for message in rest] == [b"2", b"3", b"4"]
    assert outbox.delete([first.row_id, second.row_id, 12345]) == 2
    assert outbox.n_rows == 3
    outbox.close()


def test_kinds_can_be_left_out(path: Path) -> None:
    outbox = open_outbox(path)
    put(outbox, b"a")
    put(outbox, b"b", kind=HEALTH)
    outbox.put(Draft("ack", b"c", topic="cmd/status/1/ack", retain=True))
    assert [message.payload for message in outbox.oldest(9, kinds_left_out={LABEL})] == [b"b", b"c"]
    ack = outbox.oldest(9)[-1]
    assert (ack.topic, ack.retain) == ("cmd/status/1/ack", True)
    outbox.close()


def test_what_waits_survives(path: Path) -> None:
    outbox = open_outbox(path)
    session = outbox.session
    outbox.secure(LABEL, Identity(session, 3))
    outbox.put(Draft(SPL, b"a", identity=Identity(session, 7)))
    outbox.put(Draft(SPL, b"b", identity=Identity(session, 5)), Draft(LABEL, b"c", identity=Identity("other", 900)))
    outbox.delete([1])
    outbox.close()

    again = open_outbox(path)
    assert (again.session, again.n_rows, payloads(again)) == (session, 2, [b"b", b"c"])
    assert again.last_numbers() == {LABEL: 3, SPL: 7}
    again.close()


def test_messages_that_are_put_together_are_there_together_or_not_at_all(path: Path) -> None:
    outbox = open_outbox(path)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO evicted VALUES ('label', 1)")
        raise sqlite3.OperationalError("told to fail")

    with pytest.raises(OutboxError, match="told to fail"):
        outbox.put(Draft(LABEL, b"a"), Draft(LABEL, b"b"), together_with=fail)
    assert (outbox.n_rows, payloads(outbox)) == (0, [])
    assert outbox.read(lambda connection: connection.execute("SELECT count(*) FROM evicted").fetchone()) == (0,)
    outbox.close()


def test_another_file_is_another_session(tmp_path: Path) -> None:
    sessions = set()
    for name in "abc":
        outbox = open_outbox(tmp_path / name)
        sessions.add(outbox.session)
        outbox.close()
    assert len(sessions) == 3
    assert all(len(session) == 16 and int(session, 16) >= 0 for session in sessions)


def test_row_ids_do_not_come_back_after_everything_was_deleted(path: Path) -> None:
    outbox = open_outbox(path)
    put(outbox, b"a")
    (message,) = outbox.oldest(1)
    outbox.delete([message.row_id])
    put(outbox, b"b")
    assert outbox.oldest(1)[0].row_id > message.row_id
    outbox.close()


def test_full_outbox_evicts_health_and_levels_before_labels(path: Path) -> None:
    outbox = open_outbox(path, Bounds(max_rows=5, max_bytes=1_000_000, max_age_s=1e9))
    put(outbox, b"l1")
    put(outbox, b"h1", b"h2", kind=HEALTH)
    put(outbox, b"s1", kind=SPL)
    put(outbox, b"l2", b"l3")
    assert payloads(outbox) == [b"l1", b"h2", b"s1", b"l2", b"l3"]
    put(outbox, b"l4", b"l5")
    assert payloads(outbox) == [b"l1", b"l2", b"l3", b"l4", b"l5"]
    put(outbox, b"l6")
    assert payloads(outbox) == [b"l2", b"l3", b"l4", b"l5", b"l6"]
    put(outbox, b"h3", kind=HEALTH)
    assert payloads(outbox) == [b"l2", b"l3", b"l4", b"l5", b"l6", b"h3"], "what has just come stays"
    put(outbox, b"l7")
    assert payloads(outbox) == [b"l3", b"l4", b"l5", b"l6", b"l7"]
    assert (outbox.n_rows, outbox.counts.evicted) == (5, {HEALTH: 3, SPL: 1, LABEL: 2})
    outbox.close()
    again = open_outbox(path)
    assert again.counts.evicted == {HEALTH: 3, SPL: 1, LABEL: 2}
    again.close()


def test_evicted_labels_are_told_as_ranges(path: Path) -> None:
    outbox = open_outbox(path, Bounds(max_rows=2, max_bytes=1_000_000, max_age_s=1e9))
    for seq in (1, 2, 3, 5, 6, 7):
        outbox.put(label_draft(seq, outbox.session))
    for seq in (1, 2):
        outbox.put(label_draft(seq, "f" * 16))
    outbox.put(Draft("evicted", b""))
    told = [(found.session, found.first_seq, found.last_seq, found.n_labels) for found in outbox.evicted_ranges(9)]
    assert told == [(outbox.session, 1, 3, 3), (outbox.session, 5, 7, 3), ("f" * 16, 1, 1, 1)]
    outbox.close()


def test_bytes_are_bounded_but_the_newest_message_stays(path: Path) -> None:
    outbox = open_outbox(path, Bounds(max_rows=1000, max_bytes=100, max_age_s=1e9))
    put(outbox, bytes(60), bytes(60), bytes(500))
    assert [len(payload) for payload in payloads(outbox)] == [500]
    outbox.close()


def test_bounds_that_became_narrower_are_reached_in_steps(path: Path) -> None:
    outbox = open_outbox(path, Bounds(max_rows=2_000, max_bytes=10**9, max_age_s=1e9))
    outbox.put(*(Draft(HEALTH, b"%d" % n) for n in range(1_200)))
    outbox.close()
    narrow = open_outbox(path, Bounds(max_rows=10, max_bytes=10**9, max_age_s=1e9))
    left = []
    for _ in range(4):
        narrow.evict()
        left.append(narrow.n_rows)
    assert left == [700, 200, 10, 10]
    assert payloads(narrow)[0] == b"1190"
    narrow.close()


def test_old_messages_are_evicted(path: Path) -> None:
    now_s = 1000.0
    outbox = open_outbox(path, Bounds(max_rows=1000, max_bytes=1000, max_age_s=60.0), lambda: now_s)
    put(outbox, b"old")
    now_s += 30
    put(outbox, b"young")
    assert outbox.oldest_s() == 30
    now_s += 40
    put(outbox, b"new")
    assert payloads(outbox) == [b"young", b"new"]
    now_s += 61
    outbox.evict()
    assert (payloads(outbox), outbox.oldest_s()) == ([], None)
    outbox.close()


def test_setting_the_clock_makes_no_message_old(path: Path) -> None:
    """A node without a battery comes up in 1970, and gets the time when it gets its network."""
    wall_s, monotonic_s = 100.0, 100.0
    bounds = Bounds(max_rows=1000, max_bytes=1000, max_age_s=60.0)
    outbox = open_outbox(path, bounds, lambda: wall_s, lambda: monotonic_s)
    put(outbox, b"before")
    wall_s, monotonic_s = 1.8e9, 130.0
    outbox.evict()
    put(outbox, b"after")
    assert (payloads(outbox), outbox.counts.evicted) == ([b"before", b"after"], {})
    wall_s, monotonic_s = wall_s + 40, 170.0
    put(outbox, b"later")
    assert payloads(outbox) == [b"after", b"later"]
    outbox.close()


def test_nothing_is_too_old_by_a_clock_that_is_not_set(path: Path) -> None:
    """And what was put in by such a clock counts from when a set one first saw it."""
    bounds = Bounds(max_rows=1000, max_bytes=1000, max_age_s=60.0)
    outbox = open_outbox(path, bounds, lambda: 100.0)
    outbox.clock_is_set = lambda: False
    put(outbox, b"of 1970")
    outbox.close()
    now_s = 1.8e9
    outbox = open_outbox(path, bounds, lambda: now_s)
    outbox.clock_is_set = lambda: False
    outbox.evict()
    assert payloads(outbox) == [b"of 1970"]
    outbox.clock_is_set = lambda: True
    put(outbox, b"now")
    now_s += 50
    outbox.evict()
    assert payloads(outbox) == [b"of 1970", b"now"]
    now_s += 20
    outbox.evict()
    assert payloads(outbox) == []
    outbox.close()


def _not_a_database(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def _damaged_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    path.write_bytes(data)


def _without_session(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM identity")
    connection.close()


@pytest.mark.parametrize("damage", [_not_a_database, _damaged_page, _without_session])
def test_corrupt_file_is_kept_and_replaced(path: Path, damage: Callable[[Path], None]) -> None:
    outbox = open_outbox(path)
    session = outbox.session
    put(outbox, *(b"%d" % n * 100 for n in range(50)))
    outbox.close()
    damage(path)
    damaged = path.read_bytes()

    fresh = open_outbox(path)
    assert fresh.session != session
    assert fresh.n_rows == 0
    assert fresh.set_aside is not None
    assert fresh.set_aside.read_bytes() == damaged
    put(fresh, b"on with it")
    fresh.close()
    again = open_outbox(path)
    assert payloads(again) == [b"on with it"]
    assert again.set_aside is None
    again.close()


def test_file_of_a_newer_agent_is_refused_and_left_alone(path: Path) -> None:
    open_outbox(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(OutboxVersionError, match=r"outbox\.sqlite: made by a newer agent \(schema 99, known is 3\)"):
        open_outbox(path)
    assert not list(path.parent.glob("*corrupt*"))


def test_file_of_an_older_agent_is_brought_up_to_date(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE identity (session TEXT NOT NULL);
        CREATE TABLE sequence (kind TEXT PRIMARY KEY, last INTEGER NOT NULL);
        CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, created_s REAL NOT NULL,
                              n_bytes INTEGER NOT NULL, payload BLOB NOT NULL);
        CREATE TABLE evicted (kind TEXT PRIMARY KEY, n INTEGER NOT NULL);
        INSERT INTO identity VALUES ('0123456789abcdef');
        INSERT INTO sequence VALUES ('label', 41);
        INSERT INTO message (kind, created_s, n_bytes, payload) VALUES ('label', 1e9, 1, x'61');
        PRAGMA user_version = 1;
        """
    )
    connection.close()
    outbox = open_outbox(path)
    assert (outbox.session, payloads(outbox), outbox.last_numbers()) == ("0123456789abcdef", [b"a"], {LABEL: 41})
    assert outbox.delete([1]) == 1
    outbox.close()


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutboxError, match="cannot be opened"):
        open_outbox(tmp_path / "file" / "outbox.sqlite")


def test_commits_are_synchronous_in_a_write_ahead_log(path: Path) -> None:
    outbox = open_outbox(path)
    put(outbox, b"x")
    assert path.with_name("outbox.sqlite-wal").stat().st_size > 0
    level = outbox.read(lambda connection: connection.execute("PRAGMA synchronous").fetchone())
    assert level == (2,)
    outbox.close()


def test_room_of_sent_messages_is_given_back(path: Path) -> None:
    outbox = open_outbox(path, Bounds(10_000, 10**9, 1e9))
    outbox.put(*(Draft(LABEL, os.urandom(1_300)) for _ in range(2_000)))
    full_bytes = _size(path)
    outbox.delete([message.row_id for message in outbox.oldest(2_000)])
    for _ in range(20):
        outbox.tidy()
    outbox.close()
    assert full_bytes > 2_600_000
    assert path.stat().st_size < 1_500_000


def _size(path: Path) -> int:
    return path.stat().st_size + path.with_name(f"{path.name}-wal").stat().st_size


@settings(max_examples=25)  # each makes a real database: 0.1 s
@given(st.lists(st.tuples(st.sampled_from(["put", "ack", "reopen"]), st.integers(0, 1000)), max_size=30))
def test_nothing_is_lost_or_doubled(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    path = tmp_path_factory.mktemp("outbox") / "outbox.sqlite"
    outbox = open_outbox(path)
    expected: list[int] = []
    last = 0
    for step, n in steps:
        if step == "put":
            assert outbox.last_numbers().get(LABEL, 0) == last
            last += 1
            outbox.put(Draft(LABEL, b"%d" % last, identity=Identity(outbox.session, last)))
            expected.append(last)
        elif step == "ack" and expected:
            seq = expected.pop(n % len(expected))
            (row_id,) = [m.row_id for m in outbox.oldest(1000) if m.payload == b"%d" % seq]
            outbox.delete([row_id])
        elif step == "reopen":
            outbox.close()
            outbox = open_outbox(path)
        assert [int(payload) for payload in payloads(outbox)] == expected
        assert outbox.n_rows == len(expected)
    outbox.close()
