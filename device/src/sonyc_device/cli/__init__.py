"""`sonyc-device`: run the agent, check a node, classify files, look at bundles.

Exit codes: 0 ok, 1 failure, 2 wrong usage or configuration, 3 degraded (`check`: it can record, but not everything
works; `run`: it came to its end by itself, but with labels left in the outbox, or after something had failed and was
passed over; the log's last line has the counts).
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

import sonyc_device
from sonyc_contract.errors import ConfigError, ContractError
from sonyc_device.cli import bundles, configuration, coverage, devices, files, levels, node, service
from sonyc_device.cli.output import FAILURE, USAGE, fail
from sonyc_device.errors import DeviceError

__all__ = ["main"]

_GROUPS = (node, service, configuration, coverage, devices, files, levels, bundles)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; argparse itself exits with 2 on wrong usage."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except ConfigError as error:
        return fail(error, USAGE)
    except (ContractError, DeviceError) as error:
        return fail(error, FAILURE)
    except BrokenPipeError:  # whoever read our output has enough
        _drop_output()
        return FAILURE
    except OSError as error:
        _drop_output()
        return fail(f"{error.filename or 'standard output'}: {error.strerror or error}", FAILURE)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sonyc-device", description="The agent of a street-noise node.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {sonyc_device.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for group in _GROUPS:
        group.add_commands(commands)
    return parser


def _drop_output() -> None:
    """Send what is still to be printed nowhere, so that Python does not fail over it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
