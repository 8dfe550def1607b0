"""A bundle that is damaged, or that gives other answers on this machine: the node says so and does not run."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.bundle import GOLDEN, pack_bundle, read_bundle
from sonyc_contract.golden import dump_golden, load_golden
from support.agents import AgentProcess
from support.broker import free_port
from support.long_form import figure
from support.signals import noise, write_wav

pytestmark = pytest.mark.slow

N_BYTES = figure(6, 60)


def make_agent(folder: Path) -> AgentProcess:
    write_wav(folder / "scene.wav", noise(1.0, 16_000), 16_000)
    return AgentProcess(
        folder,
        {
            "capture": {"source": "files", "files": ["scene.wav"], "speed": 0.0},
            "classify": {"bundle": "street.bundle"},
            "mqtt": {"host": "127.0.0.1", "port": free_port()},
        },
    )


def test_node_whose_models_give_other_answers_does_not_run(tmp_path: Path, default_bundle: Path) -> None:
    """As a runtime did under an emulated processor: every class certain, and no error."""
    bundle, agent = read_bundle(default_bundle), make_agent(tmp_path / "node")
    golden = load_golden(bundle.members[GOLDEN])
    off = replace(golden, probabilities=np.clip(golden.probabilities + 2 * golden.tolerance, 0, 1))
    members = {**bundle.members, GOLDEN: dump_golden(off)}
    (agent.folder / "street.bundle").write_bytes(pack_bundle(bundle.manifest, members))
    assert agent.run() == 1
    (line,) = agent.log.read_text().splitlines()
    assert "self-test" in line
    assert not (agent.folder / "state" / "outbox.sqlite").exists()


def test_node_with_an_altered_bundle_does_not_run(tmp_path: Path, default_bundle: Path) -> None:
    data = default_bundle.read_bytes()
    agent = make_agent(tmp_path / "node")
    chance = random.Random(1)
    for _ in range(N_BYTES):
        altered = bytearray(data)
        altered[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (agent.folder / "street.bundle").write_bytes(altered)
        assert agent.run() == 1
    lines = agent.log.read_text().splitlines()
    assert len(lines) == N_BYTES
    assert all(line.startswith(f"sonyc-device: {agent.folder}/street.bundle: ") for line in lines)
