"""`sonyc-device run` as a real process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile

from support.processes import wait_until

Tables = Mapping[str, Any]


def write_toml(path: Path, document: Tables) -> Path:
    """Write keys and tables as TOML; JSON's values are TOML's, but for the tables."""
    plain = [f"{key} = {_toml(value)}" for key, value in document.items() if not isinstance(value, dict)]
    for name, table in document.items():
        if isinstance(table, dict):
            plain += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    path.write_text("\n".join(plain) + "\n")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


@dataclass
class AgentProcess:
    """An agent in a folder of its own: configuration, state, clips and log.

    Attributes:
        folder: Where all of it lies.
        tables: The configuration; paths in it are meant from `folder`.
        environment: Its environment.
        python: What starts Python.
    """

    folder: Path
    tables: Tables
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    python: Sequence[str] = (sys.executable,)
    _process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        """Start it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = write_toml(self.folder / "node.toml", {"node_id": "node-1", "state_folder": "state", **self.tables})
        command = [*self.python, "-m", "sonyc_device", "run", "--config", str(config), *arguments]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log, env=self.environment)

    def run(self, *arguments: str, timeout_s: float = 60.0) -> int:
        """Start it, and give the exit code it ends with by itself."""
        self.start(*arguments)
        return self.wait(timeout_s=timeout_s)

    def wait(self, *, timeout_s: float = 60.0) -> int:
        """Wait for its end, and give its exit code."""
        return self.process.wait(timeout_s)

    def terminate(self, *, timeout_s: float = 60.0) -> int:
        """Ask it to stop, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout_s=timeout_s)

    def kill(self) -> None:
        """End it as a power cut would; nothing happens where it ended already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    @property
    def log(self) -> Path:
        """What it writes to standard error, of all its runs."""
        return self.folder / "agent.log"

    @property
    def records(self) -> list[dict[str, Any]]:
        """Its log, whole lines only."""
        text = self.log.read_text() if self.log.exists() else ""
        return [
            json.loads(line) for line in text.splitlines(keepends=True) if line.startswith("{") and line[-1] == "\n"
        ]

    @property
    def summary(self) -> dict[str, Any]:
        """What its last finished run counted."""
        return [record for record in self.records if record["message"] == "finished"][-1]

    def wait_for_record(self, message: str, *, n: int = 1, timeout_s: float = 30.0) -> None:
        """Wait until its log has `n` records of that message."""
        wait_until(
            lambda: sum(record["message"] == message for record in self.records) >= n,
            what=f"{n} log record(s) {message!r} in {self.log}",
            timeout_s=timeout_s,
        )

    @property
    def clips(self) -> list[Path]:
        """The audio files it stored, in the order of their numbers."""
        found = [path for path in self.folder.glob("clips/**/*") if path.suffix in {".mp3", ".flac"}]
        return sorted(found, key=lambda path: int(path.stem.rpartition("-")[2]))


def n_samples(path: Path) -> int:
    """Decode a file and count its samples."""
    samples, _ = soundfile.read(path)
    return len(samples)
