"""Runs the agent at real time against a real broker and sound server, and says what it cost: one JSON line.

`make soak MINUTES=30`, with `LEVELS=yes` for sound levels too. The agent records 48 kHz from a microphone of
PulseAudio, keeps every clip, sealed with age, classifies it, and publishes over TLS with a certificate of its own. Exit
code 0 only if clips recorded = labels received, there was no gap, sample indexes are contiguous, every sealed clip
opens and decodes to its exact length, nothing was logged as an error, and CPU and memory are within their limits.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyrage

from sonyc_contract.codec import decode
from sonyc_contract.messages import LabelEvent
from support.agents import AgentProcess
from support.broker import Mosquitto, free_port
from support.certificates import Authority
from support.pulse import PulseServer, PulseSource
from support.signals import FloatArray, noise, write_wav
from support.subscriber import Subscriber

RATE_HZ = 48_000
MEASURE_AFTER_S = 5.0  # the start of a stream takes about one core for 1.6 s
SAMPLE_EVERY_S = 2.0

MAX_CPU_SHARE = 0.05  # of one core
MAX_PSS_MB, MAX_PSS_WITH_LEVELS_MB = 150, 200

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Usage:
    """What a process used, sampled while it ran."""

    pid: int
    started_s: float = 0.0
    cpu_s: list[float] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    pss_mb: list[float] = field(default_factory=list)
    n_wakeups: list[int] = field(default_factory=list)

    def sample(self) -> None:
        """Read /proc once."""
        folder = Path("/proc") / str(self.pid)
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        self.cpu_s.append((int(fields[11]) + int(fields[12])) / _TICKS_PER_S)
        self.times_s.append(time.monotonic())
        self.pss_mb.append(_kb(folder / "smaps_rollup", "Pss:") / 1024)
        self.n_wakeups.append(
            sum(_kb(task / "status", "voluntary_ctxt_switches:") for task in (folder / "task").iterdir())
        )

    def figures(self) -> dict[str, float]:
        """Share of one core, memory, and wake-ups a second, from the first sample to the last."""
        elapsed_s = self.times_s[-1] - self.times_s[0]
        return {
            "cpu_share_of_one_core": round((self.cpu_s[-1] - self.cpu_s[0]) / elapsed_s, 4),
            "wakeups_per_s": round((self.n_wakeups[-1] - self.n_wakeups[0]) / elapsed_s, 1),
            "first_pss_mb": round(self.pss_mb[0], 1),
            "peak_pss_mb": round(max(self.pss_mb), 1),
            "last_pss_mb": round(self.pss_mb[-1], 1),
            "peak_rss_mb": round(_kb(Path("/proc") / str(self.pid) / "status", "VmHWM:") / 1024, 1),
        }


def main() -> int:
    """Run the soak, print its line, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--level", default="v5")
    parser.add_argument("--levels", action="store_true", help="measure sound levels too, with bands")
    parser.add_argument("--scenes", type=Path, help="a folder of audio files to play; synthetic sound by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        report = soak(Path(folder), arguments)
    sys.stdout.write(f"{json.dumps(report)}\n")
    return 1 if report["problems"] else 0


def soak(folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Set everything up, run the agent for so many minutes, and compare what went in with what came out."""
    server, site = PulseServer(folder / "pulse"), Site(folder)
    site.broker.start()
    server.start()
    source = PulseSource(server, "street")
    source.open(RATE_HZ)
    agent = AgentProcess(folder / "node", site.tables(arguments), environment=source.environment)
    try:
        with Subscriber(site.broker.port, "sonyc/v1/+/label") as subscriber:
            agent.start()
            agent.wait_for_record("recording")
            figures = watch(agent, source, scenes(folder, arguments.scenes), 60 * arguments.minutes)
            exit_code = agent.terminate()
            subscriber.wait_for(agent.summary["labels_written"])
        labels = [LabelEvent.model_validate_json(payload) for payload in subscriber.payloads]
        found = [*problems(agent, labels, site), *over_limits(figures, with_levels=arguments.levels)]
    finally:
        agent.kill()
        source.close()
        server.stop()
        site.broker.stop()
    if exit_code:
        found.append(f"the agent ended with {exit_code}")
    counts = {key: agent.summary[key] for key in ("clips_recorded", "clips_stored", "gaps", "seconds_captured")}
    return {
        "level": arguments.level, "sound_levels": arguments.levels, **counts, "labels_received": len(labels), **figures,
        "problems": found,
    }  # fmt: skip


class Site:
    """Where a node is put up: a broker that wants certificates, and somebody who can open sealed clips.

    Attributes:
        broker: Takes nodes over TLS on `tls_port`, and on its own port whoever looks on.
    """

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder / "certificates")
        server, self._node = authority.issue("broker", host=Mosquitto.host), authority.issue("node-1")
        self._authority = authority.certificate
        self._identity = pyrage.x25519.Identity.generate()
        self._tls_port = free_port()
        self.broker = Mosquitto(
            folder / "mosquitto",
            [
                "allow_anonymous true",
                f"listener {self._tls_port} {Mosquitto.host}",
                f"cafile {authority.certificate}",
                f"certfile {server.certificate}",
                f"keyfile {server.key}",
                "require_certificate true",
                "use_identity_as_username true",
            ],
        )

    def tables(self, arguments: argparse.Namespace) -> dict[str, dict[str, object]]:
        """The agent's configuration."""
        recipient = str(self._identity.to_public())
        return {
            "capture": {"device": "pulse", "rate_hz": RATE_HZ},
            "store": {"mode": "all", "recipients": [recipient], "level": arguments.level, "folder": "clips"},
            "level": {"enabled": arguments.levels},
            "mqtt": {"host": Mosquitto.host, "port": self._tls_port},
            "mqtt.tls": {
                "enabled": True,
                "ca_file": str(self._authority),
                "certificate_file": str(self._node.certificate),
                "key_file": str(self._node.key),
            },
        }

    def n_samples(self, sealed: Path) -> int:
        """Open a sealed clip, decode it and count its samples."""
        samples, _ = decode(pyrage.decrypt(sealed.read_bytes(), [self._identity]))
        return len(samples)


def watch(agent: AgentProcess, source: PulseSource, played: Iterator[Path], duration_s: float) -> dict[str, float]:
    """Play one scene after the other and sample the agent until the time is over or it has ended."""
    usage = Usage(agent.process.pid)
    end_s = time.monotonic() + duration_s
    measure_from_s = time.monotonic() + MEASURE_AFTER_S
    player = source.play(next(played))
    while time.monotonic() < end_s and agent.process.poll() is None:
        if player.poll() is not None:
            player = source.play(next(played))
        time.sleep(min(SAMPLE_EVERY_S, max(0.0, end_s - time.monotonic())))
        if time.monotonic() >= measure_from_s:
            usage.sample()
    return usage.figures()


def problems(agent: AgentProcess, labels: list[LabelEvent], site: Site) -> list[str]:
    """Say everything that is not as it must be."""
    summary = agent.summary
    found = [f"logged: {record['message']}" for record in agent.records if record["level"] == "error"]
    clips = sorted((agent.folder / "clips").rglob("*.age"))
    if not summary["clips_recorded"] == summary["labels_written"] == len(labels) == len(clips):
        found.append(
            f"{summary['clips_recorded']} clips recorded, {len(clips)} sealed, {summary['labels_written']} labels "
            f"written, {len(labels)} received"
        )
    if summary["gaps"]:
        found.append(f"{summary['gaps']} gaps, {summary['seconds_lost']} s lost")
    for one, following in itertools.pairwise(labels):
        if following.sample_index != one.sample_index + round(one.duration_s * RATE_HZ):
            found.append(f"clip {following.clip_id} does not begin where {one.clip_id} ended")
    durations_s = {label.clip_id: label.duration_s for label in labels}
    for path in clips:
        if site.n_samples(path) != round(durations_s[path.name.partition(".")[0]] * RATE_HZ):
            found.append(f"{path.name} does not decode to its length")
    return found


def over_limits(figures: dict[str, float], *, with_levels: bool) -> list[str]:
    """Say what is more than the agent may use."""
    max_pss_mb = MAX_PSS_WITH_LEVELS_MB if with_levels else MAX_PSS_MB
    found = []
    if figures["cpu_share_of_one_core"] > MAX_CPU_SHARE:
        found.append(f"more than {MAX_CPU_SHARE:.0%} of one core")
    if figures["peak_pss_mb"] > max_pss_mb:
        found.append(f"more than {max_pss_mb} MB")
    return found


def scenes(folder: Path, given: Path | None) -> Iterator[Path]:
    """Files to play, without end."""
    files = sorted(path for path in given.rglob("*") if path.suffix in {".wav", ".flac", ".ogg"}) if given else []
    if not files:
        files = [write_wav(folder / f"scene{n}.wav", synthetic(n), RATE_HZ) for n in range(4)]
    return itertools.cycle(files)


def synthetic(seed: int, duration_s: float = 20.0) -> FloatArray:
    """Noise that swells and fades, with a sweep over it: float32 [n]."""
    t = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * t / (3.0 + seed))
    sweep = 0.1 * np.sin(2 * np.pi * (200.0 + 300.0 * seed + 40.0 * t) * t)
    return np.asarray(swell * noise(duration_s, RATE_HZ, seed=seed) + sweep, dtype=np.float32)


def _kb(path: Path, key: str) -> int:
    """A figure of a file in /proc, as it stands there."""
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(key))


if __name__ == "__main__":
    sys.exit(main())
