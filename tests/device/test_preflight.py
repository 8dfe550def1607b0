"""`check` and `bundle`: everything that is wrong is said in one go, with the right exit code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonyc_contract.bundle import read_bundle
from sonyc_contract.runtime import Runtime
from sonyc_device.cli import main
from support.agents import write_toml
from support.broker import Mosquitto, free_port
from support.pulse import PulseSource
from support.signals import noise, write_wav

Check = Callable[..., tuple[int, dict[str, tuple[str, str]]]]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A second of noise."""
    return write_wav(tmp_path / "scene.wav", noise(1.0, 16_000), 16_000)


@pytest.fixture
def check(tmp_path: Path, scene: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Runs `check` on tables; gives its exit code, and state and detail by subject."""

    def run(**tables: Any) -> tuple[int, dict[str, tuple[str, str]]]:
        files = {"capture": {"source": "files", "files": [str(scene)]}}
        path = write_toml(tmp_path / "node.toml", {"node_id": "node-1", "state_folder": "state", **files, **tables})
        code = main(["check", "--config", str(path), "--json"])
        findings = json.loads(capsys.readouterr().out)
        return code, {finding["subject"]: (finding["state"], finding["detail"]) for finding in findings}

    return run


def test_node_with_everything_is_ok(check: Check, mosquitto: Mosquitto, runtime: Runtime, tmp_path: Path) -> None:
    code, findings = check(
        mqtt={"host": mosquitto.host, "port": mosquitto.port},
        classify={"runtime": runtime.value},
        store={"mode": "all", "clear": True, "folder": "clips"},
    )
    assert (code, {state for state, _ in findings.values()}) == (0, {"ok"})
    assert set(findings) == {
        "configuration", "bundle", "self-test", "level", "storage rate", "files", "state folder", "store folder",
        "clips", "broker",
    }  # fmt: skip
    assert "largest difference" in findings["self-test"][1]
    assert findings["clips"][1].startswith("in clear; ")
    assert {path.name for path in tmp_path.iterdir()} == {"node.toml", "scene.wav", "mosquitto"}


def test_absent_broker_is_degraded(check: Check) -> None:
    code, findings = check(mqtt={"host": "127.0.0.1", "port": free_port()})
    assert code == 3
    assert findings["broker"][0] == "warning"
    assert findings["broker"][1].endswith("labels will wait in the outbox")


def test_all_that_is_wrong_is_said_in_one_go(check: Check, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    (tmp_path / "file").touch()
    code, findings = check(
        capture={"source": "files", "files": ["bad.wav"]},
        store={"mode": "all", "clear": True, "folder": "file/clips", "storage_rate_hz": 16_000},
        mqtt={"username": "node-1", "password_file": "nowhere"},
    )
    assert code == 1
    wrong = {subject for subject, (state, _) in findings.items() if state == "failure"}
    assert wrong == {"storage rate", "files", "store folder", "broker"}
    assert "bad.wav" in findings["file"][1]


def test_recipient_that_is_none_is_found_before_a_clip_is_recorded(check: Check) -> None:
    code, findings = check(store={"recipients": ["age1" + "q" * 58]})
    assert (code, findings["clips"][0]) == (1, "failure")
    assert "is no age recipient: invalid Bech32" in findings["clips"][1]


def test_one_bad_file_among_good_ones_is_degraded(check: Check, tmp_path: Path, mosquitto: Mosquitto) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    code, findings = check(
        capture={"source": "files", "files": ["bad.wav", "scene.wav"]},
        mqtt={"host": mosquitto.host, "port": mosquitto.port},
    )
    assert (code, findings["file"][0], findings["files"]) == (3, "warning", ("ok", "1 of 2 can be replayed"))


def test_wrong_configuration_is_a_failure(check: Check) -> None:
    code, findings = check(store={"mode": "all"})
    assert (code, findings["configuration"][0]) == (1, "failure")


def test_altered_bundle_is_a_failure(check: Check, default_bundle: Path, tmp_path: Path) -> None:
    data = bytearray(default_bundle.read_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "my.bundle").write_bytes(data)
    code, findings = check(classify={"bundle": "my.bundle"})
    assert (code, findings["bundle"][0]) == (1, "failure")


def test_microphone_is_asked(check: Check, pulse_source: PulseSource) -> None:
    _, findings = check(capture={"device": "pulse"})
    assert findings["microphone"] == ("ok", "can record from 'pulse' at 48000 Hz, 1 channel(s)")
    code, findings = check(capture={"device": "no such thing"})
    assert (code, findings["microphone"][0]) == (1, "failure")


def test_sound_level_says_whether_it_is_calibrated(
    check: Check, tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = {"level": {"enabled": True}, "mqtt": {"host": mosquitto.host, "port": mosquitto.port}}
    code, findings = check(**tables)
    assert (code, findings["sound level"]) == (0, ("ok", "in dBFS: files, channel 1, was never calibrated"))
    tone = 0.05 * np.sin(2 * np.pi * 1_000 * np.arange(6 * 48_000) / 48_000)
    wav = write_wav(tmp_path / "calibrator.wav", tone.astype(np.float32), 48_000)
    assert main(["calibrate", "--config", str(tmp_path / "node.toml"), str(wav)]) == 0
    capsys.readouterr()
    assert check(**tables)[1]["sound level"][1].startswith("in dB re 20 uPa: calibrated ")
    (tmp_path / "state" / "calibration.json").write_text("{")
    code, findings = check(**tables)
    assert (code, findings["sound level"][0]) == (3, "warning")


def test_plain_output_is_one_line_per_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_toml(tmp_path / "node.toml", {"node_id": "Not a host name"})
    assert main(["check", "--config", str(path)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("failure  configuration")


def test_bundle_info_says_what_it_serves(default_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "info", "--json", str(default_bundle)]) == 0
    info = json.loads(capsys.readouterr().out)
    bundle = read_bundle(default_bundle)
    assert (info["name"], info["sha256"]) == (bundle.manifest.name, bundle.digest)
    assert info["heads"] == sorted(bundle.manifest.heads)
    assert main(["bundle", "info"]) == 0
    plain = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert plain["sha256"] == bundle.digest
    assert plain["agreement.litert.n_clips"] == str(bundle.manifest.agreement[Runtime.LITERT].n_clips)


def test_bundle_test_runs_the_golden_input(runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "test", "--json", "--runtime", runtime.value]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["passed"]
    assert report["max_difference"] <= report["tolerance"]


def test_bundle_commands_refuse_what_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("no bundle")
    for command in ("info", "test"):
        assert main(["bundle", command, str(tmp_path / "text")]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"sonyc-device: {tmp_path / 'text'}: ")
