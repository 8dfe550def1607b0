"""Commands for bundles."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sonyc_device.cli.output import OK, add_json, add_runtime, report

if TYPE_CHECKING:
    from sonyc_contract.bundle import Bundle
    from sonyc_device.cli.output import Commands


def add_commands(commands: "Commands") -> None:
    """Add `bundle info` and `bundle test`."""
    bundle = commands.add_parser("bundle", help="look at a bundle").add_subparsers(metavar="COMMAND", required=True)
    _add_bundle(bundle.add_parser("info", help="say what a bundle is and what it serves"), _bundle_info)
    _add_bundle(bundle.add_parser("test", help="run a bundle's self-test on this machine"), _bundle_test, runtime=True)


def read_bundle_or_default(path: Path | None) -> "Bundle":
    """Read a bundle; where none is named, the shipped one.

    Raises:
        BundleError: it cannot be read.
    """
    from sonyc_contract.bundle import read_bundle
    from sonyc_device.bundles import default_bundle_path

    return read_bundle(path or default_bundle_path())


def _add_bundle(parser: argparse.ArgumentParser, command: object, *, runtime: bool = False) -> None:
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the shipped one by default")
    add_json(parser)
    if runtime:
        add_runtime(parser)
    parser.set_defaults(command=command)


def _bundle_info(arguments: argparse.Namespace) -> int:
    bundle = read_bundle_or_default(arguments.file)
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
    report(document, as_json=arguments.json)
    return OK


def _bundle_test(arguments: argparse.Namespace) -> int:
    from sonyc_contract.golden import self_test
    from sonyc_contract.runtime import Runtime, runtime_version
    from sonyc_device.classification import native_messages_muted

    runtime = Runtime(arguments.runtime)
    with native_messages_muted():
        result = self_test(read_bundle_or_default(arguments.file), runtime=runtime)
    document = {
        "runtime": runtime_version(runtime),
        "n_heads": result.n_heads,
        "max_difference": result.max_difference,
        "tolerance": result.tolerance,
        "passed": True,
    }
    report(document, as_json=arguments.json)
    return OK
