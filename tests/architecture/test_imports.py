"""Which of our packages may import which, and what they may import at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.source_imports import Import, imports_of

SOURCES = {
    "sonyc_contract": "device/src",
    "sonyc_device": "device/src",
    "sonyc_trainer": "trainer/src",
    "sonyc_tools": "tools/src",
}

# The rows may import the columns, and nothing else of ours.
ALLOWED = {
    "sonyc_contract": (),
    "sonyc_device": ("sonyc_contract",),
    "sonyc_trainer": ("sonyc_contract",),
    "sonyc_tools": ("sonyc_contract", "sonyc_device.update"),
}

CONTRACT_MODULE_LEVEL = {"numpy", "pydantic", "sonyc_contract", *sys.stdlib_module_names}

# Too heavy to be imported before they are needed.
LATE = (
    *("ai_edge_litert", "amqtt", "matplotlib", "pandas", "paho", "pedalboard", "pyarrow", "scipy", "sklearn"),
    *("pyrage", "sounddevice", "soundfile", "soxr", "tensorflow", "tflite_runtime", "tuf"),
)


@pytest.mark.parametrize("package", ALLOWED)
def test_package_imports_only_what_the_table_allows(package: str, repository: Path) -> None:
    allowed = (package, *ALLOWED[package])
    ours = [found for found in _imports(repository, package) if found.top in SOURCES]
    assert not [str(found) for found in ours if not any(found.is_within(name) for name in allowed)]


@pytest.mark.parametrize("package", SOURCES)
def test_package_has_modules_to_look_at(package: str, repository: Path) -> None:
    assert len(_imports(repository, package)) > 5


def test_every_package_is_in_the_table(repository: Path) -> None:
    found = {path.parent.name for path in repository.glob("*/src/*/__init__.py")}
    assert found == set(SOURCES) == set(ALLOWED)


def test_contract_imports_little_at_module_level(repository: Path) -> None:
    early = [found for found in _imports(repository, "sonyc_contract") if found.at_module_level]
    assert not [str(found) for found in early if found.top not in CONTRACT_MODULE_LEVEL]


@pytest.mark.parametrize(
    "modules", ["sonyc_contract, sonyc_device", "sonyc_device.cli", "sonyc_trainer.cli", "sonyc_tools.cli"]
)
def test_importing_pulls_in_nothing_heavy(modules: str) -> None:
    code = f"import sys, {modules}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & set(LATE)
    assert not done.stderr


def test_nodes_command_line_waits_for_neither_numpy_nor_pydantic() -> None:
    code = "import sys, sonyc_device.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pydantic"} & set(done.stdout.split())


def _imports(repository: Path, package: str) -> list[Import]:
    return imports_of(repository / SOURCES[package], package)
