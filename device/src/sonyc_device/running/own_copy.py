"""Copies the agent and what it needs into an environment of its own, offline: what was installed and checked once.

A service cannot run from somebody's home folder, and root should not have to fetch packages.
"""

import compileall
import re
import shutil
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

import sonyc_contract
import sonyc_device

OWN: Final = "sonyc-device"
EXTRAS: Final = frozenset({"litert", "tflite", "node"})
"""Of the two runtimes, the one that is installed."""

_NOT_OURS = shutil.ignore_patterns("__pycache__")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def copy_environment(folder: Path, *, runs_at: Path) -> None:
    """Make a virtual environment with the agent, what it needs, and the command `bin/sonyc-device`.

    Args:
        folder: Where to make it.
        runs_at: Where it will lie when it runs.

    Raises:
        OSError: it cannot be written.
    """
    venv.EnvBuilder(symlinks=True).create(folder)
    packages = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    for found in needed(OWN, EXTRAS):
        _copy_files(found, packages)
    for package in (sonyc_contract, sonyc_device):  # also where they are only linked to a checkout
        (source,) = map(Path, package.__path__)
        shutil.copytree(source, packages / source.name, ignore=_NOT_OURS, dirs_exist_ok=True)
        # The service cannot write there; what pip compiled of the others is copied with them.
        compileall.compile_dir(packages / source.name, quiet=2)
    command = folder / "bin" / "sonyc-device"
    command.write_text(f"#!{runs_at}/bin/python\nimport sys\nfrom sonyc_device.cli import main\nsys.exit(main())\n")
    command.chmod(0o755)


def needed(name: str, extras: frozenset[str] = frozenset()) -> list[Distribution]:
    """Give an installed distribution and all that it needs; what is needed but not installed is left out.

    Whether something is missing is for `doctor` to say: a requirement may be for another Python or another machine.
    """
    found: dict[str, Distribution] = {}
    waiting = [(name, extras)]
    while waiting:
        name, extras = waiting.pop()
        if (key := _normalised(name)) in found:
            continue
        try:
            found[key] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += _requirements(found[key], extras)
    return list(found.values())


def _requirements(found: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for text in found.requires or ():
        requirement, _, marker = text.partition(";")
        wanted = _EXTRA.findall(marker)
        match = _REQUIREMENT.match(requirement)
        if match is not None and (not wanted or extras & set(wanted)):
            yield match[1], frozenset(part.strip() for part in (match[2] or "").split(",") if part.strip())


def _copy_files(found: Distribution, packages: Path) -> None:
    for file in found.files or ():
        # Commands lie outside, and a link to a checkout leads to what is copied anyway.
        if file.parts[0] == ".." or file.name.startswith("__editable__"):
            continue
        source, target = Path(str(file.locate())), packages / file
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
