"""The lock files serve what the distributions ask for, and say nothing about the machine that made them."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = {"sonyc-device": "device", "sonyc-trainer": "trainer", "sonyc-tools": "tools"}
NODE = ["sonyc-device[litert,node]"]
ASKED = {
    "trainer-py311.lock": ["sonyc-device[litert,tflite,node]", "sonyc-trainer[dask]", "sonyc-tools[demo]"],
    "node-py311-aarch64.lock": NODE,
    "node-py311-x86_64.lock": NODE,
    "node-py313-aarch64.lock": NODE,
    "node-py313-x86_64.lock": NODE,
}
EXTRAS = {"openl3-py311.lock": ("trainer", "openl3"), "arm-tflite-py311.lock": ("device", "tflite")}
GROUPS = {"dev-py311.lock": "dev", "node-test-py311.lock": "test"}

_PIN = re.compile(r"([a-z0-9.-]+)==(\S+)( ; \S.*)? \\")
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
_COMMENT = re.compile(r"# Made by `make lock`; do not edit\.")


def test_every_lock_file_is_checked_here(repository: Path) -> None:
    assert {path.name for path in repository.glob("*.lock")} == set(ASKED) | set(EXTRAS) | set(GROUPS)


@pytest.mark.parametrize("lock", [*ASKED, *EXTRAS, *GROUPS])
def test_lock_holds_pins_with_hashes_and_nothing_else(lock: str, repository: Path) -> None:
    lines = (repository / lock).read_text().splitlines()
    assert not [line for line in lines if not any(form.fullmatch(line) for form in (_PIN, _HASH, _COMMENT))]
    assert not set(_pins(repository / lock)) & set(OURS)


@pytest.mark.parametrize("lock", ASKED)
def test_lock_serves_what_the_distributions_ask_for(lock: str, repository: Path) -> None:
    pins = _pins(repository / lock)
    asked = [wanted for own in ASKED[lock] for wanted in _requirements(repository, Requirement(own))]
    assert len(asked) > 5
    assert not _unserved(asked, pins)


@pytest.mark.parametrize("lock", GROUPS)
def test_lock_serves_a_dependency_group(lock: str, repository: Path) -> None:
    groups = tomllib.loads((repository / "pyproject.toml").read_text())["dependency-groups"]
    asked = list(_group(groups, GROUPS[lock]))
    assert len(asked) >= 3
    assert not _unserved(asked, _pins(repository / lock))


@pytest.mark.parametrize("lock", EXTRAS)
def test_lock_serves_an_extra_and_agrees_with_the_trainers(lock: str, repository: Path) -> None:
    distribution, extra = EXTRAS[lock]
    project = tomllib.loads((repository / distribution / "pyproject.toml").read_text())["project"]
    pins, installed = _pins(repository / lock), _pins(repository / "trainer-py311.lock")
    assert not _unserved(list(map(Requirement, _extra(project, extra))), pins)
    assert not {name: pin for name, pin in pins.items() if installed.get(name, pin) != pin}


def test_openl3_is_in_no_lock(repository: Path) -> None:
    assert not [path.name for path in repository.glob("*.lock") if "openl3" in _pins(path)]


def _unserved(asked: list[Requirement], pins: dict[str, str]) -> list[str]:
    return [
        f"{wanted} (locked: {pins.get(canonicalize_name(wanted.name))}): make lock"
        for wanted in asked
        if not wanted.specifier.contains(pins.get(canonicalize_name(wanted.name), "0"), prereleases=True)
        or canonicalize_name(wanted.name) not in pins
    ]


def _pins(path: Path) -> dict[str, str]:
    return {match[1]: match[2] for match in _PIN.finditer(path.read_text())}


def _requirements(repository: Path, own: Requirement) -> Iterator[Requirement]:
    project = tomllib.loads((repository / OURS[own.name] / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *(text for extra in own.extras for text in _extra(project, extra))]
    for wanted in map(Requirement, texts):
        if wanted.name in OURS:
            yield from _requirements(repository, wanted)
        elif wanted.marker is None or wanted.marker.evaluate():
            yield wanted


def _extra(project: dict, extra: str) -> list[str]:
    return project["optional-dependencies"][extra]


def _group(groups: dict, name: str) -> Iterator[Requirement]:
    for entry in groups[name]:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from _group(groups, entry["include-group"])
