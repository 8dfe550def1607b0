"""Commands for audio files."""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sonyc_contract.errors import AudioError, ContractError
from sonyc_contract.levels import Level
from sonyc_device.cli.bundles import read_bundle_or_default
from sonyc_device.cli.output import FAILURE, OK, add_runtime, fail, level

if TYPE_CHECKING:
    from sonyc_device.classification import Classifier
    from sonyc_device.cli.output import Commands


def add_commands(commands: "Commands") -> None:
    """Add `classify`."""
    _add_classify(commands.add_parser("classify", help="classify audio files, one JSON line each"))


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Prints one JSON line per file. A file that an agent stored (its sidecar lies beside it) is only decoded and "
        "gets the head of its own level; any other goes through the codec at --level, as on a node. Folders are "
        "searched with all below them. A file that cannot be classified is named on standard error; the others are "
        "done, and the exit code is 1."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an audio file, or a folder of them")
    parser.add_argument("--bundle", type=Path, metavar="FILE", help="the shipped one by default")
    parser.add_argument("--level", type=level, default=Level.PCM, help="pcm (the default), v0, ... v9")
    add_runtime(parser)
    parser.set_defaults(command=_classify)


def _classify(arguments: argparse.Namespace) -> int:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the products are small: a pool only takes time to start
    from sonyc_contract.runtime import Runtime
    from sonyc_device.classification import Classifier
    from sonyc_device.memory import keep_freed_memory

    keep_freed_memory()
    classifier = Classifier(read_bundle_or_default(arguments.bundle), runtime=Runtime(arguments.runtime))
    classifier.warm_up(level=arguments.level)
    codes = [_classify_all(classifier, path, arguments.level) for path in arguments.files]
    return max(codes)


def _classify_all(classifier: "Classifier", named: Path, level: Level) -> int:
    """Classify a file, or every one in a folder; one that is bad does not keep the others from being done."""
    from sonyc_device.capture.audio_files import find_audio

    try:
        files = find_audio([named])
    except AudioError as error:
        return fail(error, FAILURE)
    return max(_classify_one(classifier, path, level) for path in files)


def _classify_one(classifier: "Classifier", path: Path, level: Level) -> int:
    from sonyc_contract.labels import by_label
    from sonyc_device.classification import native_messages_muted

    try:
        with native_messages_muted():
            found = classifier.score_file(path, level=level)
    except AudioError as error:  # which names the file
        return fail(error, FAILURE)
    except ContractError as error:
        return fail(f"{path}: {error}", FAILURE)
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
