"""A PulseAudio daemon of our own, and null sinks in it whose monitors are microphones that hear what is played."""

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from support.processes import end, wait_until


class PulseServer:
    """A daemon with runtime folder, configuration and socket in `folder`: it never meets the user's own.

    Attributes:
        address: What PULSE_SERVER must hold for a client to find it.
        log: What the daemon says.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._socket = folder / "native"
        self.address = f"unix:{self._socket}"
        self.log = folder / "pulseaudio.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers.

        Raises:
            RuntimeError: the daemon ended at once; the message holds its log.
            TimeoutError: it did not answer in time.
        """
        protocol = f"module-native-protocol-unix auth-anonymous=1 socket={self._socket}"
        # The protocol comes last: a client that gets in finds everything loaded.
        modules = ["module-null-sink sink_name=idle", protocol]
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disallow-exit=yes"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["pulseaudio", *options, *(f"--load={module}" for module in modules)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._own_environment(),
            )
        wait_until(self._answers, what="pulseaudio")

    def stop(self) -> None:
        """End the daemon, as a microphone that vanishes does; nothing happens where it does not run."""
        if self._process is not None:
            self.thaw()
            end(self._process)
            self._process = None

    def freeze(self) -> None:
        """Let it stand still, as a sound card does that hangs: no sample comes, and no connection ends."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def control(self, *arguments: str) -> str:
        """Run `pactl` against this daemon and give what it prints.

        Raises:
            subprocess.CalledProcessError: it refused.
        """
        command = ["pactl", *arguments]
        return subprocess.run(command, env=self.environment(), check=True, capture_output=True, text=True).stdout

    def environment(self) -> dict[str, str]:
        """This process's environment, with this daemon as the one that clients find."""
        return {**os.environ, "PULSE_SERVER": self.address}

    def _own_environment(self) -> dict[str, str]:
        home = {
            name: str(self._folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH")
        }
        return {**os.environ, **home}

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"pulseaudio ended: {self.log.read_text(errors='replace')}")
        return (
            subprocess.run(["pactl", "info"], env=self.environment(), check=False, capture_output=True).returncode == 0
        )


@dataclass
class PulseSource:
    """A microphone: the monitor of a null sink.

    Attributes:
        server: The daemon it lives in.
        sink: Name of the sink that is played to.
    """

    server: PulseServer
    sink: str
    _players: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _module: str = ""

    @property
    def name(self) -> str:
        """Name of the source to record from."""
        return f"{self.sink}.monitor"

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with which PortAudio's device `pulse` records from here."""
        return {**self.server.environment(), "PULSE_SOURCE": self.name}

    def open(self, rate_hz: int = 48000, *, n_channels: int = 1) -> None:
        """Make the sink."""
        options = [f"sink_name={self.sink}", f"rate={rate_hz}", f"channels={n_channels}"]
        self._module = self.server.control("load-module", "module-null-sink", *options).strip()

    def play(self, wav: Path) -> subprocess.Popen[bytes]:
        """Start to play a file; `.wait()` on what comes back waits for its end."""
        player = subprocess.Popen(["paplay", f"--device={self.sink}", str(wav)], env=self.environment)
        self._players.append(player)
        return player

    def close(self) -> None:
        """Stop what plays and take the sink away, where the daemon still runs."""
        for player in self._players:
            end(player)
        command = ["pactl", "unload-module", self._module]
        subprocess.run(command, env=self.server.environment(), check=False, capture_output=True)
