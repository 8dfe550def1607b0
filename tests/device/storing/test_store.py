"""Stored clips: whole, in order, one folder per day, within their limits."""

import json
import logging
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyrage
import pytest

from sonyc_contract.errors import ConfigError
from sonyc_contract.files import sha256_hex
from sonyc_contract.messages import ClockQuality, Sealed
from sonyc_contract.stored import fingerprint, load_sidecar, read_sidecar
from sonyc_device.config import StoreSettings
from sonyc_device.errors import StoreError, StoreFullError
from sonyc_device.storing.assembly import make_store as make_store_of
from sonyc_device.storing.entries import Cause
from sonyc_device.storing.eviction import Limits
from sonyc_device.storing.sealing import Clear, Sealer
from sonyc_device.storing.space import Space
from sonyc_device.storing.store import ClipStore, Place
from support.stored_clips import SESSION, FakeClock, check_store, mp3, numbers, occupied, sidecar_of

ROOMY = Limits(max_bytes=10**9, reserve_bytes=0, retention_s=1e9)
CLIP_BYTES = -(-len(mp3()) // 4096) * 4096 + 4096
"""What a clip and its sidecar occupy."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A store that is not there yet, beside a state folder."""
    (tmp_path / "state").mkdir()
    return Place(tmp_path / "not" / "yet", tmp_path / "state")


@pytest.fixture
def make_store(place: Place) -> Iterator[Callable[..., ClipStore]]:
    """Makes stores at that place; they are closed at the end."""
    stores: list[ClipStore] = []

    def make(limits: Limits = ROOMY, clock: FakeClock | None = None, **keys: Any) -> ClipStore:
        form = keys.pop("form", Clear())
        stores.append(ClipStore(place, limits, clock or FakeClock(), form=form, **keys))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def write(store: ClipStore, *seqs: int, **changes: Any) -> Path:
    """Write clips, and give the path of the last."""
    for seq in seqs:
        path = store.write(sidecar_of(mp3(), seq, **changes), mp3())
    return path


def quota(n_clips: int) -> Limits:
    """Room for so many clips, with nothing in the state folder."""
    return replace(ROOMY, max_bytes=n_clips * CLIP_BYTES)


def nothing_else(free_bytes: int = 10**12) -> Space:
    """A disk with room, and an empty state folder."""
    return Space(lambda: free_bytes, lambda: 0)


def test_a_clip_and_its_sidecar_are_read_back(make_store: Callable[..., ClipStore], place: Place) -> None:
    path = write(make_store(), 7)
    assert path == place.store / "2026-11-23" / f"{SESSION}-7.mp3"
    assert path.read_bytes() == mp3()
    assert read_sidecar(path) == sidecar_of(mp3(), 7)
    assert len(list(path.parent.iterdir())) == 2
    assert all(folder.stat().st_mode & 0o007 == 0 for folder in (place.store, path.parent))  # closed to others
    assert occupied(place.store) == CLIP_BYTES


def test_an_unset_clock_names_no_day(make_store: Callable[..., ClipStore], place: Place) -> None:
    path = write(make_store(), 1, clock=ClockQuality.UNSET)
    assert path.parent == place.store / "unsynced" / SESSION


def test_a_sealed_clip_leaves_nothing_in_clear(make_store: Callable[..., ClipStore], place: Place) -> None:
    key = pyrage.x25519.Identity.generate()
    path = write(make_store(form=Sealer([str(key.to_public())])), 7)
    assert path.name == f"{SESSION}-7.mp3.age"
    assert pyrage.decrypt(path.read_bytes(), [key]) == mp3()
    assert {found.name for found in path.parent.iterdir()} == {path.name, f"{SESSION}-7.json"}
    sidecar = load_sidecar(path)
    assert (sidecar.audio_file, sidecar.sha256, sidecar.n_bytes) == (f"{SESSION}-7.mp3", sha256_hex(mp3()), len(mp3()))
    assert sidecar.sealed == Sealed(
        file=path.name,
        sha256=sha256_hex(path.read_bytes()),
        n_bytes=path.stat().st_size,
        recipients=(fingerprint(str(key.to_public())),),
    )


def test_nothing_is_written_where_no_form_is_permitted(make_store: Callable[..., ClipStore], place: Place) -> None:
    store = make_store(form=None)
    with pytest.raises(StoreError, match="neither recipients nor clear = true is set"):
        write(store, 1)
    assert not place.store.exists()


def test_store_that_was_never_written_touches_no_disk(make_store: Callable[..., ClipStore], place: Place) -> None:
    store = make_store()
    store.age()
    store.make_room()
    assert (store.status().n_clips, store.status().n_evicted, store.status().oldest_utc) == (0, 0, None)
    assert list(place.state_folder.iterdir()) == []
    assert not place.store.exists()


def test_a_folder_that_cannot_be_written_is_an_error(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = ClipStore(replace(place, store=tmp_path / "file"), ROOMY, FakeClock(), form=Clear())
    with pytest.raises(StoreError, match=r"file/2026-11-23/.*cannot be written"):
        write(store, 1)
    store.age()
    store.close()


def test_no_file_stays_without_the_other(make_store: Callable[..., ClipStore], place: Place) -> None:
    day = place.store / "2026-11-23"
    for blocked in (f"{SESSION}-7.json", f"{SESSION}-8.mp3"):
        (day / blocked).mkdir(parents=True)
    for seq in (7, 8):
        with pytest.raises(StoreError, match="cannot be written"):
            write(make_store(), seq)
    assert not [path for path in place.store.rglob("*") if path.is_file()]


def test_a_disk_that_takes_no_more_leaves_nothing_half_written(
    make_store: Callable[..., ClipStore], place: Place
) -> None:
    store = make_store()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(mp3()) - 1, hard))
    try:
        with pytest.raises(StoreError, match="cannot be written: File too large"):
            write(store, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [path for path in place.store.rglob("*") if path.is_file()]
    write(store, 2)
    check_store(place.store)


def test_quota_takes_the_oldest_first(make_store: Callable[..., ClipStore], place: Place) -> None:
    store = make_store(quota(3), space=nothing_else())
    write(store, *range(1, 8))
    assert numbers(place.store) == [5, 6, 7]
    status = store.status()
    assert (status.n_clips, status.n_bytes, status.n_evicted) == (3, 3 * CLIP_BYTES, 4)
    assert {cause: found.n_clips for cause, found in status.evicted.items()} == {"quota": 4}
    assert status.evicted[Cause.QUOTA].n_bytes == 4 * CLIP_BYTES
    check_store(place.store)


@pytest.mark.parametrize(("level", "is_sealed"), [("v9", True), ("pcm", False), ("pcm", True)])
def test_clips_of_every_form_make_room(
    make_store: Callable[..., ClipStore], place: Place, level: str, is_sealed: bool
) -> None:
    form = Sealer([str(pyrage.x25519.Identity.generate().to_public())]) if is_sealed else Clear()
    store = make_store(quota(4), space=nothing_else(), form=form)
    for seq in range(1, 8):
        suffix = ".flac" if level == "pcm" else ".mp3"
        store.write(sidecar_of(mp3(), seq, level=level, audio_file=f"{SESSION}-{seq}{suffix}"), mp3())
    assert numbers(place.store) == [4, 5, 6, 7]
    assert occupied(place.store) == store.status().n_bytes <= 4 * CLIP_BYTES


def test_counts_and_order_survive_a_restart(make_store: Callable[..., ClipStore], place: Place) -> None:
    store = make_store(quota(3), space=nothing_else())
    write(store, *range(1, 6))
    store.close()
    again = make_store(quota(3), space=nothing_else())
    write(again, 6)
    assert numbers(place.store) == [4, 5, 6]
    assert again.status().n_evicted == 3


def test_state_folder_counts_in_the_quota(make_store: Callable[..., ClipStore], place: Place) -> None:
    (place.state_folder / "outbox.sqlite").write_bytes(bytes(50 * CLIP_BYTES))
    (place.state_folder / "deeper").mkdir()
    (place.state_folder / "deeper" / "log").write_bytes(bytes(50 * CLIP_BYTES))
    limits = replace(ROOMY, max_bytes=100 * CLIP_BYTES + 800_000)
    store = make_store(limits)
    write(store, *range(1, 100))
    n_kept = len(numbers(place.store))
    assert 0 < n_kept < 99  # the index takes some too
    assert occupied(place.store) + occupied(place.state_folder) <= limits.max_bytes + 10_000  # of the index's last row


def test_store_within_the_state_folder_counts_once(tmp_path: Path) -> None:
    store = ClipStore(
        Place(tmp_path / "clips", tmp_path), replace(ROOMY, max_bytes=2_000_000), FakeClock(), form=Clear()
    )
    write(store, *range(1, 101))
    assert numbers(tmp_path / "clips") == list(range(1, 101))
    store.close()


def test_no_clip_is_written_into_the_reserve(make_store: Callable[..., ClipStore], place: Place) -> None:
    free = 3 * CLIP_BYTES + 1000
    space = Space(lambda: free - occupied(place.store), lambda: 0)
    store = make_store(replace(ROOMY, reserve_bytes=1000), space=space)
    write(store, 1, 2, 3)
    write(store, 4)
    assert numbers(place.store) == [2, 3, 4]
    assert {cause: found.n_clips for cause, found in store.status().evicted.items()} == {"reserve": 1}
    free = 500
    with pytest.raises(StoreFullError, match=rf"no room for {CLIP_BYTES} bytes: .* 500 bytes of the disk are free"):
        write(store, 5)
    assert numbers(place.store) == []


def test_limit_that_leaves_no_room_at_all_is_named(make_store: Callable[..., ClipStore]) -> None:
    with pytest.raises(StoreFullError, match=rf"no room for {CLIP_BYTES} bytes: clips take 0 .* of max_bytes = 100"):
        write(make_store(replace(ROOMY, max_bytes=100), space=nothing_else()), 1)


def test_reserve_is_restored_when_others_fill_the_disk(make_store: Callable[..., ClipStore], place: Place) -> None:
    taken, clock = 0, FakeClock()
    space = Space(lambda: 10 * CLIP_BYTES - occupied(place.store) - taken, lambda: 0)
    store = make_store(replace(ROOMY, reserve_bytes=3 * CLIP_BYTES), clock, space=space)
    write(store, *range(1, 8))
    taken = 2 * CLIP_BYTES
    clock.go_on(60)
    store.age()
    assert numbers(place.store) == [3, 4, 5, 6, 7]
    taken = 4 * CLIP_BYTES
    store.make_room()  # at once, whenever it was tended last
    assert numbers(place.store) == [5, 6, 7]


def test_trouble_is_said_once_and_is_over_when_it_is(
    make_store: Callable[..., ClipStore], caplog: pytest.LogCaptureFixture
) -> None:
    free, clock = 10**9, FakeClock()
    store = make_store(replace(ROOMY, reserve_bytes=1000), clock, space=Space(lambda: free, lambda: 0))
    write(store, 1)
    free = 10
    for _ in range(3):
        clock.go_on(60)
        store.age()
    assert "no room" in store.status().trouble
    free = 10**9
    clock.go_on(60)
    store.age()
    assert store.status().trouble == ""
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_an_entry_that_cannot_be_removed_does_not_stop_the_clean_up(
    make_store: Callable[..., ClipStore], place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    store = make_store(quota(3), space=nothing_else())
    stuck = write(store, 1)
    stuck.unlink()
    stuck.mkdir()
    write(store, 2, 3, 4, 5)
    assert stuck.is_dir()
    assert numbers(place.store) == [4, 5]
    assert (store.status().n_stuck, store.status().n_evicted) == (1, 2)
    assert [record.message for record in caplog.records if "cannot be removed" in record.message]


def test_clips_that_an_operator_fetched_are_not_missed(make_store: Callable[..., ClipStore], place: Place) -> None:
    clock = FakeClock()
    store = make_store(quota(4), clock, space=nothing_else())
    write(store, 1, 2, 3, 4)
    for path in (place.store / "2026-11-23").glob(f"{SESSION}-[34].*"):
        path.unlink()
    for _ in range(3):
        clock.go_on(1800)
        store.age()
    assert store.status().n_clips == 2
    write(store, 5, 6)
    assert numbers(place.store) == [1, 2, 5, 6]
    assert store.status().n_evicted == 0


def test_what_is_not_ours_is_left_alone(make_store: Callable[..., ClipStore], place: Place) -> None:
    day = place.store / "2026-11-23"
    foreign = [
        day / "notes.txt", day / "street.mp3", day / f"{SESSION}-0.mp3", day / f"{SESSION}-{10**20}.mp3",
        day / f"x{SESSION}-1.mp3", day / f".{SESSION}-1.mp3.swp", place.store / "backup" / f"{SESSION}-1.mp3",
        place.store / "readme.md", place.store / "unsynced" / "mine" / f"{SESSION}-2.mp3",
    ]  # fmt: skip
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100_000))
    (day / f"{SESSION}-9.mp3").symlink_to(day / "notes.txt")
    store = make_store(quota(2), space=nothing_else())
    write(store, 1, 2, 3, 4)
    assert all(path.stat().st_size == 100_000 for path in foreign)
    assert [seq for seq in (1, 2, 3, 4) if (day / f"{SESSION}-{seq}.mp3").exists()] == [3, 4]


