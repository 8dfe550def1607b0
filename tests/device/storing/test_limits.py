"""Whatever happens to a store: within its limits after every write, the oldest gone first, and every clip whole."""

import random
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_contract.messages import ClockQuality
from sonyc_device.errors import StoreError, StoreFullError
from sonyc_device.storing.eviction import Limits
from sonyc_device.storing.sealing import Clear
from sonyc_device.storing.space import Space
from sonyc_device.storing.store import ClipStore, Place
from support.stored_clips import FakeClock, check_store, mp3, occupied, sidecar_of

DAY_S = 86_400.0
DURATIONS_S = (0.2, 1.0, 2.0, 4.0)
STEPS = (
    "write",
    "write",
    "write",
    "write",
    "wait",
    "restart",
    "kill",
    "lose index",
    "fetch",
    "others",
    "clock",
    "session",
)


@dataclass
class World:
    """A store, its disk and its clock, and what a test did to them."""

    folder: Path
    limits: Limits
    clock: FakeClock = field(default_factory=FakeClock)
    taken_by_others: int = 0
    session: int = 1
    written: list[tuple[str, int]] = field(default_factory=list)
    fetched: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir(parents=True)
        self.store = self.opened()

    @property
    def clips(self) -> Path:
        return self.folder / "clips"

    def opened(self) -> ClipStore:
        place = Place(self.clips, self.folder / "state")
        space = Space(lambda: 400_000 - self.taken_by_others - occupied(self.clips), lambda: 0)
        return ClipStore(place, self.limits, self.clock, form=Clear(), space=space)

    def write(self, choice: random.Random) -> bool:
        """Write a clip, and say whether there was room for it."""
        audio, seq = mp3(choice.choice(DURATIONS_S)), len(self.written) + 1
        session = f"{self.session:016x}"
        facts = {"clock": self.clock.state, "start_utc": self.clock.now}
        try:
            self.store.write(sidecar_of(audio, seq, session=session, **facts), audio)
        except StoreFullError:
            return False
        self.written.append((session, seq))
        return True

    def age(self) -> None:
        """Let the supervisor come by until it has nothing left to do."""
        self.clock.go_on(40)
        while True:
            self.store.age()
            if self.store.status().is_counted:
                break
        self.clock.go_on(40)
        self.store.age()

    def present(self) -> set[tuple[str, int]]:
        names = [path.stem for path in self.clips.rglob("*.mp3")]
        return {(name[:16], int(name[17:])) for name in names}

    def check_order(self) -> None:
        """See that what is gone is older than all that is there."""
        present = self.present()
        gone = [clip not in present for clip in self.written if clip not in self.fetched]
        assert gone == sorted(gone, reverse=True), "a newer clip went before an older one"

    def do(self, step: str, choice: random.Random) -> None:
        """Do one of the things that happen."""
        if step == "wait":
            self.age()
        elif step in {"restart", "kill"}:
            self.store.close()
            self.store = self.opened()
            if step == "kill" and (days := [path for path in self.clips.glob("2*") if path.is_dir()]):
                (days[0] / f".{self.session:016x}-{len(self.written) + 1}.mp3.k1ll3d00.part").write_bytes(b"half")
                self.age()
        elif step == "lose index":
            self.store.close()
            shutil.rmtree(self.folder / "state")
            (self.folder / "state").mkdir()
            self.store = self.opened()
            self.age()
        elif step == "fetch" and (present := sorted(self.present())):
            session, seq = choice.choice(present)
            for path in self.clips.rglob(f"{session}-{seq}.*"):
                path.unlink()
            self.fetched.add((session, seq))
            self.clock.go_on(4000)
            self.age()
        elif step == "others":
            self.taken_by_others = choice.choice((0, 100_000, 250_000, 390_000))
        elif step == "clock":
            self.clock.state = choice.choice(list(ClockQuality))
            self.clock.now = datetime(choice.choice((1970, 2025, 2026, 2027)), 6, 1, choice.randrange(24), tzinfo=UTC)


def live(world: World, steps: list[str], seed: int) -> None:
    choice = random.Random(seed)
    for step in steps:
        if step != "write":
            world.do(step, choice)
        elif world.write(choice):
            assert occupied(world.clips) <= world.limits.max_bytes
            free = 400_000 - world.taken_by_others - occupied(world.clips)
            assert free >= world.limits.reserve_bytes
        else:
            free = 400_000 - world.taken_by_others - occupied(world.clips)
            assert occupied(world.clips) == 0, "a clip was refused while there were older ones"
            assert free < world.limits.reserve_bytes + 100_000
        world.check_order()
    check_store(world.clips)
    status = world.store.status()
    if status.is_counted:
        assert status.n_bytes == occupied(world.clips)
        assert status.n_clips == len(world.present())
    world.store.close()


@settings(max_examples=30)  # 0.2 s each
@given(
    st.lists(st.sampled_from([step for step in STEPS if step != "session"]), min_size=15, max_size=50),
    st.integers(0, 10**6),
    st.sampled_from([60_000, 150_000, 10**7]),
    st.sampled_from([0, 20_000, 150_000]),
)
def test_limits_hold_and_the_oldest_go_first(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], seed: int, max_bytes: int, reserve_bytes: int
) -> None:
    """One session: clocks jump, the index is lost, an operator fetches clips, and it is killed in between."""
    limits = Limits(max_bytes, reserve_bytes, retention_s=1e12)
    live(World(tmp_path_factory.mktemp("world") / "w", limits), steps, seed)


@settings(max_examples=20)
@given(
    st.lists(st.sampled_from(["write", "write", "restart", "clock", "session", "wait"]), min_size=15, max_size=50),
    st.integers(0, 99),
)
def test_order_goes_over_sessions(tmp_path_factory: pytest.TempPathFactory, steps: list[str], seed: int) -> None:
    """Sessions that begin anew with a new outbox, whatever the clock says meanwhile."""
    world = World(tmp_path_factory.mktemp("world") / "w", Limits(100_000, 0, retention_s=1e12))
    choice = random.Random(seed)
    for step in steps:
        if step == "session":
            world.session = choice.randrange(1, 2**40)
        elif step == "write":
            assert world.write(choice)
        else:
            world.do(step, choice)
        world.check_order()
    check_store(world.clips)
    world.store.close()


def test_store_of_a_full_disk_makes_room_at_once(tmp_path: Path) -> None:
    world = World(tmp_path / "w", Limits(10**7, 50_000, retention_s=1e12))
    choice = random.Random(1)
    while len(world.present()) == len(world.written):
        assert world.write(choice)
    n_before = len(world.present())
    world.taken_by_others = 400_000 - occupied(world.clips)
    world.store.close()
    shutil.rmtree(world.folder / "state")  # nothing can be made there, and nothing is known
    world.store = world.opened()
    world.store.make_room()
    assert 0 < len(world.present()) < n_before
    assert 400_000 - world.taken_by_others - occupied(world.clips) >= 50_000
    world.check_order()
    check_store(world.clips)
    world.store.close()


def test_read_only_store_evicts_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "w", Limits(60_000, 0, retention_s=1e12))
    for _ in range(4):
        world.write(random.Random(2))
    present = world.present()

    def read_only(path: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", read_only)
    for _ in range(10):
        with pytest.raises(StoreError, match="Read-only file system"):
            world.store.write(sidecar_of(mp3(4.0), 99), mp3(4.0))
    assert world.present() == present
    assert (world.store.status().n_stuck, world.store.status().n_evicted) == (0, len(world.written) - len(present))
    world.store.close()
