"""What a real agent lets reach the disk, in every mode; what it keeps is whole, sealed where that is asked for."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyrage
import pytest

from sonyc_contract.audio import from_int16, read_audio, resample, to_int16
from sonyc_contract.bundle import read_bundle
from sonyc_contract.labels import LABELS
from sonyc_contract.messages import AudioReason, LabelEvent
from sonyc_contract.stored import fingerprint, load_sidecar
from sonyc_device.capture.audio_files import find_audio
from sonyc_device.classification import Classifier
from sonyc_device.config import NodeConfig, StoreSettings
from sonyc_device.storing.policy import draw
from support.agents import AgentProcess
from support.broker import Mosquitto
from support.disks import small_disk
from support.file_writes import FileWrites, writes_watched
from support.signals import FloatArray, noise, write_wav
from support.stored_clips import check_store, numbers
from support.subscriber import Subscriber

RATE_HZ = 48_000
CLIP_S = 2.0
PIECE_BYTES = 48


@pytest.fixture
def key() -> pyrage.x25519.Identity:
    """An operator's key."""
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def make_agent(tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes agents that replay 10 s of noise in clips of 2 s; home and temporary files are within the test's folder."""
    for name, folder in (("TMPDIR", "tmp"), ("HOME", "home"), ("XDG_CACHE_HOME", "home/.cache")):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.setenv(name, str(tmp_path / folder))
    agents: list[AgentProcess] = []

    def make(samples: FloatArray | None = None, *, folder: str = "node", **store: Any) -> AgentProcess:
        scene = noise(10.0, RATE_HZ) if samples is None else samples
        write_wav(tmp_path / "scene.wav", scene, RATE_HZ)
        capture = {"source": "files", "files": [str(tmp_path / "scene.wav")], "speed": 0, "clip_s": CLIP_S}
        limits = {"folder": "clips", "reserve_bytes": 0}
        mqtt = {"host": "127.0.0.1", "port": mosquitto.port}
        tables = {"capture": capture, "store": {**limits, **store}, "mqtt": mqtt}
        agents.append(AgentProcess(tmp_path / folder, tables))
        return agents[-1]

    yield make
    for agent in agents:
        agent.kill()


@pytest.fixture
def run(mosquitto: Mosquitto) -> Callable[..., list[LabelEvent]]:
    """Runs an agent to its end, and gives its labels."""

    def run_(agent: AgentProcess, *, n_labels: int = 5, code: int = 0) -> list[LabelEvent]:
        with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
            assert agent.run() == code
            subscriber.wait_for(n_labels)
        labels = [LabelEvent.model_validate_json(payload) for payload in subscriber.payloads]
        return sorted(labels, key=lambda label: label.seq)

    return run_


def pieces(data: bytes) -> list[bytes]:
    """Pieces of some bytes, as one would look for them in a file; padding is in any file."""
    found = (data[start : start + PIECE_BYTES] for start in range(200, len(data) - PIECE_BYTES, len(data) // 14))
    return [piece for piece in found if len(set(piece)) > 15]


def all_forms(samples: FloatArray, bundle_path: Path) -> list[bytes]:
    """Pieces of everything that the sound of clips could be made from again: samples, coded clips, features."""
    classifier = Classifier(read_bundle(bundle_path))
    embedder, n = classifier.recogniser.embedder, round(CLIP_S * RATE_HZ)
    found: list[bytes] = []
    for start in range(0, len(samples), n):
        pcm = to_int16(samples[start : start + n])
        clip = from_int16(pcm)
        coded = classifier.encode(clip, RATE_HZ, level=StoreSettings().level)
        features, embedding = embedder.features(clip, RATE_HZ), embedder.embed(clip, RATE_HZ)
        found += [piece for data in (pcm, clip, features, embedding) for piece in pieces(data.tobytes())]
        found += pieces(coded)
    return found


def written(agent: AgentProcess, writes: FileWrites) -> set[str]:
    """Names of the files that an agent wrote to, anywhere, below its own folder."""
    prefix = f"{agent.folder}/"
    return {str(path).removesuffix(" (deleted)").removeprefix(prefix) for path in writes.paths(agent.process.pid)}


@pytest.mark.parametrize("what", ["stored", "pcm"])
def test_in_mode_none_nothing_of_the_sound_reaches_any_file(
    what: str, make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]], default_bundle: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    samples = noise(10.0, RATE_HZ)
    agent = make_agent(samples)
    agent.tables = {**agent.tables, "classify": {"what": what}}
    with writes_watched(tmp_path) as writes:
        labels = run(agent)
    assert {label.audio.reason for label in labels} == {AudioReason.MODE_NONE}
    assert "state/outbox.sqlite-wal" in written(agent, writes)  # it does look
    assert {name.partition("outbox.sqlite")[0] for name in written(agent, writes)} <= {"state/", "agent.log"}
    needles = all_forms(samples, default_bundle)
    assert len(needles) > 250
    assert writes.that_hold(agent.process.pid, needles) == []
    assert writes.that_hold(agent.process.pid, [labels[0].clip_id.encode()]) != []  # and it would find it
    assert not list((tmp_path / "tmp").iterdir())


def test_the_same_watch_finds_the_sound_where_it_is_kept_in_clear(
    make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]], default_bundle: Path, tmp_path: Path
) -> None:
    samples = noise(10.0, RATE_HZ)
    agent = make_agent(samples, mode="all", clear=True)
    with writes_watched(tmp_path) as writes:
        run(agent)
    found = writes.that_hold(agent.process.pid, all_forms(samples, default_bundle))
    assert any(".mp3" in path.name for path in found)


