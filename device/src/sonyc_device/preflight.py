"""Looks at everything that a node needs before it runs, and says all that is wrong in one go."""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sonyc_contract.audio import open_audio
from sonyc_contract.bundle import Bundle, read_bundle
from sonyc_contract.errors import AudioError, ConfigError, ContractError
from sonyc_contract.golden import self_test
from sonyc_contract.runtime import runtime_version
from sonyc_device.bundles import default_bundle_path
from sonyc_device.capture.assembly import microphone_settings
from sonyc_device.capture.audio_files import find_audio
from sonyc_device.capture.microphone import check_microphone
from sonyc_device.classification import native_messages_muted, require_storage_rate
from sonyc_device.config import CaptureKind, NodeConfig, StoreMode, load_config
from sonyc_device.errors import CalibrationError, DeviceError, MessengerError, StoreError
from sonyc_device.messaging.assembly import make_messenger
from sonyc_device.storing.assembly import check_store


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """The node can record and classify, but not everything works."""
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        subject: About what.
        state: How it ended.
        detail: One line for a person.
        way_out: What to do, where the detail does not say it.
    """

    subject: str
    state: State
    detail: str
    way_out: str = ""


def check_node(path: Path) -> list[Finding]:
    """Check a node's configuration and all that it names; never raises for what is wrong with them."""
    try:
        config = load_config(path)
    except ConfigError as error:
        return [Finding("configuration", State.FAILURE, str(error))]
    return [Finding("configuration", State.OK, str(path)), *_check_all(config)]


def _check_all(config: NodeConfig) -> Iterator[Finding]:
    yield from _check_bundle(config)
    yield from _check_capture(config)
    yield _finding("state folder", lambda: _check_writable(config.state_folder))
    if config.store.mode is not StoreMode.NONE:
        yield _finding("store folder", lambda: _check_writable(config.store.folder))
    if config.store.mode is not StoreMode.NONE or config.store.recipients:
        yield _finding("clips", lambda: check_store(config.store))
    if config.level.enabled:
        yield _check_sound_level(config)
    yield _finding("broker", lambda: _check_broker(config))


def _finding(subject: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, State.OK, check())
    except MessengerError as error:
        return Finding(subject, State.WARNING, f"{error}; labels will wait in the outbox")
    except (ContractError, DeviceError) as error:
        return Finding(subject, State.FAILURE, str(error))


def _check_bundle(config: NodeConfig) -> Iterator[Finding]:
    path = config.classify.bundle or default_bundle_path()
    try:
        bundle = read_bundle(path)
    except ContractError as error:
        yield Finding("bundle", State.FAILURE, str(error))
        return
    yield Finding("bundle", State.OK, f"{bundle.manifest.name}, sha256 {bundle.digest}")
    yield _finding("self-test", lambda: _self_test(bundle, config))
    yield _finding("level", lambda: f"{config.served_level} is served by head {bundle.head_for(config.served_level)}")
    yield _finding("storage rate", lambda: _check_rate(bundle, config))


def _self_test(bundle: Bundle, config: NodeConfig) -> str:
    with native_messages_muted():
        report = self_test(bundle, runtime=config.classify.runtime, n_threads=config.classify.n_threads)
    return (
        f"{report.n_heads} heads on {runtime_version(config.classify.runtime)}: largest difference "
        f"{report.max_difference:.4f}, allowed {report.tolerance:g}"
    )


def _check_rate(bundle: Bundle, config: NodeConfig) -> str:
    require_storage_rate(bundle, config.store.storage_rate_hz)
    return f"{config.store.storage_rate_hz} Hz"


def _check_capture(config: NodeConfig) -> Iterator[Finding]:
    capture = config.capture
    if capture.source is CaptureKind.FILES:
        yield from _check_files(capture.files)
        return
    yield _finding("microphone", lambda: _check_microphone(config))


def _check_microphone(config: NodeConfig) -> str:
    settings = microphone_settings(config.capture)
    check_microphone(settings)
    return f"can record from {settings}"


def _check_files(paths: tuple[Path, ...]) -> Iterator[Finding]:
    try:
        files = find_audio(paths)
    except AudioError as error:
        yield Finding("files", State.FAILURE, str(error))
        return
    bad = list(_unreadable(files))
    yield from (Finding("file", State.WARNING, f"{error}; it will be left out") for error in bad)
    state = State.OK if len(bad) < len(files) else State.FAILURE
    yield Finding("files", state, f"{len(files) - len(bad)} of {len(files)} can be replayed")


def _unreadable(files: list[Path]) -> Iterator[AudioError]:
    for path in files:
        try:
            with open_audio(path) as reader:
                for _ in reader.blocks():
                    pass
        except AudioError as error:
            yield error


def _check_sound_level(config: NodeConfig) -> Finding:
    from sonyc_device.level.calibration import microphone_name, read_history

    name, channel = microphone_name(config.capture), config.capture.channel
    try:
        made = read_history(config.state_folder).newest(name, channel)
    except CalibrationError as error:
        return Finding(
            "sound level", State.WARNING, f"will be in dBFS: {error}", "sonyc-device calibrate begins it anew"
        )
    if made is None:
        return Finding("sound level", State.OK, f"in dBFS: {name}, channel {channel}, was never calibrated")
    return Finding(
        "sound level",
        State.OK,
        f"in dB re 20 uPa: calibrated {made.utc:%Y-%m-%d}, full scale is {made.offset_db:.1f} dB",
    )


def _check_writable(folder: Path) -> str:
    try:
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(bytes(4096))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return f"{folder} can be written"


def _check_broker(config: NodeConfig) -> str:
    # Another client id than the agent's: a broker throws off the older of two that share one.
    messenger = make_messenger(config.mqtt, client_id=f"{config.node_id}-check")
    messenger.connect(lambda _event: None).close()
    return f"{config.mqtt.host}:{config.mqtt.port} accepts"
