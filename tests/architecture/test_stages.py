"""Stages never import each other: the trainer's meet in files, the agent's in `agent.py`."""

from pathlib import Path

import pytest

from sonyc_trainer.pipeline import MODULES
from support.source_imports import Import, imports_of

# Every module of the agent has its place here.
AGENT_STAGES = (
    *("microphone", "file_source", "ring", "cutter"),
    *("classification", "labelling", "store"),
    *("outbox", "publisher", "mqtt"),
)
# What stages and their surroundings share: nouns, protocols, settings, errors.
AGENT_SHARED = ("capture", "clips", "clock", "config", "errors", "messenger")
# What puts stages together or stands beside them; no stage may import it.
AGENT_AROUND = (
    "__init__",
    "__main__",
    "agent",
    "assembly",
    "audio_files",
    "bundles",
    "cli",
    "logs",
    "preflight",
    "state",
)

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


def test_every_module_of_the_agent_has_its_place(repository: Path) -> None:
    folder = repository / "device/src/sonyc_device"
    modules = {path.relative_to(folder).parts[0].removesuffix(".py") for path in folder.rglob("*.py")}
    assert modules == {*AGENT_STAGES, *AGENT_SHARED, *AGENT_AROUND}


@pytest.mark.parametrize("stage", AGENT_STAGES)
def test_agent_stage_imports_only_what_is_shared(stage: str, agent_imports: list[Import]) -> None:
    its_own = [found for found in agent_imports if _module(found.importer) == stage]
    allowed = (stage, "__init__", "__version__", *AGENT_SHARED)
    assert not [str(found) for found in its_own if _module(found.name) not in allowed]


def test_agent_puts_its_stages_together(agent_imports: list[Import]) -> None:
    joined = {_module(found.name) for found in agent_imports if _module(found.importer) == "agent"}
    assert joined >= {"cutter", "ring", "classification", "store", "outbox", "publisher"}


def test_nothing_imports_a_stage_of_the_trainer(trainer_imports: list[Import], trainer_stages: list[str]) -> None:
    assert not [str(found) for found in trainer_imports for stage in trainer_stages if found.is_within(stage)]


def test_pipeline_loads_every_stage_by_name(trainer_stages: list[str]) -> None:
    assert sorted(f"{TRAINER_STAGES}.{name}" for name in MODULES.values()) == trainer_stages


def _module(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"
