"""The agent on a Pi: the same files replayed here and there give the same labels, and clips that open here."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from sonyc_contract.bundle import read_bundle
from sonyc_contract.codec import decode
from sonyc_contract.files import sha256_hex
from sonyc_contract.levels import Level
from sonyc_contract.messages import LabelEvent
from sonyc_contract.stored import load_sidecar
from sonyc_device.classification import Classifier
from support.agents import AgentProcess
from support.broker import Mosquitto
from support.raspberry_pi import RaspberryPi
from support.subscriber import Subscriber
from support.system_packages import require_system

MAX_LEVEL_DIFFERENCE_DB = 0.05


@dataclass(frozen=True)
class Run:
    """What an agent published, and what of its clips the operator's key opens."""

    labels: list[LabelEvent]
    clips: list[bytes]


@pytest.fixture(scope="module")
def key() -> pyrage.x25519.Identity:
    """The operator's."""
    return pyrage.x25519.Identity.generate()


@pytest.fixture(scope="module")
def replay(
    clip: Path, key: pyrage.x25519.Identity, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Run]]:
    """Lets an agent replay the street, seal its clips, measure levels and publish."""
    require_system("mosquitto")
    folder = tmp_path_factory.mktemp("agents")
    mosquitto = Mosquitto(folder / "mosquitto")
    mosquitto.start()
    tables = {
        "capture": {"source": "files", "files": [str(clip)], "speed": 0},
        "store": {"mode": "all", "level": "v7", "folder": "clips", "veto": [], "recipients": [str(key.to_public())]},
        "level": {"enabled": True},
        "mqtt": {"host": mosquitto.host, "port": mosquitto.port},
    }
    agents: list[AgentProcess] = []

    def run(name: str, python: Sequence[str], environment: Mapping[str, str]) -> Run:
        agents.append(AgentProcess(folder / name, tables, environment, python))
        with Subscriber(mosquitto.port, "sonyc/v1/+/label") as subscriber:
            assert agents[-1].run(timeout_s=120) == 0, agents[-1].log.read_text()
            subscriber.wait_for(2)
        labels = [LabelEvent.model_validate_json(payload) for payload in subscriber.payloads]
        return Run(labels, [opened(path, key) for path in sorted((folder / name / "clips").rglob("*.age"))])

    yield run
    for agent in agents:
        agent.kill()
    mosquitto.stop()


@pytest.fixture(scope="module")
def here(replay: Callable[..., Run]) -> Run:
    """The agent on this machine."""
    return replay("here", [sys.executable], dict(os.environ))


@pytest.fixture(scope="module")
def there(make_pi: Callable[..., RaspberryPi], replay: Callable[..., Run]) -> Run:
    """The agent on a Pi."""
    pi = make_pi()
    return replay("there", pi.python, pi.environment)


def test_a_pi_publishes_what_this_machine_does(here: Run, there: Run, tolerance: float) -> None:
    assert [label.duration_s for label in there.labels] == [10, pytest.approx(2.3)]
    for ours, theirs in zip(here.labels, there.labels, strict=True):
        assert (theirs.seq, theirs.sample_index, theirs.head) == (ours.seq, ours.sample_index, ours.head)
        assert theirs.probabilities == pytest.approx(ours.probabilities, abs=tolerance, rel=0)
        levels, expected = theirs.sound_level.levels, ours.sound_level.levels
        assert levels is not None
        assert expected is not None
        assert levels.laeq == pytest.approx(expected.laeq, abs=MAX_LEVEL_DIFFERENCE_DB)
        assert levels.bands == pytest.approx(expected.bands, abs=MAX_LEVEL_DIFFERENCE_DB)


def test_label_of_a_pi_can_be_reproduced_from_its_sealed_clip(
    there: Run, default_bundle: Path, tolerance: float
) -> None:
    classifier = Classifier(read_bundle(default_bundle))
    for label, audio in zip(there.labels, there.clips, strict=True):
        assert len(decode(audio)[0]) == round(label.duration_s * 48_000)
        again = classifier.score_encoded(audio, level=Level.V7).probabilities
        assert list(label.probabilities.values()) == pytest.approx(list(again), abs=tolerance, rel=0)


def opened(path: Path, key: pyrage.x25519.Identity) -> bytes:
    """The audio in a sealed file, which is what its sidecar says."""
    audio: bytes = pyrage.decrypt(path.read_bytes(), [key])
    assert sha256_hex(audio) == load_sidecar(path).sha256
    return audio
