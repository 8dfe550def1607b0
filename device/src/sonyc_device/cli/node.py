"""Commands for a node: run its agent, and find out what is wrong with it."""

import argparse
import json
import math
import os
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING

from sonyc_device.cli.output import DEGRADED, FAILURE, OK, USAGE, add_config, add_json, duration, fail, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sonyc_device.agent import Agent
    from sonyc_device.cli.output import Commands
    from sonyc_device.preflight import Finding

DRAIN_TIMEOUT_S = 60.0


def add_commands(commands: "Commands") -> None:
    """Add `run`, `check` and `doctor`."""
    _add_run(commands.add_parser("run", help="record, store, classify and publish until told to stop"))
    _add_check(commands.add_parser("check", help="say what is wrong with a node's configuration and surroundings"))
    _add_doctor(commands.add_parser("doctor", help="check, and try out sound, clock, room, speed and publishing"))


def _add_run(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--drain-timeout",
        type=seconds,
        default=DRAIN_TIMEOUT_S,
        metavar="S",
        help="when replayed files are at their end: for how many seconds to go on publishing (default %(default)g)",
    )
    parser.set_defaults(command=_run)


def _add_check(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    parser.set_defaults(command=_check)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Tries out all that a node needs: it records for some seconds, measures its speed and publishes a message. "
        "Where the agent runs already, it is asked how it does. With --listen it does none of that, but hears the "
        "node's site as an agent would, without storing or publishing anything, and proposes thresholds that its "
        "background seldom reaches; best while none of the classes is to be heard. Ctrl-C ends it earlier."
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument(
        "--listen", type=duration, metavar="TIME", help="propose thresholds after listening for 1h, 30m, ..."
    )
    parser.add_argument(
        "--alarms-per-day",
        type=_rate,
        metavar="N",
        help="with --listen: how many false alarms a class may raise in a day (default 10)",
    )
    parser.set_defaults(command=_doctor)


def _run(arguments: argparse.Namespace) -> int:
    # NumPy's thread pool spins between calls: measured with sound levels on, 3.9 % of a core for nothing.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from sonyc_device.assembly import open_agent
    from sonyc_device.config import load_config
    from sonyc_device.logs import log_to_stderr, native_output_logged

    config = load_config(arguments.config)
    log_to_stderr(config.log_level)
    with native_output_logged(), open_agent(config, path=arguments.config) as agent:
        _heed_signals(agent)
        outcome = agent.run(drain_timeout_s=arguments.drain_timeout)
    if outcome.error is not None:
        raise outcome.error
    is_complete = outcome.n_waiting == outcome.n_failures == 0
    return OK if is_complete or outcome.was_stopped else DEGRADED


def _heed_signals(agent: "Agent") -> None:
    signal.signal(signal.SIGHUP, lambda _number, _frame: agent.reload())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: agent.stop())


def _check(arguments: argparse.Namespace) -> int:
    from sonyc_device.preflight import check_node

    return _say(check_node(arguments.config), as_json=arguments.json)


def _doctor(arguments: argparse.Namespace) -> int:
    if arguments.listen is not None:
        from sonyc_device.cli.listening import propose

        return propose(arguments)
    if arguments.alarms_per_day is not None:
        return fail("--alarms-per-day needs --listen TIME", USAGE)
    from sonyc_device.clock import SystemClock
    from sonyc_device.doctor import examine

    return _say(examine(arguments.config, clock=SystemClock()), as_json=arguments.json)


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _say(findings: "Iterable[Finding]", *, as_json: bool) -> int:
    """Print findings, and give the exit code that the worst of them has."""
    from sonyc_device.preflight import State

    said = []
    for finding in findings:
        said.append(asdict(finding))
        if not as_json:  # as soon as it is known: some take seconds
            way_out = f" -> {finding.way_out}" if finding.way_out else ""
            print(f"{finding.state:<8} {finding.subject:<14} {finding.detail}{way_out}", flush=True)
    if as_json:
        print(json.dumps(said, indent=1))
    states = {finding["state"] for finding in said}
    if State.FAILURE in states:
        return FAILURE
    return DEGRADED if State.WARNING in states else OK
