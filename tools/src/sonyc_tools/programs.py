"""The other programs of the toolkit, driven as processes."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sonyc_tools.errors import ProcessError


def find_program(name: str) -> Path:
    """Find a program of the toolkit beside this Python, or on the PATH.

    Raises:
        ProcessError: it is not installed.
    """
    beside = Path(sys.executable).with_name(name)
    found = beside if beside.is_file() else shutil.which(name)
    if found is None:
        distribution = name.replace("sonyc-device", "sonyc-device[litert,node]")
        raise ProcessError(f"{name} is not installed beside this command: pip install '{distribution}'")
    return Path(found)


def read_program(name: str, arguments: Sequence[str | Path], *, stderr_to: Path | None = None) -> str:
    """Run a program to its end and give what it printed on standard output.

    Args:
        name: The program.
        arguments: Its arguments.
        stderr_to: A file for what it prints on standard error, instead of the terminal.

    Raises:
        ProcessError: it is not installed, or ends with another exit code than 0.
    """
    command = [find_program(name), *arguments]
    if stderr_to is None:
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    else:
        with stderr_to.open("w") as log:
            done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=log, text=True)
    if done.returncode:
        where = f"see {stderr_to}" if stderr_to else "what it said stands above"
        raise ProcessError(f"{name} {arguments[0]} ended with exit code {done.returncode}; {where}")
    return done.stdout
