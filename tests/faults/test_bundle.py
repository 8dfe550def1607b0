"""A bundle of which one byte is another: the node says so and does not run, and no other bundle takes its place."""

import random
from pathlib import Path

import pytest

from support.agents import AgentProcess
from support.broker import free_port
from support.long_form import figure
from support.signals import noise, write_wav

pytestmark = pytest.mark.slow

N_BYTES = figure(6, 60)


def test_node_with_an_altered_bundle_does_not_run(tmp_path: Path, default_bundle: Path) -> None:
    data = default_bundle.read_bytes()
    write_wav(tmp_path / "node" / "scene.wav", noise(1.0, 16_000), 16_000)
    agent = AgentProcess(
        tmp_path / "node",
        {
            "capture": {"source": "files", "files": ["scene.wav"], "speed": 0.0},
            "classify": {"bundle": "street.bundle"},
            "mqtt": {"host": "127.0.0.1", "port": free_port()},
        },
    )
    chance = random.Random(1)
    for _ in range(N_BYTES):
        altered = bytearray(data)
        altered[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (agent.folder / "street.bundle").write_bytes(altered)
        assert agent.run() == 1
    lines = agent.log.read_text().splitlines()
    assert len(lines) == N_BYTES
    assert all(line.startswith(f"sonyc-device: {agent.folder}/street.bundle: ") for line in lines)
