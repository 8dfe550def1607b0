"""`sonyc-device`: run the agent, check a node, classify files, look at bundles.

Exit codes: 0 ok, 1 failure, 2 wrong usage or configuration, 3 degraded (`check`: it can record, but not everything
works; `run`: it came to its end by itself, but with labels left in the outbox, or after something had failed and was
passed over; the log's last line has the counts).
"""

import argparse
import json
import math
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import sonyc_device
from sonyc_contract.errors import AudioError, ConfigError, ContractError, LevelError
from sonyc_contract.levels import Level, parse_level
from sonyc_device.errors import DeviceError

if TYPE_CHECKING:
    from sonyc_contract.bundle import Bundle
    from sonyc_device.agent import Agent
    from sonyc_device.classification import Classifier

OK, FAILURE, USAGE, DEGRADED = 0, 1, 2, 3
DRAIN_TIMEOUT_S = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; argparse itself exits with 2 on wrong usage."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except ConfigError as error:
        return _fail(error, USAGE)
    except (ContractError, DeviceError) as error:
        return _fail(error, FAILURE)
    except BrokenPipeError:  # whoever read our output has enough
        _drop_output()
        return FAILURE
    except OSError as error:
        _drop_output()
        return _fail(f"{error.filename or 'standard output'}: {error.strerror or error}", FAILURE)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sonyc-device", description="The agent of a street-noise node.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {sonyc_device.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_run(commands.add_parser("run", help="record, store, classify and publish until told to stop"))
    _add_check(commands.add_parser("check", help="say what is wrong with a node's configuration and surroundings"))
    _add_classify(commands.add_parser("classify", help="classify audio files, one JSON line each"))
    bundle = commands.add_parser("bundle", help="look at a bundle").add_subparsers(metavar="COMMAND", required=True)
    _add_bundle(bundle.add_parser("info", help="say what a bundle is and what it serves"), _bundle_info)
    _add_bundle(bundle.add_parser("test", help="run a bundle's self-test on this machine"), _bundle_test, runtime=True)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the node's TOML file")
    parser.add_argument(
        "--drain-timeout",
        type=_seconds,
        default=DRAIN_TIMEOUT_S,
        metavar="S",
        help="when replayed files are at their end: for how many seconds to go on publishing (default %(default)g)",
    )
    parser.set_defaults(command=_run)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the node's TOML file")
    _add_json(parser)
    parser.set_defaults(command=_check)


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Prints one JSON line per file. A file that an agent stored (its sidecar lies beside it) is only decoded and "
        "gets the head of its own level; any other goes through the codec at --level, as on a node."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an audio file, or a folder of them")
    parser.add_argument("--bundle", type=Path, metavar="FILE", help="the shipped one by default")
    parser.add_argument("--level", type=_level, default=Level.PCM, help="pcm (the default), v0, ... v9")
    _add_runtime(parser)
    parser.set_defaults(command=_classify)


def _add_bundle(parser: argparse.ArgumentParser, command: object, *, runtime: bool = False) -> None:
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the shipped one by default")
    _add_json(parser)
    if runtime:
        _add_runtime(parser)
    parser.set_defaults(command=command)


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runtime", choices=("litert", "tflite"), default="litert", help="TFLite runtime (default %(default)s)"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


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


def _classify(arguments: argparse.Namespace) -> int:
    from sonyc_contract.runtime import Runtime
    from sonyc_device.classification import Classifier

    classifier = Classifier(_read_bundle(arguments.bundle), runtime=Runtime(arguments.runtime))
    classifier.warm_up()
    codes = [_classify_all(classifier, path, arguments.level) for path in arguments.files]
    return max(codes)


def _classify_all(classifier: "Classifier", named: Path, level: Level) -> int:
    """Classify a file, or every one in a folder; one that is bad does not keep the others from being done."""
    from sonyc_device.capture.audio_files import find_audio

    try:
        files = find_audio([named])
    except AudioError as error:
        return _fail(error, FAILURE)
    return max(_classify_one(classifier, path, level) for path in files)


def _classify_one(classifier: "Classifier", path: Path, level: Level) -> int:
    from sonyc_contract.labels import by_label
    from sonyc_device.classification import native_messages_muted

    try:
        with native_messages_muted():
            found = classifier.score_file(path, level=level)
    except AudioError as error:  # which names the file
        return _fail(error, FAILURE)
    except ContractError as error:
        return _fail(f"{path}: {error}", FAILURE)
    line = {
        "file": str(path),
        "probabilities": by_label(found.scores.probabilities),
        "detections": found.scores.detections,
        "level": found.level,
        "head": found.scores.head,
        "bundle": classifier.bundle.digest,
        "duration_s": found.duration_s,
        "n_windows": found.scores.n_windows,
        "ms": round(found.took_ms, 3),
        "short": found.scores.is_short,
        "silent": found.scores.is_silent,
        "cut": found.is_cut,
    }
    print(json.dumps(line), flush=True)
    return OK


def _bundle_info(arguments: argparse.Namespace) -> int:
    bundle = _read_bundle(arguments.file)
    manifest = bundle.manifest
    document = {
        "name": manifest.name,
        "sha256": bundle.digest,
        "licence": manifest.licence,
        "storage_rate_hz": manifest.storage_rate_hz,
        "heads": sorted(manifest.heads),
        "embedding": manifest.embedding.name,
        "frontend": manifest.embedding.frontend.id,
        "window_s": manifest.embedding.window_s,
        "hop_s": manifest.embedding.hop_s,
        "pooling": manifest.pooling.value,
        "labels": list(manifest.labels),
        "minimum_agent": manifest.minimum_agent,
        "agreement": {runtime: entry.model_dump() for runtime, entry in manifest.agreement.items()},
        "n_bytes": sum(record.size_bytes for record in manifest.members.values()),
    }
    _report(document, as_json=arguments.json)
    return OK


def _bundle_test(arguments: argparse.Namespace) -> int:
    from sonyc_contract.golden import self_test
    from sonyc_contract.runtime import Runtime, runtime_version
    from sonyc_device.classification import native_messages_muted

    runtime = Runtime(arguments.runtime)
    with native_messages_muted():
        report = self_test(_read_bundle(arguments.file), runtime=runtime)
    document = {
        "runtime": runtime_version(runtime),
        "n_heads": report.n_heads,
        "max_difference": report.max_difference,
        "tolerance": report.tolerance,
        "passed": True,
    }
    _report(document, as_json=arguments.json)
    return OK


def _report(document: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(document))
        return
    rows = list(_rows(document))
    width = max(len(key) for key, _ in rows)
    for key, text in rows:
        print(f"{key:<{width}} {text}")


def _rows(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", text) for inner, text in _rows(value))
        else:
            yield key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _read_bundle(path: Path | None) -> "Bundle":
    from sonyc_contract.bundle import read_bundle
    from sonyc_device.bundles import default_bundle_path

    return read_bundle(path or default_bundle_path())


def _level(text: str) -> Level:
    try:
        return parse_level(text)
    except LevelError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return value


def _drop_output() -> None:
    """Send what is still to be printed nowhere, so that Python does not fail over it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(error: Exception | str, code: int) -> int:
    sys.stdout.flush()
    print(f"sonyc-device: {' '.join(str(error).split())}", file=sys.stderr)
    return code
