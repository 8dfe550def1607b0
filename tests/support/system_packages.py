"""What tests need beyond Python packages: skipped by name where it is missing, a failure in CI."""

import ctypes.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

_SBIN = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
_ALSA_PULSE = "alsa-lib/libasound_module_pcm_pulse.so"


def find_program(name: str) -> str | None:
    """Path of a program, also where the user's PATH leaves out /usr/sbin."""
    return shutil.which(name, path=_SBIN)


def require_system(package: str) -> None:
    """Skip the test where a Debian package is missing; with CI=true fail instead.

    Raises:
        KeyError: this file does not say how to recognise `package`.
    """
    if INSTALLED[package]():
        return
    reason = f"system package {package} is missing: tools/install-system-packages.sh installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _program(name: str) -> Callable[[], bool]:
    return lambda: find_program(name) is not None


def _has_alsa_pulse() -> bool:
    return any(
        path.joinpath(_ALSA_PULSE).exists() for path in (Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-gnu"))
    )


INSTALLED: dict[str, Callable[[], bool]] = {
    "age": _program("age"),
    "chromium": _program("chromium"),
    "chromium-driver": _program("chromedriver"),
    "e2fsprogs": _program("mkfs.ext4"),
    "libasound2-plugins": _has_alsa_pulse,
    "libportaudio2": lambda: ctypes.util.find_library("portaudio") is not None,
    "mosquitto": _program("mosquitto"),
    "openssl": _program("openssl"),
    "pulseaudio": _program("pulseaudio"),
    "pulseaudio-utils": _program("paplay"),
    "strace": _program("strace"),
    "systemd": _program("systemd-analyze"),
}
