"""What is in the wheels beside code."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.mark.parametrize("distribution", ["tools", "device"])
def test_wheel_carries_a_copy_of_the_nodes_configuration(distribution: str, tmp_path: Path, repository: Path) -> None:
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    for folder in (distribution, "firmware_config"):
        ignored = shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__")
        shutil.copytree(repository / folder, source / folder, symlinks=True, ignore=ignored)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", f"--wheel-dir={wheels}"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, source / distribution], check=True, capture_output=True
    )
    (wheel,) = wheels.glob("sonyc_*.whl")
    with zipfile.ZipFile(wheel) as archive:
        carried = {Path(name).name: archive.read(name) for name in archive.namelist() if "/firmware_config/" in name}
    assert carried == {path.name: path.read_bytes() for path in (repository / "firmware_config").iterdir()}
