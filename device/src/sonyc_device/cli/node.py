"""Commands for a node: run its agent, and find out what is wrong with it."""

import argparse
import json
import signal
from typing import TYPE_CHECKING

from sonyc_device.cli.output import DEGRADED, FAILURE, OK, add_config, add_json, seconds

if TYPE_CHECKING:
    from sonyc_device.agent import Agent
    from sonyc_device.cli.output import Commands

DRAIN_TIMEOUT_S = 60.0


def add_commands(commands: "Commands") -> None:
    """Add `run` and `check`."""
    _add_run(commands.add_parser("run", help="record, store, classify and publish until told to stop"))
    _add_check(commands.add_parser("check", help="say what is wrong with a node's configuration and surroundings"))


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


def _run(arguments: argparse.Namespace) -> int:
    from sonyc_device.assembly import open_agent
    from sonyc_device.config import load_config
    from sonyc_device.logs import log_to_stderr

    config = load_config(arguments.config)
    log_to_stderr(config.log_level)
    with open_agent(config) as agent:
        _stop_on_signals(agent)
        outcome = agent.run(drain_timeout_s=arguments.drain_timeout)
    if outcome.error is not None:
        raise outcome.error
    is_complete = outcome.n_waiting == outcome.n_failures == 0
    return OK if is_complete or outcome.was_stopped else DEGRADED


def _stop_on_signals(agent: "Agent") -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: agent.stop())


def _check(arguments: argparse.Namespace) -> int:
    from sonyc_device.preflight import State, check_node

    findings = check_node(arguments.config)
    if arguments.json:
        print(json.dumps([{"subject": f.subject, "state": f.state, "detail": f.detail} for f in findings], indent=1))
    else:
        for finding in findings:
            print(f"{finding.state:<8} {finding.subject:<14} {finding.detail}")
    states = {finding.state for finding in findings}
    if State.FAILURE in states:
        return FAILURE
    return DEGRADED if State.WARNING in states else OK
