"""The index of clips: true after a restart, and made anew from the disk where it is lost."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sonyc_contract.messages import ClockQuality
from sonyc_device.storing.clip_files import ClipName
from sonyc_device.storing.entries import Cause, Entry
from sonyc_device.storing.eviction import Limits
from sonyc_device.storing.index import ClipIndex
from sonyc_device.storing.sealing import Clear
from sonyc_device.storing.space import Space
from sonyc_device.storing.store import ClipStore, Place
from support.stored_clips import NOON, FakeClock, check_store, mp3, numbers, sidecar_of

CLIP_BYTES = -(-len(mp3()) // 4096) * 4096 + 4096
ONE, TWO = "1" * 16, "2" * 16
DAY = "2026-11-23"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A store beside a state folder."""
    for name in ("clips", "state"):
        (tmp_path / name).mkdir()
    return Place(tmp_path / "clips", tmp_path / "state")


@pytest.fixture
def open_index(place: Place) -> Iterator[Callable[[], ClipIndex]]:
    """Opens the index; closed at the end."""
    opened: list[ClipIndex] = []

    def open_() -> ClipIndex:
        opened.append(ClipIndex(place.state_folder / "clips.sqlite", place.store))
        return opened[-1]

    yield open_
    for index in opened:
        index.close()


@pytest.fixture
def make_store(place: Place) -> Iterator[Callable[..., ClipStore]]:
    """Makes stores with room for so many clips."""
    stores: list[ClipStore] = []

    def make(n_clips: int = 1000) -> ClipStore:
        limits = Limits(max_bytes=n_clips * CLIP_BYTES, reserve_bytes=0, retention_s=1e9)
        stores.append(ClipStore(place, limits, FakeClock(), form=Clear(), space=Space(lambda: 10**12, lambda: 0)))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def entry(seq: int, session: str = ONE, *, claimed_s: float = 0.0, is_dated: bool = True) -> Entry:
    return Entry(DAY, ClipName(session, seq), claimed_s, is_dated, 100)


def tend(store: ClipStore) -> None:
    """Let the store be counted, and then brought within its limits."""
    for _ in range(3):
        store.age()
    assert store.status().is_counted


def in_order(index: ClipIndex) -> list[tuple[str, int]]:
    """Take out the clips from the oldest on."""
    found = []
    while (oldest := index.oldest()) is not None:
        found.append((oldest.name.session[0], oldest.name.seq))
        index.forget(oldest)
    return found


def test_clocks_have_no_say_within_a_session(open_index: Callable[[], ClipIndex]) -> None:
    index = open_index()
    for seq, claimed_s in ((3, 50.0), (1, 9e9), (2, -9e9), (10, 0.0)):
        index.add(entry(seq, claimed_s=claimed_s))
    assert (index.n_clips, index.n_bytes) == (4, 400)
    assert in_order(index) == [("1", 1), ("1", 2), ("1", 3), ("1", 10)]
    assert (index.n_clips, index.n_bytes) == (0, 0)


def test_session_that_is_written_to_is_the_newest(open_index: Callable[[], ClipIndex]) -> None:
    """A new outbox on a node whose clock went back to 1970."""
    index = open_index()
    index.add(entry(900, ONE, claimed_s=1.7e9))
    index.add(entry(1, TWO, claimed_s=100.0, is_dated=False))
    assert in_order(index) == [("1", 900), ("2", 1)]


def test_sessions_found_on_the_disk_are_in_the_order_of_their_first_dated_clips(
    open_index: Callable[[], ClipIndex],
) -> None:
    index = open_index()
    found = [entry(5, TWO, claimed_s=2e9), entry(2, TWO, claimed_s=9.0, is_dated=False), entry(7, ONE, claimed_s=1e9)]
    index.replace(DAY, [], found, mtime_ns=None)
    assert in_order(index) == [("1", 7), ("2", 2), ("2", 5)]


