"""The evidence convicts: what must not be so is found."""

from datetime import timedelta
from pathlib import Path

import pytest

from sonyc_contract.codec import encode
from sonyc_contract.files import sha256_hex
from sonyc_contract.messages import LabelEvent, StoredClip, dump_message
from support.agents import AgentProcess
from support.evidence import Evidence
from support.sample_messages import label_event, stored_clip
from support.signals import noise

RATE_HZ = 48_000


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(AgentProcess(tmp_path, {}), RATE_HZ)


def label(seq: int, *, run: str = "a" * 16, **changes: object) -> LabelEvent:
    """A label of a 1 s clip without audio."""
    one = label_event()
    values = {
        "seq": seq, "clip_id": f"{one.session}-{seq}", "run": run, "duration_s": 1.0, "sample_index": seq * RATE_HZ,
        "audio": one.audio.model_copy(update={"kept": False}), **changes,
    }  # fmt: skip
    return one.model_copy(update=values)


def keep(evidence: Evidence, seq: int, *, n_samples: int = RATE_HZ) -> LabelEvent:
    """A label whose clip lies there as it says."""
    level = stored_clip().level
    data = encode(noise(n_samples / RATE_HZ, RATE_HZ), RATE_HZ, level=level)
    kept = label(seq, level=level, audio=label_event().audio.model_copy(update={"kept": True}))
    folder = evidence.agent.folder / "clips"
    folder.mkdir(exist_ok=True)
    path = folder / f"{kept.clip_id}{level.suffix}"
    path.write_bytes(data)
    named = {name: getattr(kept, name) for name in ("seq", "clip_id", "run", "duration_s", "probabilities")}
    sidecar = {"audio_file": path.name, "sha256": sha256_hex(data), "n_bytes": len(data), **named}
    path.with_suffix(".json").write_bytes(dump_message(StoredClip.model_copy(stored_clip(), update=sidecar)))
    return kept


def test_what_is_right_is_not_convicted(evidence: Evidence) -> None:
    labels = [label(1), label(2), label(3, run="b" * 16, sample_index=0), keep(evidence, 4)]
    evidence.written = {one.clip_id for one in labels}
    assert evidence.faults([labels[1], *labels]) == []


def test_label_that_never_came(evidence: Evidence) -> None:
    evidence.written = {label(1).clip_id, label(2).clip_id}
    assert evidence.faults([label(1)]) == [f"label {label(2).clip_id} never came"]


def test_identity_that_two_labels_share(evidence: Evidence) -> None:
    other = label(1, start_utc=label(1).start_utc + timedelta(seconds=1))
    assert len(evidence.faults([label(1), other])) == 1


def test_samples_that_go_back_or_come_twice(evidence: Evidence) -> None:
    assert evidence.faults([label(1), label(2, sample_index=0)])
    assert evidence.faults([label(1), label(2, sample_index=RATE_HZ)])
    other = {"session": "e" * 16, "clip_id": f"{'e' * 16}-2"}
    assert evidence.faults([label(1), label(2, **other)]) == []
    assert evidence.faults([label(1), label(2, **other, sample_index=RATE_HZ)])


def test_clip_that_is_missing_cut_or_another(evidence: Evidence) -> None:
    kept = keep(evidence, 1)
    (path,) = evidence.agent.clips
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "does not decode to 1 s" in evidence.faults([kept])[0]
    path.unlink()
    assert "there are 0 files of it" in evidence.faults([kept])[0]
    short = keep(evidence, 2, n_samples=RATE_HZ // 2)
    assert "does not decode to 1 s" in evidence.faults([short])[0]
    other = keep(evidence, 3)
    changed = other.model_copy(update={"probabilities": dict.fromkeys(other.probabilities, 0.123)})
    assert "sidecar and label differ" in evidence.faults([changed])[0]
