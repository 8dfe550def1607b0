"""Makes a service of the agent on this machine: environment, user, unit, configuration.

Doing it again changes only what is not as it should be, and never a configuration that is there.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Final

from sonyc_contract.files import write_whole
from sonyc_contract.messages import NODE_ID_PATTERN
from sonyc_device.config import NodeConfig, load_config
from sonyc_device.errors import InstallationError
from sonyc_device.places import COMMAND, CONFIG, ENVIRONMENT, JOURNALD, STATE, SYSUSERS, UNIT, UNIT_PATHS
from sonyc_device.running.own_copy import copy_environment

SERVICE: Final = "sonyc-device.service"

_HOMES = ("/home", "/root", "/tmp")  # noqa: S108 - which a service does not see, or which do not last
_COMMAND_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Target:
    """What to install, and where.

    Attributes:
        root: The system's root; another folder is a system that does not run, such as a card.
        node_id: For a new configuration; the host's name where it is empty.
        broker: For a new configuration; the default where it is empty.
    """

    root: Path = Path("/")
    node_id: str = ""
    broker: str = ""

    def at(self, path: Path) -> Path:
        """Give the place of an absolute path under the root."""
        return self.root / path.relative_to("/")

    @property
    def is_running_system(self) -> bool:
        """Whether it is the one that systemd runs now."""
        return self.root == Path("/") and Path("/run/systemd/system").is_dir()


@dataclass(frozen=True)
class Step:
    """One change: what it is, for a person, and how it is made; None where nothing is to be done."""

    what: str
    make: Callable[[], None] | None


def plan(target: Target) -> Iterator[Step]:
    """Give the steps in order; nothing is changed before a step is made.

    Raises:
        InstallationError: it cannot work here.
        ConfigError: there is a configuration, and it is wrong.
    """
    _require_usable(target)
    yield _config_step(target)
    yield _environment_step(target)
    for path, name in ((UNIT, SERVICE), (SYSUSERS, "sonyc-device.sysusers"), (JOURNALD, "sonyc-device.journald")):
        yield _file_step(target, path, _template(name))
    yield _run_step(["systemd-sysusers", *_root_option(target), SYSUSERS.name])
    yield Step(f"write {UNIT_PATHS}, if store.folder lies outside {STATE}", lambda: _permit_store(target))
    yield _link_step(target)
    if target.is_running_system:
        yield _run_step(["systemctl", "daemon-reload"])
    yield _run_step(["systemctl", *_root_option(target), "enable", SERVICE])
    if target.is_running_system:
        yield _run_step(["systemctl", "restart", "--no-block", SERVICE])


def plan_removal(target: Target) -> Iterator[Step]:
    """Give the steps of taking the service away. Configuration, state and clips stay, and so does the user.

    Raises:
        InstallationError: it cannot work here.
    """
    _require_root(target)
    _require_ours(target.at(ENVIRONMENT), target.at(COMMAND))
    now = ["--now"] if target.is_running_system else []
    if target.at(UNIT).exists():
        yield _run_step(["systemctl", *_root_option(target), "disable", *now, SERVICE])
    for path in (UNIT, UNIT_PATHS.parent, SYSUSERS, JOURNALD, COMMAND, ENVIRONMENT):
        yield Step(f"remove {path}", partial(_remove, target.at(path)))
    yield Step(f"keep {CONFIG.parent} and {STATE}", None)


def _require_usable(target: Target) -> None:
    _require_root(target)
    for program in ("systemctl", "systemd-sysusers"):
        if shutil.which(program) is None:
            raise InstallationError(f"there is no {program} here: the agent's service needs systemd")
    _require_ours(target.at(ENVIRONMENT), target.at(COMMAND))
    python = Path(sys.executable).resolve()
    if target.root == Path("/") and any(python.is_relative_to(folder) for folder in _HOMES):
        raise InstallationError(f"{python}: a service does not see what lies there; make the environment with python3")
    if not re.fullmatch(NODE_ID_PATTERN, _node_id(target)) and not target.at(CONFIG).exists():
        raise InstallationError(f"{_node_id(target)!r} is no node id (a-z, 0-9, hyphen): name one with --node-id")
    if target.at(CONFIG).exists():
        load_config(target.at(CONFIG))


def _require_ours(environment: Path, command: Path) -> None:
    """See that nothing of somebody else's would be replaced or removed."""
    if environment.exists() and not (environment / "pyvenv.cfg").is_file():
        raise InstallationError(f"{environment}: is no environment that was installed; move it out of the way")
    if command.exists() and not command.is_symlink():
        raise InstallationError(f"{command}: there is another program of that name; move it out of the way")


