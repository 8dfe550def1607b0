"""Runs the benchmark for the command line: measures, shows, writes, and chooses the exit code."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sonyc_contract.files import write_whole
from sonyc_tools.bench.document import as_csv, as_json
from sonyc_tools.bench.figure import as_png
from sonyc_tools.bench.paste import as_block
from sonyc_tools.bench.report import Report
from sonyc_tools.bench.run import run
from sonyc_tools.bench.settings import BenchSettings
from sonyc_tools.bench.tables import sections
from sonyc_tools.errors import FolderError

EXIT_TOO_SLOW = 3
_PLAIN_WIDTH = 140


@dataclass(frozen=True)
class Outputs:
    """Where what was found goes: tables by default.

    Attributes:
        as_json: One JSON document on standard output instead.
        paste: A block for a bug report instead.
        csv: A file.
        figure: A PNG file.
    """

    as_json: bool = False
    paste: bool = False
    csv: Path | None = None
    figure: Path | None = None


def bench(settings: BenchSettings, outputs: Outputs) -> int:
    """Run the benchmark; returns 0, or 3 where this machine cannot keep up with real time.

    Raises:
        ToolsError: something that was asked for is missing or cannot be measured, or a file cannot be written.
        ContractError: a bundle, a model or a recording cannot be used.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    _require_writable(outputs)
    with _interruptible():
        report = run(settings, lambda line: console.print(f"bench: {line}", markup=False))
    _write(report, outputs)
    _show(report, outputs)
    if report.machine.is_busy:
        load = report.machine.load_average
        console.print(f"bench: others worked here (load average {load:g}): compare within this run, as ratios")
    for line in (*report.notes, *(f"cannot keep up with real time: {reason}" for reason in report.too_slow)):
        console.print(f"bench: {line}", markup=False)
    return EXIT_TOO_SLOW if report.too_slow else 0


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let a request to end be an interrupt, so that agent and broker are ended too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show(report: Report, outputs: Outputs) -> None:
    if outputs.as_json:
        sys.stdout.write(as_json(report) + "\n")
    elif outputs.paste:
        sys.stdout.write(as_block(report) + "\n")
    else:
        _show_tables(report)


def _show_tables(report: Report) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    machine = report.machine
    console.print(
        f"{machine.cpu}, {machine.n_cpus} usable, {machine.memory_mb} MB; {report.material}", markup=False, emoji=False
    )
    console.print("Medians with 95 % intervals; processor time where not said otherwise.")
    for section in sections(report):
        console.print(f"\n{section.title}", style="bold", markup=False)
        console.print(section.table)
        if section.caption:
            console.print(section.caption, markup=False)


def _write(report: Report, outputs: Outputs) -> None:
    if outputs.csv is not None:
        _write_file(outputs.csv, as_csv(report).encode())
    if outputs.figure is not None:
        _write_file(outputs.figure, as_png(report))


def _write_file(path: Path, data: bytes) -> None:
    try:
        write_whole(path, data)
    except OSError as error:
        raise FolderError(f"{path}: cannot be written: {error.strerror or error}") from error


def _require_writable(outputs: Outputs) -> None:
    """Refuse a file in a folder that is not there, before minutes are spent."""
    for path in (outputs.csv, outputs.figure):
        if path is not None and not path.resolve().parent.is_dir():
            raise FolderError(f"{path}: its folder does not exist; make it, or name another")