def test_what_is_set_aside_comes_back_when_it_is_tried_again(open_index: Callable[[], ClipIndex]) -> None:
    index = open_index()
    index.add(entry(1))
    index.add(entry(2))
    index.set_aside(entry(1))
    assert (index.oldest(), index.n_stuck, index.n_clips) == (entry(2), 1, 2)
    index.try_again()
    assert (index.oldest(), index.n_stuck) == (entry(1), 0)


def test_evictions_are_counted_over_restarts(open_index: Callable[[], ClipIndex]) -> None:
    index = open_index()
    for seq in range(1, 6):
        index.add(entry(seq))
    for seq, cause in ((1, Cause.QUOTA), (2, Cause.RETENTION), (3, Cause.QUOTA)):
        index.evict(entry(seq), cause)
    index.close()
    again = open_index()
    assert {cause: (found.n_clips, found.n_bytes) for cause, found in again.evicted.items()} == {
        "quota": (2, 200),
        "retention": (1, 100),
    }
    assert (again.n_clips, again.oldest()) == (2, entry(4))
    assert again.n_beginnings == 0


def test_index_of_another_store_begins_anew(open_index: Callable[[], ClipIndex], place: Place) -> None:
    index = open_index()
    index.add(entry(1))
    index.close()
    other = ClipIndex(place.state_folder / "clips.sqlite", place.store / "other")
    assert (other.n_clips, other.n_beginnings) == (0, 1)
    other.close()


