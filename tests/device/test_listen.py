"""`doctor --listen` hears a site as an agent would, and proposes thresholds for the node's file."""

import json
import os
import re
import signal
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonyc_contract.audio import to_int16
from sonyc_contract.bundle import pack_bundle, read_bundle
from sonyc_contract.labels import LABELS, by_label
from sonyc_contract.levels import Level
from sonyc_device.assembly import Seams, make_classifier
from sonyc_device.background import Heard, HeardClip, hear, stretches
from sonyc_device.capture.source import SampleSink
from sonyc_device.classification import encode_and_score
from sonyc_device.cli import main
from sonyc_device.config import NodeConfig, load_config
from sonyc_device.effective import Overrides, effective_of
from sonyc_device.errors import CaptureError, TooLittleHeardError
from sonyc_device.false_alarms import MIN_CLIPS
from sonyc_device.messaging.command_memory import CommandMemory
from sonyc_device.proposing import SiteReport, propose_for_site
from sonyc_device.running.status import status_answered
from support.agents import write_toml
from support.pulse import PulseSource
from support.signals import noise, write_wav

RATE_HZ = 16_000
N_CLIPS = 70
REFERENCE = Path(__file__).parents[2] / "firmware_config" / "node.toml"

Node = Callable[..., Path]
Listen = Callable[..., tuple[int, Any, str]]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 s of noise that swells and fades, each second another."""
    swell = np.repeat(10 ** np.random.default_rng(2).uniform(-2, 0, N_CLIPS), RATE_HZ)
    samples = (swell * noise(N_CLIPS, RATE_HZ)).astype(np.float32)
    return write_wav(tmp_path_factory.mktemp("street") / "street.wav", samples, RATE_HZ)


@pytest.fixture
def node(tmp_path: Path, street: Path) -> Node:
    """Writes a configuration that replays the street in clips of 1 s; gives its path."""

    def write(*, capture: dict[str, Any] | None = None, **tables: Any) -> Path:
        files = {"source": "files", "files": [str(street)], "rate_hz": RATE_HZ, "clip_s": 1.0, "speed": 1.0}
        keys = {"node_id": "node-1", "state_folder": "state", "capture": {**files, **(capture or {})}}
        return write_toml(tmp_path / "node.toml", {**keys, **tables})

    return write


@pytest.fixture
def listen(node: Node, capsys: pytest.CaptureFixture[str]) -> Listen:
    """Runs `doctor --listen 1h --json`; gives exit code, document and standard error."""

    def run(*arguments: str, time: str = "1h", **tables: Any) -> tuple[int, Any, str]:
        code = main(["doctor", "--config", str(node(**tables)), "--listen", time, "--json", *arguments])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return run


def bundle_with(folder: Path, default_bundle: Path, thresholds: dict[str, float]) -> Path:
    """The shipped bundle with other thresholds."""
    bundle = read_bundle(default_bundle)
    row = tuple(thresholds[label] for label in LABELS)
    heads = {name: head.model_copy(update={"thresholds": row}) for name, head in bundle.manifest.heads.items()}
    path = folder / "other.bundle"
    path.write_bytes(pack_bundle(bundle.manifest.model_copy(update={"heads": heads}), bundle.members))
    return path


def test_clips_are_scored_as_an_agent_scores_them(node: Node) -> None:
    config = load_config(node())
    classifier = make_classifier(config)
    heard = hear(config, classifier, for_s=3.0, on_clip=lambda _heard: None)
    samples = noise(N_CLIPS, RATE_HZ)  # as the fixture makes them
    swell = np.repeat(10 ** np.random.default_rng(2).uniform(-2, 0, N_CLIPS), RATE_HZ)
    assert len(heard.clips) == 3
    for number, clip in enumerate(heard.clips):
        part = slice(number * RATE_HZ, (number + 1) * RATE_HZ)
        as_recorded = np.rint((swell * samples)[part] * 32_768).astype(np.float32) / np.float32(32_768)
        _, expected = encode_and_score(classifier, as_recorded, RATE_HZ, config)
        np.testing.assert_array_equal(clip.scores.probabilities, expected.probabilities)


def test_whole_document(listen: Listen, tmp_path: Path) -> None:
    code, document, err = listen()
    assert (code, err) == (0, "")
    assert (document["n_clips"], document["heard_s"], document["n_silent"]) == (N_CLIPS, 70.0, 0)
    assert (document["level"], document["error"], document["interrupted"]) == ("v5", None, False)
    assert (document["allowed_alarms_per_day"], document["clips_per_day"]) == (10.0, 86_400.0)
    assert list(document["classes"]) == list(LABELS)
    for found in document["classes"].values():
        assert 0 <= found["p50"] <= found["p99"] <= found["highest"] <= 1
        assert found["n_alarms"] == sum(stretch["n_clips"] for stretch in found["alarms"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["node.toml"], "something was stored"


def test_proposed_table_can_be_put_into_the_nodes_file(listen: Listen, tmp_path: Path, default_bundle: Path) -> None:
    medians = {label: found["p50"] for label, found in listen()[1]["classes"].items()}
    path = bundle_with(tmp_path, default_bundle, medians)
    _, document, _ = listen(classify={"bundle": str(path)})
    assert all(30 <= found["n_alarms"] <= 40 for found in document["classes"].values())
    raised = {
        label: found["threshold"]["value"]
        for label, found in document["classes"].items()
        if found["threshold"]["value"] > found["own"]
    }
    if_false = {label: found["threshold_if_false"]["value"] for label, found in document["classes"].items()}
    for text in (REFERENCE.read_text(), (tmp_path / "node.toml").read_text()):
        (tmp_path / "new.toml").write_text(f"{text}\n{document['toml']}\n")
        assert effective_of(load_config(tmp_path / "new.toml")).thresholds == raised
    remarks = re.findall(r"^# ([a-z-]+ = [0-9.]+)$", document["toml"], re.MULTILINE)
    assert tomllib.loads("\n".join(remarks)) == if_false


def test_thresholds_that_do_are_left_alone(
    tmp_path: Path, default_bundle: Path, node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundle_with(tmp_path, default_bundle, dict.fromkeys(LABELS, 1.0))
    assert main(["doctor", "--config", str(node(classify={"bundle": str(path)})), "--listen", "70s"]) == 0
    out = capsys.readouterr().out
    assert "The bundle's own thresholds do: there is nothing to set." in out
    assert "[classify.thresholds]" not in out


def test_what_is_printed_names_alarms_and_what_to_do(
    tmp_path: Path, default_bundle: Path, node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundle_with(tmp_path, default_bundle, {**dict.fromkeys(LABELS, 1.0), "dog": 0.0})
    config = node(capture={"files_start": "2026-05-04T06:00:00+02:00"}, classify={"bundle": str(path)})
    config.write_text(config.read_text().replace('"2026-05-04T06:00:00+02:00"', "2026-05-04T06:00:00+02:00"))
    assert main(["doctor", "--config", str(config), "--listen", "65s", "--alarms-per-day", "24"]) == 0
    out = capsys.readouterr().out
    assert "heard 65 clips, 65 s; level v5" in out
    assert "allowed are 24 false alarms of a class in a day" in out
    assert "  dog                   2026-05-04 04:00:00 to 04:01:05, clips: 65, up to " in out
    assert "\n# dog = " in out
    assert f"Put this at the end of {config}" in out


def test_level_that_was_commanded_is_heard_at(listen: Listen, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    memory = CommandMemory(tmp_path / "state" / "commands.json")
    memory.keep(Overrides(level=Level.V9), {"level": "v5"})
    assert listen()[1]["level"] == "v9"
    assert listen(store={"level": "v7"})[1]["level"] == "v7", "the file was changed since"
    assert listen(commands={"enabled": False})[1]["level"] == "v5"
    (tmp_path / "state" / "commands.json").write_text("{")
    assert listen()[1]["level"] == "v5"
    assert (tmp_path / "state" / "commands.json").read_text() == "{"


def test_agent_that_runs_holds_the_microphone(listen: Listen, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with status_answered(tmp_path / "state", dict):
        code, document, err = listen(capture={"source": "microphone"})
        assert (code, document) == (1, None)
        assert "the agent runs and holds the microphone: sudo systemctl stop sonyc-device" in err
        assert listen()[0] == 0, "files are nobody's"


def test_microphone_that_is_missing_is_named(listen: Listen, pulse_source: PulseSource) -> None:
    code, document, err = listen(capture={"source": "microphone", "device": "no such thing"})
    assert (code, document) == (1, None)
    assert "no such thing" in err
    assert len(err.splitlines()) == 1


def test_microphone_is_heard_at_real_time(node: Node, pulse_source: PulseSource, tmp_path: Path) -> None:
    pulse_source.play(write_wav(tmp_path / "street.wav", noise(30.0, 48_000), 48_000))
    config = load_config(node(capture={"source": "microphone", "device": "pulse", "rate_hz": 48_000}))
    heard = hear(config, make_classifier(config), for_s=2.0, on_clip=lambda _heard: None)
    assert (len(heard.clips) + heard.n_silent, heard.error, heard.n_failed) == (2, None, 0)


def test_interrupted_after_enough_it_proposes(node: Node) -> None:
    def enough(heard: Heard) -> None:
        if len(heard.clips) == 64:
            os.kill(os.getpid(), signal.SIGINT)

    config = load_config(node())
    report = propose_for_site(config, for_s=3_600.0, alarms_per_day=10.0, on_clip=enough)
    assert report.heard.was_interrupted
    assert len(report.heard.clips) >= 64
    assert report.document()["interrupted"] is True


class DyingSource:
    """A microphone that delivers some seconds of noise and then fails."""

    def __init__(self, n_seconds: int) -> None:
        self._n_seconds = n_seconds

    @property
    def is_live(self) -> bool:
        return False

    def start(self, sink: SampleSink) -> None:
        threading.Thread(target=self._deliver, args=(sink,)).start()

    def _deliver(self, sink: SampleSink) -> None:
        sink.write(to_int16(noise(self._n_seconds, RATE_HZ)))
        sink.end(CaptureError("the microphone is gone"))

    def stop(self) -> None:
        """Nothing is left to stop."""


def test_ctrl_c_ends_a_wait_for_sound_that_does_not_come(node: Node) -> None:
    class MuteSource(DyingSource):
        def _deliver(self, sink: SampleSink) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    config, seams = load_config(node()), Seams(source=MuteSource(0))
    with pytest.raises(TooLittleHeardError, match="0 clips of 1 s"):
        propose_for_site(config, for_s=3_600.0, alarms_per_day=10.0, on_clip=lambda _heard: None, seams=seams)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("n_seconds", [4, 60])
def test_source_that_fails_leaves_what_was_heard(node: Node, n_seconds: int) -> None:
    def listen() -> SiteReport:
        seams = Seams(source=DyingSource(n_seconds))
        return propose_for_site(config, for_s=3_600.0, alarms_per_day=10.0, on_clip=lambda _heard: None, seams=seams)

    config = load_config(node())
    if n_seconds < MIN_CLIPS:
        with pytest.raises(CaptureError, match="the microphone is gone"):
            listen()
    else:
        assert (listen().document()["error"], listen().heard_s) == ("the microphone is gone", 60.0)


def test_file_that_is_missing_is_left_out(listen: Listen, street: Path, caplog: pytest.LogCaptureFixture) -> None:
    code, document, _ = listen(capture={"files": [str(street), "gone.wav"]})
    assert (code, document["n_clips"]) == (0, N_CLIPS)
    assert "file left out: " in caplog.text


@pytest.mark.parametrize(
    ("time", "tables", "code", "said"),
    [
        ("30s", {}, 2, "30 s are 30 clips of 1 s, too few for a proposal: listen for 60 s or longer"),
        ("1h", {"capture": {"clip_s": 5.0}}, 1, "too little was heard: 14 clips of 5 s, 0 silent ones"),
        ("1h", {"capture": {"schedule": ["mon 03:00-03:01"], "files": []}}, 2, "source = 'files' needs `files`"),
        ("1h", {"capture": {"files": ["gone.wav"]}}, 1, "none of the files to replay is usable audio"),
        ("1h", {"classify": {"bundle": "gone.bundle"}}, 1, "gone.bundle: cannot be read"),
        ("1h", {"store": {"storage_rate_hz": 16_000}}, 1, "is for clips stored at"),
        ("1h", {"classify": {"thresholds": {"cat": 0.5}}}, 2, "must have only classes of engine"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    time: str, tables: dict[str, Any], code: int, said: str, listen: Listen
) -> None:
    found, document, err = listen(time=time, **tables)
    assert (found, document) == (code, None)
    assert said in err.splitlines()[-1]


def test_silence_is_no_background(listen: Listen, tmp_path: Path) -> None:
    silence = write_wav(tmp_path / "silence.wav", np.zeros(N_CLIPS * RATE_HZ, np.float32), RATE_HZ)
    code, _, err = listen(capture={"files": [str(silence)]})
    assert code == 1
    assert "too little was heard: 0 clips of 1 s, 70 silent ones" in err


def test_closed_schedule_hears_nothing(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    config = node(capture={"schedule": ["mon 03:00-03:01"]})
    config.write_text(config.read_text().replace("[capture]", "[capture]\nfiles_start = 2026-05-05T12:00:00Z"))
    assert main(["doctor", "--config", str(config), "--listen", "1h"]) == 1
    assert "listen for longer, while the schedule is open" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "1", "h", "0s", "-1h", "1 h", "1d2h", "nan", "inf", "31d", "9999999h"])
def test_what_is_no_duration_is_wrong_usage(text: str, node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--config", str(node()), f"--listen={text}"])
    assert caught.value.code == 2
    assert "is not a duration such as 1h, 30m or 90s" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "many"])
def test_what_is_no_rate_is_wrong_usage(text: str, node: Node) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--config", str(node()), "--listen", "1h", f"--alarms-per-day={text}"])
    assert caught.value.code == 2


def test_alarms_per_day_belong_to_listening(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--config", str(node()), "--alarms-per-day", "3"]) == 2
    assert "--alarms-per-day needs --listen TIME" in capsys.readouterr().err


def test_alarms_that_follow_each_other_are_one_stretch(node: Node) -> None:
    config = load_config(node())
    heard = hear(config, make_classifier(config), for_s=6.0, on_clip=lambda _heard: None)

    def at(index: int, *labels: str) -> HeardClip:
        scores = heard.clips[index].scores
        return HeardClip(heard.clips[index].start_utc, type(scores)(**{**vars(scores), "detections": labels}))

    clips = [at(0, "dog"), at(1, "dog", "music"), at(2), at(3, "dog"), at(5, "dog")]
    found = stretches(clips, "dog", clip_s=1.0)
    assert [stretch.n_clips for stretch in found] == [2, 1, 1]
    assert (found[0].end_utc - found[0].start_utc).total_seconds() == 2.0
    scores = [by_label(clip.scores.probabilities)["dog"] for clip in clips[:2]]
    assert found[0].highest == pytest.approx(max(scores), abs=1e-6)


def test_node_that_stores_clips_stores_none_of_these(node: Node) -> None:
    path = node(store={"mode": "all", "clear": True, "folder": "clips"})
    config: NodeConfig = load_config(path)
    propose_for_site(config, for_s=60.0, alarms_per_day=10.0, on_clip=lambda _heard: None)
    assert not (path.parent / "clips").exists()
