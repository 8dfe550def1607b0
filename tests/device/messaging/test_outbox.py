"""The outbox: committed before sent, deleted on acknowledgement, never a number twice."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_device.errors import OutboxError
from sonyc_device.messaging.outbox import LABEL, Bounds, Outbox

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


def payloads(outbox: Outbox) -> list[bytes]:
    return [message.payload for message in outbox.after(0, 1000)]


def test_messages_come_out_in_the_order_of_their_commits(path: Path) -> None:
    outbox = open_outbox(path)
    for n in range(5):
        outbox.put(LABEL, b"%d" % n)
    first, second, *_ = outbox.after(0, 2)
    assert (first.kind, first.payload, second.payload) == (LABEL, b"0", b"1")
    assert [message.payload for message in outbox.after(second.row_id, 100)] == [b"2", b"3", b"4"]
    assert outbox.delete([first.row_id, second.row_id, 12345]) == 2
    assert outbox.n_rows == 3
    outbox.close()


def test_what_waits_survives(path: Path) -> None:
    outbox = open_outbox(path)
    session = outbox.session
    assert [outbox.reserve(LABEL) for _ in range(3)] == [1, 2, 3]
    outbox.put(LABEL, b"a")
    outbox.put(LABEL, b"b")
    outbox.delete([1])
    outbox.close()

    again = open_outbox(path)
    assert (again.session, again.n_rows, payloads(again)) == (session, 1, [b"b"])
    assert again.reserve(LABEL) == 4
    assert again.reserve("health") == 1
    again.close()


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
    outbox.put(LABEL, b"a")
    (message,) = outbox.after(0, 1)
    outbox.delete([message.row_id])
    outbox.put(LABEL, b"b")
    assert outbox.after(message.row_id, 1)[0].payload == b"b"
    outbox.close()


def test_full_outbox_evicts_the_oldest_and_counts(path: Path) -> None:
    outbox = open_outbox(path, Bounds(max_rows=3, max_bytes=1_000_000, max_age_s=1e9))
    for n in range(7):
        outbox.put(LABEL, b"%d" % n)
    assert payloads(outbox) == [b"4", b"5", b"6"]
    assert (outbox.n_rows, outbox.n_evicted) == (3, 4)
    outbox.close()
    again = open_outbox(path)
    assert again.n_evicted == 4
    again.close()


def test_bytes_are_bounded_but_the_newest_message_stays(path: Path) -> None:
    outbox = open_outbox(path, Bounds(max_rows=1000, max_bytes=100, max_age_s=1e9))
    outbox.put(LABEL, bytes(60))
    outbox.put(LABEL, bytes(60))
    outbox.put(LABEL, bytes(500))
    assert [len(payload) for payload in payloads(outbox)] == [500]
    outbox.close()


def test_old_messages_are_evicted(path: Path) -> None:
    now_s = 1000.0
    outbox = open_outbox(path, Bounds(max_rows=1000, max_bytes=1000, max_age_s=60.0), lambda: now_s)
    outbox.put(LABEL, b"old")
    now_s += 30
    outbox.put(LABEL, b"young")
    now_s += 40
    outbox.put(LABEL, b"new")
    assert payloads(outbox) == [b"young", b"new"]
    outbox.close()


def test_setting_the_clock_makes_no_message_old(path: Path) -> None:
    """A node without a battery comes up in 1970, and gets the time when it gets its network."""
    wall_s, monotonic_s = 100.0, 100.0
    bounds = Bounds(max_rows=1000, max_bytes=1000, max_age_s=60.0)
    outbox = open_outbox(path, bounds, lambda: wall_s, lambda: monotonic_s)
    outbox.put(LABEL, b"before")
    wall_s, monotonic_s = 1.8e9, 130.0
    outbox.put(LABEL, b"after")
    assert (payloads(outbox), outbox.n_evicted) == ([b"before", b"after"], 0)
    wall_s, monotonic_s = wall_s + 40, 170.0
    outbox.put(LABEL, b"later")
    assert payloads(outbox) == [b"after", b"later"]
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
    for n in range(50):
        outbox.put(LABEL, b"%d" % n * 100)
    outbox.close()
    damage(path)
    damaged = path.read_bytes()

    fresh = open_outbox(path)
    assert fresh.session != session
    assert fresh.n_rows == 0
    assert fresh.set_aside is not None
    assert fresh.set_aside.read_bytes() == damaged
    fresh.put(LABEL, b"on with it")
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
    with pytest.raises(OutboxError, match=r"outbox\.sqlite: made by a newer agent \(schema 99, known is 1\)"):
        open_outbox(path)
    assert len(list(path.parent.glob("outbox.sqlite*"))) == 1


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutboxError, match="cannot be opened"):
        open_outbox(tmp_path / "file" / "outbox.sqlite")


def test_commits_are_synchronous_in_a_write_ahead_log(path: Path) -> None:
    outbox = open_outbox(path)
    outbox.put(LABEL, b"x")
    assert path.with_name("outbox.sqlite-wal").stat().st_size > 0
    outbox.close()


@settings(max_examples=25)  # each makes a real database: 0.1 s
@given(st.lists(st.tuples(st.sampled_from(["put", "ack", "reopen"]), st.integers(0, 1000)), max_size=30))
def test_nothing_is_lost_or_doubled(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    path = tmp_path_factory.mktemp("outbox") / "outbox.sqlite"
    outbox = open_outbox(path)
    expected: list[int] = []
    last = 0
    for step, n in steps:
        if step == "put":
            seq = outbox.reserve(LABEL)
            assert seq == last + 1
            last = seq
            outbox.put(LABEL, b"%d" % seq)
            expected.append(seq)
        elif step == "ack" and expected:
            seq = expected.pop(n % len(expected))
            (row_id,) = [m.row_id for m in outbox.after(0, 1000) if m.payload == b"%d" % seq]
            outbox.delete([row_id])
        elif step == "reopen":
            outbox.close()
            outbox = open_outbox(path)
        assert [int(payload) for payload in payloads(outbox)] == expected
        assert outbox.n_rows == len(expected)
    outbox.close()