def _require_root(target: Target) -> None:
    if not target.root.is_dir():
        raise InstallationError(f"{target.root}: there is no such folder")
    if target.root == Path("/") and os.geteuid() != 0:
        raise InstallationError("only root may install a service: use sudo")


def _environment_step(target: Target) -> Step:
    if Path(sys.prefix).resolve() == target.at(ENVIRONMENT).resolve():
        return Step(f"keep {ENVIRONMENT}, from which this runs", None)
    return Step(f"make the environment {ENVIRONMENT}", lambda: _replace_environment(target.at(ENVIRONMENT)))


def _replace_environment(folder: Path) -> None:
    new, old = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    copy_environment(new, runs_at=ENVIRONMENT)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _file_step(target: Target, path: Path, data: bytes) -> Step:
    place = target.at(path)
    if place.is_file() and place.read_bytes() == data:
        return Step(f"keep {path}", None)
    return Step(f"write {path}", lambda: _write(place, data))


def _config_step(target: Target) -> Step:
    if target.at(CONFIG).exists():
        return Step(f"keep your {CONFIG}", None)
    text = _template("node.toml").decode()
    text = text.replace('node_id = "node-0001"', f'node_id = "{_node_id(target)}"')
    if target.broker:
        text = text.replace('host = "localhost"', f'host = "{target.broker}"')
    return Step(f"write {CONFIG}", lambda: _write_config(target.at(CONFIG), text))


def _write_config(place: Path, text: str) -> None:
    _write(place, text.encode())
    try:
        load_config(place)
    except Exception:
        place.unlink()
        raise


def _permit_store(target: Target) -> None:
    """Write what the unit needs for a store outside the state folder, and remove it where it is not needed."""
    config: NodeConfig = load_config(target.at(CONFIG))
    folders = [folder for folder in (config.store.folder, config.state_folder) if not folder.is_relative_to(STATE)]
    place = target.at(UNIT_PATHS)
    if folders:
        lines = "".join(f"ReadWritePaths=-{folder}\n" for folder in folders)
        _write(place, f"# Written by the installation from {CONFIG}.\n[Service]\n{lines}".encode())
    else:
        place.unlink(missing_ok=True)


def _link_step(target: Target) -> Step:
    place, leads_to = target.at(COMMAND), ENVIRONMENT / "bin" / "sonyc-device"
    if place.is_symlink() and place.readlink() == leads_to:
        return Step(f"keep {COMMAND}", None)
    return Step(f"link {COMMAND}", lambda: _link(place, leads_to))


def _link(place: Path, leads_to: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(leads_to)


def _run_step(command: list[str]) -> Step:
    return Step(f"run {' '.join(command)}", lambda: _run(command))


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COMMAND_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallationError(f"{command[0]} cannot be run: {error}") from error
    if done.returncode:
        raise InstallationError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")


def _root_option(target: Target) -> list[str]:
    return [] if target.root == Path("/") else [f"--root={target.root.resolve()}"]


def _node_id(target: Target) -> str:
    return target.node_id or socket.gethostname().partition(".")[0].lower()


def _template(name: str) -> bytes:
    return (resources.files("sonyc_device") / "firmware_config" / name).read_bytes()


def _write(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, data)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
