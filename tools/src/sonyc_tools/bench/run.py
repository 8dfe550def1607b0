"""One run of the benchmark, from what was asked for to what was found."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Final

from sonyc_contract.bundle import Bundle, read_bundle
from sonyc_contract.errors import ModelError
from sonyc_contract.levels import Level
from sonyc_contract.runtime import Runtime, runtime_version
from sonyc_tools.bench.accuracy import Accuracy, accuracy_of
from sonyc_tools.bench.coding import CodedClips, Coding
from sonyc_tools.bench.judging import Judgement, judge
from sonyc_tools.bench.machine import this_machine
from sonyc_tools.bench.material import Material, gather
from sonyc_tools.bench.memory import memory_of
from sonyc_tools.bench.openl3_peer import OpenL3Cost, is_installed, openl3_cost
from sonyc_tools.bench.peers import Found, PeerTasks, find_peers
from sonyc_tools.bench.recognising import Contender, RecogniserTasks
from sonyc_tools.bench.replay import Replayed, replay
from sonyc_tools.bench.report import Report
from sonyc_tools.bench.settings import BenchSettings
from sonyc_tools.bench.timing import Task, measure
from sonyc_tools.errors import BenchError, BrokerError, ProcessError

Say = Callable[[str], None]

DEFAULT_LEVELS: Final = (Level.PCM, Level.V3, Level.V5, Level.V7, Level.V9)


@dataclass(frozen=True)
class Plan:
    """What is measured, opened and checked.

    Attributes:
        material: Audio.
        contenders: Every bundle on every runtime with every number of threads.
        levels: The levels.
        peers: The models to compare with, and what was left out.
    """

    material: Material
    contenders: Sequence[Contender]
    levels: Sequence[Level]
    peers: Found


def run(settings: BenchSettings, say: Say) -> Report:
    """Measure everything that was asked for.

    Args:
        settings: What was asked for.
        say: Told what is going on, line by line.

    Raises:
        ToolsError: something that was asked for is missing or cannot be measured.
        ContractError: a bundle, a model or a recording cannot be used.
    """
    started_s, machine = time.monotonic(), this_machine()
    plan = _plan(settings, say)
    coded = CodedClips(plan.material.clips, _codings(plan, settings.rates_hz))
    recognisers = [RecogniserTasks(one, plan.material.long, coded, plan.levels) for one in plan.contenders]
    peers = PeerTasks(plan.peers.peers, plan.material.long)
    tasks: dict[str, Task] = coded.tasks() | peers.tasks()
    for recogniser in recognisers:
        tasks |= recogniser.tasks()
    say(f"timing {len(tasks)} tasks in {settings.n_reps} rounds")
    times = measure(tasks, n_reps=settings.n_reps, max_s=settings.max_timing_s)
    notes = list(plan.peers.notes)
    say("memory")
    memory = [memory_of(one) for one in plan.contenders]
    replays = _replays(settings, plan, say, notes)
    return Report(
        machine=machine,
        material=_in_words(plan.material),
        n_reps=min(found.wall.n for found in times.values()),
        max_load=settings.max_load,
        card_bytes=settings.card_bytes,
        levels=plan.levels,
        recognisers=[recogniser.cost(times) for recogniser in recognisers],
        memory=memory,
        codings=coded.costs(times, card_bytes=settings.card_bytes),
        replays=replays,
        peers=peers.costs(times),
        openl3=_openl3(settings, say, notes),
        accuracies=_accuracies(plan, say, notes),
        judgements=_judgements(settings, plan, say, notes),
        notes=notes,
        took_s=time.monotonic() - started_s,
    )


def _plan(settings: BenchSettings, say: Say) -> Plan:
    say("reading audio and models")
    contenders = list(_contenders(settings))
    bundle = contenders[0].bundle
    levels = settings.levels or _levels_of(bundle)
    for one in contenders:
        for level in levels:
            one.bundle.head_for(level)
    peers = find_peers(settings.peers) if settings.peers else Found(())
    return Plan(gather(settings.audio), contenders, levels, peers)


def _contenders(settings: BenchSettings) -> "Sequence[Contender]":
    paths = settings.bundles or (shipped_bundle(),)
    bundles = [(path, read_bundle(path)) for path in paths]
    names = _names([bundle for _, bundle in bundles], paths)
    return [
        Contender(name, path, bundle, runtime, n_threads, settings.hop_s)
        for name, (path, bundle) in zip(names, bundles, strict=True)
        for runtime in settings.runtimes or installed_runtimes()
        for n_threads in settings.threads
    ]


def shipped_bundle() -> Path:
    """Find the bundle that sonyc-device ships, without importing it.

    Raises:
        BenchError: sonyc-device is not installed.
    """
    found = util.find_spec("sonyc_device")
    if found is None or not found.submodule_search_locations:
        raise BenchError("sonyc-device is not installed beside this command; name a bundle with --bundle FILE")
    return Path(found.submodule_search_locations[0]) / "bundles" / "default.bundle"


def installed_runtimes() -> tuple[Runtime, ...]:
    """Name the runtimes that are installed and can be used, ai-edge-litert first.

    Raises:
        ModelError: none is.
    """
    import numpy as np

    found = []
    for runtime in Runtime:
        with suppress(ModelError):
            runtime_version(runtime)
            if runtime is not Runtime.TFLITE or int(np.__version__.split(".")[0]) < 2:
                found.append(runtime)
    if not found:
        raise ModelError("no runtime is installed: pip install 'sonyc-device[litert]'")
    return tuple(found)


def _names(bundles: Sequence[Bundle], paths: Sequence[Path]) -> list[str]:
    """Name bundles as they name themselves, and by a piece of their digests where two have one name."""
    names = [bundle.manifest.name for bundle in bundles]
    if len({path.resolve() for path in paths}) < len(paths):
        raise BenchError("a bundle is named twice")
    return [
        name if names.count(name) == 1 else f"{name}-{bundle.digest[:8]}"
        for name, bundle in zip(names, bundles, strict=True)
    ]


def _levels_of(bundle: Bundle) -> tuple[Level, ...]:
    """Give the levels that a bundle was trained for; those of a study, where it only has the robust head."""
    return tuple(level for level in Level if level.value in bundle.manifest.heads) or DEFAULT_LEVELS


def _codings(plan: Plan, rates_hz: Sequence[int]) -> list[Coding]:
    own = [contender.bundle.manifest.storage_rate_hz for contender in plan.contenders]
    return [Coding(level, rate_hz) for rate_hz in dict.fromkeys([*own, *rates_hz]) for level in plan.levels]


def _replays(settings: BenchSettings, plan: Plan, say: Say, notes: list[str]) -> list[Replayed]:
    if not settings.n_agent_clips:
        return []
    found = []
    for level in plan.levels:
        say(f"an agent replays {settings.n_agent_clips} clips of 10 s at level {level}, at real time")
        try:
            found.append(replay(plan.contenders[0], level, plan.material.long, n_clips=settings.n_agent_clips))
        except (BrokerError, ProcessError, OSError) as error:  # OSError: a full disk, or a system without /proc
            notes.append(f"the agent was not measured: {error}")
            break
    return found


def _openl3(settings: BenchSettings, say: Say, notes: list[str]) -> OpenL3Cost | None:
    if settings.peers is None:
        return None
    if not is_installed():
        notes.append("openl3 is left out: it is not installed")
        return None
    say("openl3, in its own process")
    try:
        return openl3_cost()
    except ProcessError as error:
        notes.append(f"openl3 is left out: {error}")
        return None


def _accuracies(plan: Plan, say: Say, notes: list[str]) -> list[Accuracy]:
    if not plan.material.labelled:
        return []
    notes.append("accuracy of a bundle means nothing on recordings that it learned from: its MODEL_CARD names them")
    found = []
    for name in dict.fromkeys(contender.name for contender in plan.contenders):
        say(f"accuracy of {name} on {len(plan.material.labelled)} labelled recordings")
        contender = next(one for one in plan.contenders if one.name == name)
        found += accuracy_of(contender, plan.material.labelled, plan.levels, on_refused=notes.append)
    return found


def _judgements(settings: BenchSettings, plan: Plan, say: Say, notes: list[str]) -> list[Judgement]:
    if settings.peers is None or not (plan.material.labelled or settings.judging.study):
        return []
    say("the yardstick, in sonyc-trainer")
    try:
        return judge(settings.judging, plan.peers.peers, plan.contenders[0].path, plan.material.labelled)
    except (BenchError, ProcessError) as error:
        notes.append(f"embeddings were not judged: {error}")
        return []


def _in_words(material: Material) -> str:
    if not material.n_files:
        return material.name
    labelled = f", {len(material.labelled)} of them labelled" if material.labelled else ""
    return f"{material.name}: {material.n_files} files{labelled}"
