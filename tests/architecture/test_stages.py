"""Stages never import each other: the trainer's meet in files, the agent's in `agent.py`."""

from pathlib import Path

import pytest

from sonyc_trainer.pipeline import MODULES
from support.source_imports import Import, imports_of

# The agent's parts are sub-packages: each may import itself and what is shared, and `agent.py` joins them.
AGENT_PARTS = ("capture", "level", "storing", "messaging", "running")
# Stages beside the parts.
AGENT_STAGES = ("classification", "labelling")
# What parts and their surroundings share: nouns, protocols, settings, errors.
AGENT_SHARED = ("capture.source", "capture.clips", "clock", "config", "effective", "errors", "places")

TRAINER_STAGES = "sonyc_trainer.stages"


@pytest.fixture(scope="module")
def agent_imports(repository: Path) -> list[Import]:
    """Every import in the agent of a module of its own."""
    return [found for found in imports_of(repository / "device/src", "sonyc_device") if found.top == "sonyc_device"]


@pytest.fixture(scope="module")
def trainer_imports(repository: Path) -> list[Import]:
    """Every import in the trainer."""
    return imports_of(repository / "trainer/src", "sonyc_trainer")


@pytest.fixture(scope="module")
def trainer_stages(repository: Path) -> list[str]:
    """Dotted names of the trainer's stages: every module in their folder."""
    folder = repository / "trainer/src" / TRAINER_STAGES.replace(".", "/")
    return [f"{TRAINER_STAGES}.{path.stem}" for path in sorted(folder.glob("[!_]*.py"))]


@pytest.mark.parametrize("part", [*AGENT_PARTS, *AGENT_STAGES])
def test_agent_part_imports_only_itself_and_what_is_shared(part: str, agent_imports: list[Import]) -> None:
    allowed = [f"sonyc_device.{name}" for name in (part, *AGENT_SHARED)]
    its_own = [found for found in agent_imports if f"{found.importer}.".startswith(f"sonyc_device.{part}.")]
    assert not [
        str(found)
        for found in its_own
        if found.name not in ("sonyc_device", "sonyc_device.__version__")
        and not any(found.is_within(name) for name in allowed)
    ]


def test_agent_has_these_parts(repository: Path) -> None:
    folder = repository / "device/src/sonyc_device"
    found = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert found - {"bundles", "cli"} == set(AGENT_PARTS)


def test_agent_puts_its_parts_together(agent_imports: list[Import]) -> None:
    joiners = {f"sonyc_device.{name}" for name in ("agent", "labeller", "parts")}
    joined = {found.name for found in agent_imports if found.importer in joiners}
    for part in (*AGENT_PARTS, *AGENT_STAGES):
        assert any(f"{name}.".startswith(f"sonyc_device.{part}.") for name in joined), part


def test_nothing_imports_a_stage_of_the_trainer(trainer_imports: list[Import], trainer_stages: list[str]) -> None:
    assert not [str(found) for found in trainer_imports for stage in trainer_stages if found.is_within(stage)]


def test_pipeline_loads_every_stage_by_name(trainer_stages: list[str]) -> None:
    assert sorted(f"{TRAINER_STAGES}.{name}" for name in MODULES.values()) == trainer_stages
