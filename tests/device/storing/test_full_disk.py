"""A store on a real file system that is full, out of inodes, or read-only: at start, and in the middle."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sonyc_device.errors import StoreError, StoreFullError
from sonyc_device.storing.entries import Cause
from sonyc_device.storing.eviction import Limits
from sonyc_device.storing.sealing import Clear
from sonyc_device.storing.store import ClipStore, Place
from support.disks import SmallDisk, small_disk
from support.stored_clips import FakeClock, check_store, mp3, numbers, sidecar_of

AUDIO = mp3(4.0)
RESERVE_BYTES = 200_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of 2 MB."""
    with small_disk(tmp_path / "disk", size_bytes=2 << 20) as disk:
        yield disk


class Node:
    """A store and its state folder, on one small disk unless that is elsewhere."""

    def __init__(self, disk: SmallDisk, *, reserve_bytes: int = RESERVE_BYTES, state: Path | None = None) -> None:
        self.state = state or disk.folder / "state"
        self.state.mkdir(exist_ok=True)
        self.clips = disk.folder / "clips"
        self.clock = FakeClock()
        self.limits = Limits(max_bytes=10**9, reserve_bytes=reserve_bytes, retention_s=1e9)
        self.seq = 0
        self.open()

    def open(self) -> None:
        self.store = ClipStore(Place(self.clips, self.state), self.limits, self.clock, form=Clear())

    def restart(self) -> None:
        self.store.close()
        self.open()

    def write(self, n: int = 1) -> None:
        for _ in range(n):
            self.seq += 1
            self.store.write(sidecar_of(AUDIO, self.seq), AUDIO)


def test_a_disk_that_is_too_small_for_all_keeps_the_newest(disk: SmallDisk) -> None:
    node = Node(disk)
    node.write(100)
    kept = numbers(node.clips)
    assert kept == list(range(101 - len(kept), 101))
    assert 30 < len(kept) < 80
    assert disk.free_bytes >= RESERVE_BYTES
    assert node.store.status().evicted[Cause.RESERVE].n_clips == 100 - len(kept)
    check_store(node.clips)
    node.store.close()


@pytest.mark.parametrize("has_index", [True, False], ids=["index", "no-index"])
def test_starts_on_a_disk_without_a_free_byte_and_makes_room(disk: SmallDisk, has_index: bool) -> None:
    node = Node(disk)
    node.write(40)
    node.store.close()
    if not has_index:
        for path in (disk.folder / "state").iterdir():
            path.unlink()
    disk.fill()
    assert disk.free_bytes == 0
    node.open()
    node.store.make_room()
    assert disk.free_bytes >= RESERVE_BYTES
    node.write(3)
    kept = numbers(node.clips)
    assert kept == list(range(44 - len(kept), 44))
    check_store(node.clips)
    node.restart()
    node.store.age()
    node.write()
    assert node.store.status().n_clips == len(numbers(node.clips))
    assert numbers(node.clips)[-1] == 44
    node.store.close()


def test_disk_that_others_fill_in_the_middle(disk: SmallDisk) -> None:
    node = Node(disk)
    node.write(20)
    others = disk.fill(but_bytes=100_000)
    node.clock.go_on(60)
    node.store.age()
    assert disk.free_bytes >= RESERVE_BYTES
    n_kept = len(numbers(node.clips))
    assert 10 < n_kept < 20
    while numbers(node.clips):
        disk.fill()
        node.store.make_room()
    with pytest.raises(StoreFullError, match="no room for"):
        node.write()
    others.unlink()
    node.write()
    assert numbers(node.clips) == [22]
    check_store(node.clips)
    node.store.close()


def test_disk_without_inodes_gives_up_its_oldest_clips(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size_bytes=8 << 20, n_inodes=40) as disk:
        node = Node(disk, reserve_bytes=0)
        node.write(60)
        kept = numbers(node.clips)
        assert kept == list(range(61 - len(kept), 61))
        assert len(kept) > 5
        check_store(node.clips)
        node.store.close()


def test_disk_that_holds_nothing_more_in_spite_of_what_it_says(disk: SmallDisk) -> None:
    node = Node(disk, reserve_bytes=0)
    disk.fill()
    with pytest.raises(StoreFullError):
        node.write()
    assert not [path for path in node.clips.rglob("*") if path.is_file()]
    node.store.close()


def test_read_only_disk_is_an_error_for_each_clip_until_it_is_writable_again(disk: SmallDisk, tmp_path: Path) -> None:
    node = Node(disk, state=tmp_path / "state")  # an open index would keep the disk from being made read-only
    node.write(5)
    disk.remount("ro")
    for _ in range(3):
        with pytest.raises(StoreError, match="Read-only file system"):
            node.write()
    node.clock.go_on(4000)
    node.store.age()
    assert numbers(node.clips) == [1, 2, 3, 4, 5]
    disk.remount("rw")
    node.write()
    assert numbers(node.clips) == [1, 2, 3, 4, 5, 9]
    check_store(node.clips)
    node.clock.go_on(60)
    for _ in range(3):
        node.store.age()
    assert (node.store.status().n_clips, node.store.status().is_counted) == (6, True)
    node.store.close()


def test_starts_on_a_read_only_disk_and_keeps_what_is_there(disk: SmallDisk) -> None:
    node = Node(disk)
    node.write(60)
    kept = numbers(node.clips)
    node.store.close()
    disk.fill()
    disk.remount("ro")
    node.open()
    node.store.make_room()
    node.store.age()
    assert numbers(node.clips) == kept
    assert "Read-only file system" in node.store.status().trouble
    disk.remount("rw")
    node.store.make_room()
    assert disk.free_bytes >= RESERVE_BYTES
    assert node.store.status().trouble == ""
    node.store.close()
