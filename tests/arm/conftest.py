"""The Raspberry Pi that these tests run programs on, and what it and this machine are given."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.bundle import GOLDEN, read_bundle
from sonyc_contract.golden import load_golden
from sonyc_contract.runtime import Runtime
from support.raspberry_pi import Processor, RaspberryPi
from support.signals import FloatArray, noise, write_wav
from support.system_packages import find_program

ROOT = "SONYC_ARM_ROOT"
RATE_HZ = 48_000


@pytest.fixture(scope="session", autouse=True)
def arm_folder() -> Path:
    """What `tools/arm-root.sh` made; only `make test-arm` says where it lies."""
    folder = os.environ.get(ROOT)
    if folder is None:
        pytest.skip("runs the node's aarch64 wheels under qemu: make test-arm")
    if find_program("qemu-aarch64-static") is None:
        pytest.fail("qemu-aarch64-static is missing: tools/install-system-packages.sh installs it", pytrace=False)
    if not Path(folder, Processor.PI_4).is_dir():
        pytest.fail(f"{ROOT}={folder}: nothing that tools/arm-root.sh made is there: make test-arm", pytrace=False)
    return Path(folder)


@pytest.fixture(scope="session")
def make_pi(arm_folder: Path, repository: Path) -> Callable[..., RaspberryPi]:
    """Makes Pis."""

    def make(*, runtime: Runtime = Runtime.LITERT, processor: Processor = Processor.PI_4) -> RaspberryPi:
        return RaspberryPi(arm_folder, repository / "device" / "src", runtime, processor)

    return make


@pytest.fixture(scope="session")
def tolerance(default_bundle: Path) -> float:
    """How far a probability may be from what the shipped bundle expects."""
    return load_golden(read_bundle(default_bundle).members[GOLDEN]).tolerance


@pytest.fixture(scope="session")
def street() -> FloatArray:
    """12.3 s in which something else happens every three seconds: float32 [n], at 48 kHz."""
    t = np.arange(round(12.3 * RATE_HZ)) / RATE_HZ
    sounds = [
        np.sin(2 * np.pi * 880 * t) * (np.sin(2 * np.pi * 1.5 * t) > 0),  # a horn
        np.sign(np.sin(2 * np.pi * 55 * t)) * 0.3,  # an engine
        (np.sin(2 * np.pi * 4 * t) > 0.97) * noise(12.3, RATE_HZ, seed=5, level=0.4),  # blows
        np.sin(2 * np.pi * (400 + 300 * np.sin(2 * np.pi * 3 * t)) * t) * 0.5,  # a siren
    ]
    which = (t // 3).astype(int) % len(sounds)
    street: FloatArray = (0.4 * np.choose(which, sounds) + noise(12.3, RATE_HZ, seed=4, level=0.02)).astype(np.float32)
    return street


@pytest.fixture(scope="session")
def clip(street: FloatArray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That street as a WAV file."""
    return write_wav(tmp_path_factory.mktemp("street") / "street.wav", street, RATE_HZ)
