"""The demo: the whole chain on one machine, from made street scenes to labels at a subscriber."""

import json
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sonyc_tools.demo_tables import accuracy_table, cost_table, labels_table
from sonyc_tools.embedded_broker import BrokerAddress, embedded_broker
from sonyc_tools.errors import FolderError, ProcessError
from sonyc_tools.programs import find_program, read_program
from sonyc_tools.subscriber import LabelCollector, subscribed

NODE: Final = "demo-node"
NODE_LEVEL: Final = "v5"
N_SCENES: Final = 18
SCENES_SEED: Final = 20_261
"""Another seed than the study's: other scenes, other sensors."""

_MARK = ".made-by-the-demo"
_ARRIVAL_DEADLINE_S = 30.0
_POLL_S = 0.2


@dataclass(frozen=True)
class Counts:
    """Clips that the node recorded, labels that the broker acknowledged, labels that the subscriber received."""

    recorded: int
    published: int
    received: int

    @property
    def agree(self) -> bool:
        """Whether every clip that was recorded became one label that arrived."""
        return 0 < self.recorded == self.published == self.received


def run_demo(folder: Path) -> int:
    """Run the demo in `folder`, from nothing; returns 0 if every clip's label arrived, else 1.

    Raises:
        ToolsError: the folder cannot be written or holds something else, a program of the chain failed, or the broker
            did not start.
    """
    console = Console(stderr=True)
    _begin(folder)
    console.rule("1 of 3: a study on made street scenes (synthetic: its figures show that the chain works)")
    study = _run_study(folder)
    console.rule("2 of 3: a node records scenes that were not trained on")
    read_program("sonyc-trainer", ["generate", folder / "street", "--clips", str(N_SCENES), "--seed", str(SCENES_SEED)])
    counts, collector = _record(folder, study, console)
    console.rule("3 of 3: what each level costs on this machine")
    ms_per_s = _measure(folder, study, console)
    summary = json.loads((study / "summary.json").read_text())
    out = Console()
    out.print(labels_table(collector.labels))
    out.print(accuracy_table(summary))
    out.print(cost_table(summary, ms_per_s))
    out.print("All sounds were synthetic: these figures say that the chain works, not how well streets are recognised.")
    out.print(
        f"Report: {study / 'report.html'}; bundle: {_bundle(study)}; clips: {folder / 'node' / 'clips'}\n",
        soft_wrap=True,
    )
    out.print(
        f"demo: {counts.recorded} clips recorded, {counts.published} labels published, {counts.received} received",
        highlight=False,
        soft_wrap=True,
    )
    return 0 if counts.agree else 1


def _begin(folder: Path) -> None:
    """Make the folder; what an earlier demo left there is removed, and nothing else ever is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not (folder / _MARK).exists():
            raise FolderError(f"{folder}: holds files that no demo made; name another folder with --out")
        (folder / _MARK).touch()
        for part in (folder / name for name in ("study", "street", "node")):
            if part.exists():
                shutil.rmtree(part)
    except OSError as error:
        raise FolderError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from error


def _run_study(folder: Path) -> Path:
    settings = folder / "study.toml"
    settings.write_text(resources.files("sonyc_tools").joinpath("demo_study.toml").read_text())
    # Its own tables stand at the end of the demo.
    read_program("sonyc-trainer", ["run", settings, "--out", folder / "study"])
    return folder / "study"


def _bundle(study: Path) -> Path:
    (bundle,) = study.glob("*/*.bundle")
    return bundle


def _record(folder: Path, study: Path, console: Console) -> tuple[Counts, LabelCollector]:
    with embedded_broker() as broker, subscribed(broker.host, broker.port, f"sonyc/v1/{NODE}/label") as collector:
        config = folder / "node.toml"
        config.write_text(_node_config(folder, _bundle(study), broker))
        log = folder / "node.log"
        _run_node(config, log, collector, console)
        finished = _finished_record(log)
        collector.wait_for(finished["labels_published"], timeout_s=_ARRIVAL_DEADLINE_S)
    return Counts(finished["clips_recorded"], finished["labels_published"], len(collector.labels)), collector


def _node_config(folder: Path, bundle: Path, broker: BrokerAddress) -> str:
    def quoted(path: Path) -> str:
        return json.dumps(str(path.resolve()))

    return f"""node_id = "{NODE}"
state_folder = {quoted(folder / "node")}

[capture]
source = "files"
files = [{quoted(folder / "street" / "audio")}]
speed = 0.0

[store]
mode = "all"
clear = true
level = "{NODE_LEVEL}"
folder = {quoted(folder / "node" / "clips")}

[classify]
bundle = {quoted(bundle)}

[mqtt]
host = "{broker.host}"
port = {broker.port}
"""


def _run_node(config: Path, log: Path, collector: LabelCollector, console: Console) -> None:
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    command = [str(find_program("sonyc-device")), "run", "--config", str(config)]
    with log.open("w") as stderr, Progress(*columns, console=console) as bar:
        task = bar.add_task("labels received", total=N_SCENES)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr)
        try:
            while not _has_ended(process):
                bar.update(task, completed=len(collector.labels))
        finally:
            process.terminate()
            process.wait()
        bar.update(task, completed=len(collector.labels))
    if process.returncode:
        raise ProcessError(f"sonyc-device run ended with exit code {process.returncode}; see {log}")


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _finished_record(log: Path) -> dict[str, Any]:
    """Give the counts with which the agent's log ends."""
    for line in reversed(log.read_text().splitlines()):
        if line.startswith("{") and (record := json.loads(line)).get("message") == "finished":
            return dict(record)
    raise ProcessError(f"sonyc-device run left no counts in {log}")


def _measure(folder: Path, study: Path, console: Console) -> dict[str, float]:
    """Give milliseconds per second of audio, codec included, by level: the median over the scenes."""
    levels = json.loads((study / "summary.json").read_text())["levels"]
    scenes = sorted((folder / "street" / "audio").glob("*.wav"))
    ms_per_s = {}
    with Progress(TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), console=console) as bar:
        task = bar.add_task("classify at every level", total=len(levels))
        for level in levels:
            options = ["classify", "--bundle", _bundle(study), "--level", level]
            lines = read_program("sonyc-device", [*options, *scenes], stderr_to=folder / "classify.log").splitlines()
            measured = [json.loads(line) for line in lines]
            ms_per_s[level] = statistics.median(entry["ms"] / entry["duration_s"] for entry in measured)
            bar.advance(task)
    return ms_per_s
