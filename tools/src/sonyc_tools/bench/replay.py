"""A real agent, which replays clips at real time and publishes their labels: what a node does all day.

Its latency goes from the last sample of a clip, by the time at which the agent took its first samples, to the PUBACK.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from sonyc_contract.audio import FloatArray, to_int16
from sonyc_contract.levels import Level
from sonyc_tools.bench.broker import any_broker
from sonyc_tools.bench.process_figures import cpu_s, watched_memory
from sonyc_tools.bench.recognising import Contender
from sonyc_tools.bench.scenes import CLIP_S, RATE_HZ
from sonyc_tools.bench.tap import Acknowledged, Tap, tapped
from sonyc_tools.bench.timing import Estimate, estimate
from sonyc_tools.embedded_broker import BrokerAddress
from sonyc_tools.errors import ProcessError
from sonyc_tools.programs import find_program

NODE: Final = "bench-node"

_POLL_S = 0.2
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Replayed:
    """What an agent did with clips of 10 s at one level, every clip kept in clear.

    Attributes:
        level: Its level.
        n_clips: Clips recorded.
        n_acknowledged: Labels that the broker acknowledged.
        n_lost: Clips that were shed, failed, or fell into a gap.
        latency_s: From a clip's last sample to the PUBACK of its label.
        peak_pss_mb: Largest proportional set size.
        cpu_share: Of one core, over the whole replay and without the start.
        broker: What it published to.
    """

    level: Level
    n_clips: int
    n_acknowledged: int
    n_lost: int
    latency_s: Estimate
    peak_pss_mb: float
    cpu_share: float
    broker: str


def replay(contender: Contender, level: Level, long: FloatArray, *, n_clips: int) -> Replayed:
    """Run an agent over `n_clips` clips of `long`, float32 at 48 kHz, which is repeated as needed.

    Raises:
        BrokerError: there is no broker.
        ProcessError: the agent is not installed, ended with an error, or does not end.
    """
    with TemporaryDirectory(prefix="sonyc-bench-") as name, any_broker() as (broker, broker_name):
        folder = Path(name)
        _write_wav(folder / "street.wav", np.resize(long, round(n_clips * CLIP_S * RATE_HZ)))
        with tapped(broker) as (address, tap):
            (folder / "node.toml").write_text(_configuration(folder, contender, level, address))
            peak_pss_mb, used_s = _run(folder, n_clips)
            return _figures(level, _records(folder), tap, (peak_pss_mb, used_s / (n_clips * CLIP_S)), broker_name)


def _run(folder: Path, n_clips: int) -> tuple[float, float]:
    """Run the agent to its end; gives its largest PSS in MB, and the processor time in s it used while it recorded."""
    log = folder / "log"
    with _agent(folder, log) as process:
        if not _wait(process, _PATIENCE_S, log):
            raise ProcessError(f"sonyc-device run does not record: {_last_line(log)}")
        before_s = used_s = cpu_s(process.pid)
        with watched_memory(process.pid) as peak:
            for _ in range(round((n_clips * CLIP_S + _PATIENCE_S) / _POLL_S)):
                try:
                    process.wait(_POLL_S)
                except subprocess.TimeoutExpired:
                    used_s = cpu_s(process.pid)
                else:
                    break
    if process.returncode:
        raise ProcessError(f"sonyc-device run ended with exit code {process.returncode}: {_last_line(log)}")
    return peak.pss_mb, used_s - before_s


@contextmanager
def _agent(folder: Path, log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    command = [str(find_program("sonyc-device")), "run", "--config", str(folder / "node.toml")]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", patience_s: float, log: Path) -> bool:
    """Wait until the agent says that it records; says whether it does."""
    for _ in range(round(patience_s / _POLL_S)):
        try:
            process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            if _record(log, "recording"):
                return True
        else:
            break
    return _record(log, "recording") is not None


def _figures(level: Level, records: dict[str, Any], tap: Tap, used: tuple[float, float], broker: str) -> Replayed:
    first_s = _first_sample_s(records["recording"])
    finished = records["finished"]
    latencies = [one.at_s - (first_s + _end_s(one)) for one in tap.acknowledged]
    if not latencies:
        raise ProcessError("sonyc-device run published no label that the broker acknowledged")
    return Replayed(
        level=level,
        n_clips=finished["clips_recorded"],
        n_acknowledged=len(latencies),
        n_lost=finished["clips_shed"] + finished["clips_failed"] + finished["gaps"],
        latency_s=estimate(latencies),
        peak_pss_mb=used[0],
        cpu_share=used[1],
        broker=broker,
    )


def _first_sample_s(recording: dict[str, Any]) -> float:
    """Say when the first sample was taken: so long before the record as samples had come."""
    at_s = datetime.fromisoformat(recording["time"]).timestamp()
    return at_s - float(recording["seconds_taken"])


def _end_s(one: Acknowledged) -> float:
    """Say how long after the first sample of the run a clip ended."""
    return float(one.label["sample_index"] / RATE_HZ + one.label["duration_s"])


def _records(folder: Path) -> dict[str, Any]:
    found = {name: _record(folder / "log", name) for name in ("recording", "finished")}
    for name, record in found.items():
        if record is None:
            raise ProcessError(f"sonyc-device run left no record {name!r} in its log")
    return found


def _record(log: Path, message: str) -> dict[str, Any] | None:
    for line in log.read_text(errors="replace").splitlines():
        if f'"{message}"' in line and line.endswith("}") and (record := json.loads(line)).get("message") == message:
            return dict(record)
    return None


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def _configuration(folder: Path, contender: Contender, level: Level, broker: BrokerAddress) -> str:
    def quoted(path: Path) -> str:
        return json.dumps(str(path.resolve()))

    return f"""node_id = "{NODE}"
state_folder = {quoted(folder / "state")}

[capture]
source = "files"
files = [{quoted(folder / "street.wav")}]
clip_s = {CLIP_S}
speed = 1.0

[store]
mode = "all"
clear = true
level = "{level}"
storage_rate_hz = {contender.bundle.manifest.storage_rate_hz}
folder = {quoted(folder / "clips")}
max_bytes = 1000000000
reserve_bytes = 0

[classify]
bundle = {quoted(contender.path)}
runtime = "{contender.runtime}"
n_threads = {contender.n_threads}

[mqtt]
host = "{broker.host}"
port = {broker.port}
"""


def _write_wav(path: Path, samples: FloatArray) -> None:
    import soundfile

    soundfile.write(path, to_int16(samples), RATE_HZ, subtype="PCM_16")
