"""A manifest of 200,000 clips: listed, split and sharded, with memory to spare and no shard too large to be sent."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.large_manifest import write_manifest

N_CLIPS = 200_000


@pytest.mark.slow
def test_200_000_clips(tmp_path: Path) -> None:
    audio = write_manifest(tmp_path / "audio", N_CLIPS)
    command = [sys.executable, "-m", "support.large_manifest", str(audio), str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["n_clips"] == N_CLIPS
    assert found["n_shards"] == 400
    assert found["n_splits"] == 3
    assert found["largest_shard_bytes"] < 200_000
    assert found["peak_mb"] < 800, "measured: 400"