def test_half_written_files_of_a_kill_are_swept_at_start(
    make_store: Callable[..., ClipStore], place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    write(make_store(), 1)
    for folder in ("2026-11-22", "2026-11-23", f"unsynced/{SESSION}"):
        (place.store / folder).mkdir(parents=True, exist_ok=True)
        for name in (f"{SESSION}-2.mp3", f"{SESSION}-2.json", f"{SESSION}-3.flac.age"):
            (place.store / folder / f".{name}.abc12345.part").write_bytes(b"RIFF")
    store = make_store()
    store.age()
    assert not list(place.store.rglob("*.part"))
    assert sum("half-written" in record.message for record in caplog.records) == 3
    assert (store.status().n_clips, store.status().is_counted) == (1, True)


def test_sidecar_of_a_clip_whose_audio_a_kill_kept_away_counts_and_goes_in_its_turn(
    make_store: Callable[..., ClipStore], place: Place
) -> None:
    path = write(make_store(), 1)
    path.unlink()
    store = make_store(quota(2), space=nothing_else())
    store.age()
    write(store, 2)
    assert store.status().n_bytes == 4096 + CLIP_BYTES
    write(store, 3)
    assert not (path.parent / f"{SESSION}-1.json").exists()
    check_store(place.store)


def test_status_says_when_the_oldest_was_recorded(make_store: Callable[..., ClipStore]) -> None:
    store = make_store()
    path = write(store, 1, 2)
    assert store.status().oldest_utc == load_sidecar(path).start_utc
    assert json.loads(path.with_suffix(".json").read_bytes())["start_utc"] == "2026-11-23T12:00:00.000000Z"


def test_store_that_is_removed_while_it_is_in_use_begins_anew(
    make_store: Callable[..., ClipStore], place: Place
) -> None:
    store = make_store(quota(3), space=nothing_else())
    write(store, 1, 2)
    shutil.rmtree(place.store)
    write(store, 3, 4, 5)
    assert numbers(place.store) == [3, 4, 5]
    assert store.status().n_evicted == 0
    check_store(place.store)


def test_times_that_no_calendar_has_stop_nothing(make_store: Callable[..., ClipStore], place: Place) -> None:
    path = write(make_store(), 1)
    path.with_suffix(".json").write_text("{}")
    os.utime(path.parent, (2**33, 2**33))
    path.with_suffix(".json").write_bytes(b"[" * 10_000_000)
    (place.state_folder / "clips.sqlite").unlink()
    store = make_store()
    store.age()
    assert store.status().n_clips == 1


def test_store_is_not_the_state_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"store\.folder = .* is the state folder"):
        make_store_of(StoreSettings(folder=tmp_path), state_folder=tmp_path, clock=FakeClock())