def test_sealed_clips_never_touch_the_disk_in_clear_and_come_back_whole(
    make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]], default_bundle: Path,
    key: pyrage.x25519.Identity, tmp_path: Path,
) -> None:  # fmt: skip
    samples = noise(10.0, RATE_HZ)
    recipient = str(key.to_public())
    agent = make_agent(samples, mode="all", recipients=[recipient])
    with writes_watched(tmp_path) as writes:
        labels = run(agent)
    assert writes.that_hold(agent.process.pid, all_forms(samples, default_bundle)) == []
    classifier = Classifier(read_bundle(default_bundle))
    for label in labels:
        (path,) = agent.folder.rglob(f"{label.clip_id}.*.age")
        sidecar = load_sidecar(path)
        assert sidecar.sealed is not None
        assert sidecar.sealed.recipients == (fingerprint(recipient),)
        assert (sidecar.reason, sidecar.bundle, sidecar.head) == (label.audio.reason, label.bundle, label.head)
        audio = pyrage.decrypt(path.read_bytes(), [key])
        assert len(audio) == label.audio.n_bytes == sidecar.n_bytes
        found = classifier.score_encoded(audio, level=label.level)
        assert list(found.probabilities) == list(label.probabilities.values())
    assert not list(agent.folder.rglob("*.mp3"))
    check_store(agent.folder / "clips")


def test_of_a_vetoed_clip_no_byte_is_written(
    make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]], default_bundle: Path, tmp_path: Path
) -> None:
    samples = noise(10.0, RATE_HZ)
    agent = make_agent(samples, mode="fraction", fraction=1.0, clear=True, veto=list(LABELS), veto_threshold=1e-9)
    with writes_watched(tmp_path) as writes:
        labels = run(agent)
    assert {(label.audio.kept, label.audio.reason) for label in labels} == {(False, AudioReason.VETO)}
    assert writes.that_hold(agent.process.pid, all_forms(samples, default_bundle)) == []
    assert not [
        name for name in written(agent, writes) if not name.startswith(("state/outbox", "state/agent", "agent"))
    ]
    assert agent.summary["clips_vetoed"] == 5


def test_voices_of_real_streets_are_kept_off_the_disk(
    make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]], shared_data: Path, tmp_path: Path
) -> None:
    """Children's voices and dogs in turn: what the veto saw has left no trace, what it did not see is whole."""
    table = (shared_data / "urbansound8k/metadata/UrbanSound8K.csv").read_text().splitlines()
    files = {path.name: path for path in find_audio([shared_data / "urbansound8k"])}
    samples: list[FloatArray] = []
    for name in ("children_playing", "dog_bark"):
        rows = [line.split(",") for line in table if line.endswith(f",{name}")]
        clips = [read_audio(files[row[0]]) for row in rows if row[0] in files and float(row[3]) - float(row[2]) >= 3.9]
        samples += [resample(clip.samples, clip.rate_hz, RATE_HZ)[: round(CLIP_S * RATE_HZ)] for clip in clips[:12]]
    agent = make_agent(np.concatenate(samples), mode="fraction", fraction=1.0, clear=True)
    with writes_watched(tmp_path) as writes:
        labels = run(agent, n_labels=len(samples))
    vetoed = {label.clip_id for label in labels if label.audio.reason is AudioReason.VETO}
    kept = {label.clip_id for label in labels if label.audio.kept}
    assert (len(kept | vetoed), kept & vetoed) == (len(samples), set())
    n_of_voices = sum(label.clip_id in vetoed for label in labels[:12])
    assert n_of_voices >= 10
    assert n_of_voices > len(vetoed) - n_of_voices
    names = {
        name.rpartition("/")[2].lstrip(".").partition(".")[0] for name in written(agent, writes) if "clips/" in name
    }
    assert names == kept
    assert all(label.clip_id in vetoed for label in labels if "human-voice" in label.detections)
    check_store(agent.folder / "clips")


