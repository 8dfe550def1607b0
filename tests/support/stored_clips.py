"""Clips for a store, with a clock that a test sets, and what lies in the store afterwards."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import soundfile

from sonyc_contract.codec import encode
from sonyc_contract.files import sha256_hex
from sonyc_contract.levels import Level
from sonyc_contract.messages import ClockQuality, StoredClip
from sonyc_contract.stored import load_sidecar, read_sidecar
from support.sample_messages import stored_clip
from support.signals import noise

SESSION: Final = "0123456789abcdef"
NOON: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)


@cache
def mp3(duration_s: float = 0.5) -> bytes:
    """An encoded clip of noise."""
    return encode(noise(duration_s, 48_000), 48_000, level=Level.V9)


def sidecar_of(audio: bytes, seq: int, *, session: str = SESSION, **changes: object) -> StoredClip:
    """A clip's sidecar as the labeller makes it."""
    clip_id = f"{session}-{seq}"
    facts = {"session": session, "seq": seq, "clip_id": clip_id, "level": Level.V9, "start_utc": NOON}
    file = {"audio_file": f"{clip_id}.mp3", "sha256": sha256_hex(audio), "n_bytes": len(audio)}
    return stored_clip(**{**facts, **file, **changes})


@dataclass
class FakeClock:
    """Clocks that a test sets; time goes on only when it says so."""

    now: datetime = NOON
    elapsed_s: float = 1000.0
    state: ClockQuality = ClockQuality.SYNCED
    each_look_s: float = 0.0

    def utc(self) -> datetime:
        return self.now

    def monotonic_s(self) -> float:
        self.go_on(self.each_look_s)
        return self.elapsed_s

    def quality(self) -> ClockQuality:
        return self.state

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        self.elapsed_s += seconds


@dataclass
class FakeDisk:
    """A disk of so many bytes, of which others take some."""

    size_bytes: int = 10**12
    taken_by_others: int = 0
    state_folder_bytes: int = 0
    store: Path = field(default_factory=Path)

    def free_bytes(self) -> int:
        return self.size_bytes - self.taken_by_others - occupied(self.store)


def occupied(folder: Path) -> int:
    """What the files below a folder take, in blocks of 4096."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


def numbers(store: Path) -> list[int]:
    """The sequence numbers of the clips whose audio lies in a store, sealed or not."""
    found = [path for path in store.rglob("*") if path.is_file() and path.suffix in {".mp3", ".flac", ".age"}]
    return sorted(int(path.name.partition(".")[0].rpartition("-")[2]) for path in found)


def check_store(store: Path) -> None:
    """See that every clip is whole: audio that decodes, with the sidecar that describes it, and nothing besides."""
    for path in [path for path in store.rglob("*") if path.is_file()]:
        if path.suffix == ".age":
            sealed = load_sidecar(path).sealed
            assert sealed is not None
            assert sealed.sha256 == sha256_hex(path.read_bytes())
        elif path.suffix in {".mp3", ".flac"}:
            sidecar = read_sidecar(path)
            assert sidecar is not None
            assert len(soundfile.read(path)[0]) > 0
        else:
            assert path.suffix == ".json"
            assert [path.with_suffix(end) for end in _AUDIO if path.with_suffix(end).exists()], f"{path} is left over"


_AUDIO: Final = (".mp3", ".flac", ".mp3.age", ".flac.age")