def _no_database(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _damaged_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


def _gone(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def _nonsense(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE clip SET n_bytes = 'many', seq = 'last' || seq")
        connection.execute("INSERT INTO evicted VALUES ('boredom', 'x', 'y')")
    connection.close()


def _without_tables(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE session")
    connection.close()


@pytest.mark.parametrize(
    "damage", [_no_database, _empty, _damaged_pages, _gone, _folder, _newer, _nonsense, _without_tables]
)
def test_index_that_is_lost_is_made_anew_from_the_disk(
    damage: Callable[[Path], None], make_store: Callable[..., ClipStore], place: Place
) -> None:
    store = make_store()
    for seq in range(1, 8):
        store.write(sidecar_of(mp3(), seq), mp3())
    store.close()
    damage(place.state_folder / "clips.sqlite")
    again = make_store(5)
    again.write(sidecar_of(mp3(), 8), mp3())
    tend(again)
    assert numbers(place.store) == [4, 5, 6, 7, 8]
    assert again.status().n_clips == 5
    check_store(place.store)
    again.close()
    third = make_store(3)
    third.age()
    third.write(sidecar_of(mp3(), 9), mp3())
    assert numbers(place.store) == [7, 8, 9]


def test_index_that_fails_in_the_middle_goes_on_in_memory(
    make_store: Callable[..., ClipStore], place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    store = make_store(4)
    for seq in range(1, 5):
        store.write(sidecar_of(mp3(), seq), mp3())
    other = sqlite3.connect(place.state_folder / "clips.sqlite")
    other.execute("DROP TABLE clip")
    other.close()
    for seq in (5, 6):
        store.write(sidecar_of(mp3(), seq), mp3())
    tend(store)
    assert numbers(place.store) == [3, 4, 5, 6]
    assert (store.status().n_clips, store.status().is_counted) == (4, True)
    assert [record.message for record in caplog.records if "goes on in memory" in record.message]


def _bad_json(path: Path) -> None:
    path.write_text("{")


def _deep_json(path: Path) -> None:
    path.write_text("[" * 100_000)


def _no_object(path: Path) -> None:
    path.write_text('["clock", "start_utc"]')


def _odd_time(path: Path) -> None:
    path.write_text('{"clock": "synced", "start_utc": "soon"}')


def _odd_clock(path: Path) -> None:
    path.write_text('{"clock": ["synced"], "start_utc": "2026-11-23T12:00:00Z"}')


def _no_text(path: Path) -> None:
    path.write_bytes(b"\xff\x00")


@pytest.mark.parametrize("damage", [_bad_json, _deep_json, _no_object, _odd_time, _odd_clock, _no_text, _gone, _folder])
def test_bad_sidecar_stops_nothing(
    damage: Callable[[Path], None], make_store: Callable[..., ClipStore], place: Place
) -> None:
    store = make_store()
    for seq in range(1, 5):
        path = store.write(sidecar_of(mp3(), seq), mp3())
    store.close()
    damage(path.with_name(path.name.replace("-4.", "-2.")).with_suffix(".json"))
    (place.state_folder / "clips.sqlite").unlink()
    again = make_store(3)
    again.age()
    assert again.status().n_clips == 4
    again.write(sidecar_of(mp3(), 5), mp3())
    again.write(sidecar_of(mp3(), 6), mp3())
    assert numbers(place.store) == ([4, 5, 6] if damage is not _folder else [5, 6])


def test_folder_that_cannot_be_read_keeps_no_other_from_being_counted(
    make_store: Callable[..., ClipStore], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store()
    for day in (21, 22, 23):
        store.write(sidecar_of(mp3(), day, start_utc=datetime(2026, 11, day, tzinfo=NOON.tzinfo)), mp3())
    store.close()
    (place.state_folder / "clips.sqlite").unlink()
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("22"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root may read everything
    again = make_store()
    again.age()
    assert again.status().n_clips == 2


def test_folder_that_did_not_change_is_not_read_again(
    make_store: Callable[..., ClipStore], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store()
    for seq in range(1, 4):
        store.write(sidecar_of(mp3(), seq), mp3())
    store.close()
    day = place.store / DAY
    os.utime(day, (1e9, 1e9))  # settled long ago
    again = make_store()
    again.age()
    again.close()
    read: list[str] = []
    real = os.scandir

    def scandir(path: Any) -> Any:
        read.append(str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    third = make_store()
    third.age()
    assert (third.status().n_clips, third.status().is_counted) == (3, True)
    assert str(place.store) in read
    assert str(day) not in read


def test_folder_that_changed_just_now_is_read_again_though_its_time_is_the_same(
    make_store: Callable[..., ClipStore], place: Place
) -> None:
    """FAT counts in steps of two seconds: what is written after a look at it may not show."""
    store = make_store()
    store.write(sidecar_of(mp3(), 1), mp3())
    day = place.store / DAY
    stamp = day.stat().st_mtime_ns
    store.age()
    store.close()
    (day / f"{sidecar_of(mp3(), 1).session}-2.mp3").write_bytes(mp3())
    os.utime(day, ns=(stamp, stamp))
    again = make_store()
    again.age()
    assert again.status().n_clips == 2


def test_unsynced_clips_keep_their_place_in_the_order(make_store: Callable[..., ClipStore], place: Place) -> None:
    store = make_store()
    for seq, clock in ((1, ClockQuality.SYNCED), (2, ClockQuality.UNSET), (3, ClockQuality.SYNCED)):
        when = NOON if clock is ClockQuality.SYNCED else NOON.replace(year=1970)
        store.write(sidecar_of(mp3(), seq, clock=clock, start_utc=when), mp3())
    store.close()
    (place.state_folder / "clips.sqlite").unlink()
    again = make_store(2)
    tend(again)
    assert numbers(place.store) == [2, 3]
    again.close()
    last = make_store(1)
    tend(last)
    assert numbers(place.store) == [3]
    assert not (place.store / "unsynced" / sidecar_of(mp3(), 1).session).exists()


def test_entry_is_not_changed_by_being_noted_twice(open_index: Callable[[], ClipIndex]) -> None:
    index = open_index()
    index.add(entry(1))
    index.add(replace(entry(1), n_bytes=300))
    assert (index.n_clips, index.n_bytes) == (1, 300)