def test_detections_keep_their_classes_and_fractions_their_share(
    make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]]
) -> None:
    scene = noise(40.0, RATE_HZ)
    by_detection = run(make_agent(scene, mode="detections", clear=True, veto=[]), n_labels=20)
    for label in by_detection:
        expected = AudioReason.DETECTION if label.detections else AudioReason.NO_DETECTION
        assert (label.audio.reason, label.audio.kept) == (expected, bool(label.detections))
    agent = make_agent(scene, folder="other", mode="fraction", fraction=0.4, clear=True, veto=[])
    by_lot = run(agent, n_labels=20)
    assert {label.clip_id for label in by_lot if label.audio.kept} == {
        label.clip_id for label in by_lot if draw(label.clip_id) < 0.4
    }
    assert {path.stem for path in agent.clips} == {label.clip_id for label in by_lot if label.audio.kept}
    assert 0 < len(agent.clips) < 20


def test_quota_holds_through_runs_and_the_newest_stay(
    make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]]
) -> None:
    agent = make_agent(noise(40.0, RATE_HZ), mode="all", clear=True, level="pcm", max_bytes=10_000_000)
    labels = [*run(agent, n_labels=20), *run(agent, n_labels=20), *run(agent, n_labels=20)]
    kept = [int(path.stem.rpartition("-")[2]) for path in agent.clips]
    assert kept == list(range(61 - len(kept), 61))
    assert 10 < len(kept) < 50
    assert agent.summary["clips_evicted"] == 60 - len(kept)
    assert all(label.audio.kept for label in labels)
    check_store(agent.folder / "clips")


def test_agent_starts_on_a_disk_without_a_free_byte(
    make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", size_bytes=24 << 20) as disk:
        clips = disk.folder / "clips"
        agent = make_agent(noise(60.0, RATE_HZ), mode="all", clear=True, level="pcm", reserve_bytes=3_000_000)
        store = {**agent.tables["store"], "folder": str(clips)}
        agent.tables = {**agent.tables, "store": store, "state_folder": str(disk.folder / "state")}
        run(agent, n_labels=30)
        disk.fill()
        assert disk.free_bytes == 0
        labels = run(agent, n_labels=30)
        assert all(label.audio.kept for label in labels)
        kept = numbers(clips)
        assert kept == list(range(61 - len(kept), 61))
        assert 5 < len(kept) < 30
        check_store(clips)


def test_what_a_kill_left_half_written_is_swept_at_the_next_start(
    make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]]
) -> None:
    agent = make_agent(mode="all", clear=True)
    (label, *_) = run(agent)
    day = agent.clips[0].parent
    (day / f".{label.session}-6.mp3.abcdefgh.part").write_bytes(b"half a clip")
    (day / "notes.txt").write_text("an operator's")
    run(agent)
    assert not list(day.glob(".*"))
    assert (day / "notes.txt").exists()
    assert len(agent.clips) == 10


def test_bad_recipient_and_missing_library_end_the_start(
    make_agent: Callable[..., AgentProcess], key: pyrage.x25519.Identity, tmp_path: Path
) -> None:
    agent = make_agent(mode="all", recipients=["age1" + "q" * 58])
    assert agent.run() == 2
    assert "is no age recipient: invalid Bech32" in agent.log.read_text()
    (tmp_path / "broken" / "pyrage").mkdir(parents=True)
    (tmp_path / "broken" / "pyrage" / "__init__.py").write_text("raise ImportError('no wheel for this machine')")
    without = make_agent(folder="without", mode="all", recipients=[str(key.to_public())])
    without.environment = {**without.environment, "PYTHONPATH": str(tmp_path / "broken")}
    assert without.run() == 1
    line = without.log.read_text().splitlines()[-1]
    assert "pyrage, which seals clips, cannot be imported (no wheel for this machine)" in line
    assert not list(without.folder.rglob("*.mp3*"))


def test_reserve_that_no_such_disk_can_have_is_refused_where_clips_are_kept(
    make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]]
) -> None:
    agent = make_agent(mode="all", clear=True, reserve_bytes=10**18)
    assert agent.run() == 1
    assert "store.reserve_bytes = 1000000000000000000, but the disk of" in agent.log.read_text()
    run(make_agent(folder="other", reserve_bytes=10**18))


def test_sidecar_says_what_is_promised(
    make_agent: Callable[..., AgentProcess], run: Callable[..., list[LabelEvent]]
) -> None:
    agent = make_agent(mode="all", clear=True, level="pcm")
    label = run(agent)[0]
    document = json.loads(agent.clips[0].with_suffix(".json").read_bytes())
    assert document["schema"] == "sonyc.clip/1"
    assert (document["run"], document["sample_index"], document["capture_rate_hz"]) == (label.run, 0, RATE_HZ)
    assert (document["level"], document["storage_rate_hz"], document["encoder"]) == ("pcm", RATE_HZ, "flac")
    assert (document["reason"], document["sealed"]) == ("mode-all", None)
    assert document["probabilities"] == label.probabilities
    assert NodeConfig(node_id=document["node"]).node_id == label.node
