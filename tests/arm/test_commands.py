"""`sonyc-device` on a Pi: it starts, tests the shipped bundle, and classifies as this machine does."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

import sonyc_device
from sonyc_contract.bundle import read_bundle
from sonyc_contract.labels import by_label
from sonyc_contract.levels import Level
from sonyc_contract.runtime import Runtime, runtime_version
from sonyc_device.classification import Classifier
from support.agents import write_toml
from support.broker import Mosquitto
from support.raspberry_pi import Processor, RaspberryPi

MakePi = Callable[..., RaspberryPi]


def report(pi: RaspberryPi, *arguments: str | Path) -> dict[str, Any]:
    """The JSON that a command of sonyc-device prints."""
    done = pi.run("-m", "sonyc_device", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_wheels_are_those_that_a_node_installs(make_pi: MakePi, repository: Path) -> None:
    code = """import json, platform
from importlib import metadata
print(json.dumps([platform.machine(), {found.name: found.version for found in metadata.distributions()}]))
"""
    done = make_pi().run("-c", code)
    assert done.returncode == 0, done.stderr
    machine, versions = json.loads(done.stdout)
    installed = {canonicalize_name(name): version for name, version in versions.items()}
    locked = dict(re.findall(r"^(\S+)==(\S+)", (repository / "node-py311-aarch64.lock").read_text(), re.MULTILINE))
    assert machine == "aarch64"
    assert len(locked) > 20
    assert locked.items() <= installed.items()


def test_version(make_pi: MakePi) -> None:
    done = make_pi().run("-m", "sonyc_device", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sonyc-device {sonyc_device.__version__}\n", "")


@pytest.mark.parametrize("processor", Processor)
@pytest.mark.parametrize("on", Runtime)
def test_shipped_bundle_passes_its_self_test(processor: Processor, on: Runtime, make_pi: MakePi) -> None:
    found = report(make_pi(runtime=on, processor=processor), "bundle", "test", "--json", "--runtime", on)
    assert found["passed"]
    assert found["runtime"] == runtime_version(on)
    assert found["max_difference"] <= found["tolerance"]


@pytest.fixture(params=Runtime, ids=str)
def pi(request: pytest.FixtureRequest, make_pi: MakePi) -> RaspberryPi:
    """A Pi with each of the runtimes."""
    return make_pi(runtime=request.param)


@pytest.mark.parametrize("level", [Level.PCM, Level.V5, Level.V9])
def test_clip_is_classified_as_here(
    pi: RaspberryPi, level: Level, clip: Path, default_bundle: Path, tolerance: float
) -> None:
    found = report(pi, "classify", "--runtime", pi.runtime, "--level", level, clip)
    here = Classifier(read_bundle(default_bundle), runtime=pi.runtime).score_file(clip, level=level)
    assert (found["level"], found["head"], found["n_windows"]) == (level, here.scores.head, here.scores.n_windows)
    assert found["probabilities"] == pytest.approx(by_label(here.scores.probabilities), abs=tolerance, rel=0)


def test_check_finds_nothing_wrong(make_pi: MakePi, clip: Path, mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = {
        "node_id": "node-1",
        "state_folder": "state",
        "capture": {"source": "files", "files": [str(clip)]},
        "mqtt": {"host": mosquitto.host, "port": mosquitto.port},
    }
    done = make_pi().run("-m", "sonyc_device", "check", "--config", write_toml(tmp_path / "node.toml", config))
    assert done.returncode == 0, done.stdout + done.stderr


def test_broken_file_is_one_line_and_code_1(make_pi: MakePi, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    done = make_pi().run("-m", "sonyc_device", "classify", broken)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"sonyc-device: {broken}")
    assert done.stderr.count("\n") == 1
