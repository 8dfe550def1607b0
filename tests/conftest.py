"""Fixtures for all tests: real audio, a real broker, a real sound server, both TFLite runtimes."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from importlib import resources, util
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from sonyc_contract.runtime import Runtime
from support.broker import Mosquitto
from support.port_audio import FakePortAudio
from support.pulse import PulseServer, PulseSource
from support.system_packages import require_system

REPOSITORY = Path(__file__).resolve().parent.parent

# The Makefile says `node` where tests run in .venv-node: NumPy 2, ai-edge-litert only, no TensorFlow.
_TEST_ENV = os.environ.get("SONYC_TEST_ENV", "trainer")
_RUNTIMES = {"trainer": (Runtime.LITERT, Runtime.TFLITE), "node": (Runtime.LITERT,)}
_RUNTIME_MODULES = {Runtime.LITERT: "ai_edge_litert", Runtime.TFLITE: "tflite_runtime"}
_N_SINKS = count()

# The same examples in every run, and no test that depends on how busy the machine is.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_configure() -> None:
    """Refuse an environment that nobody defined; let tests interrupt processes, though a job's shell ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if _TEST_ENV not in _RUNTIMES:
        raise pytest.UsageError(f"SONYC_TEST_ENV={_TEST_ENV!r}; it must be one of {', '.join(_RUNTIMES)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip in the node's environment what needs the trainer's packages."""
    if _TEST_ENV == "node":
        for item in items:
            if item.get_closest_marker("trainer_env"):
                item.add_marker(pytest.mark.skip(reason="needs packages of the trainer's environment"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top level of this repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real audio and reference models, which never is part of the project."""
    folder = Path(os.environ.get("SONYC_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real test data are absent: no folder {folder} (SONYC_TEST_DATA names another)")
    return folder


@pytest.fixture(scope="session")
def default_bundle() -> Path:
    """The bundle that sonyc-device ships."""
    path = Path(str(resources.files("sonyc_device") / "bundles" / "default.bundle"))
    if not path.is_file():
        pytest.fail(f"sonyc-device must ship a default bundle: no file {path}", pytrace=False)
    return path


@pytest.fixture(params=_RUNTIMES.get(_TEST_ENV, ()), ids=str)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Each TFLite runtime that this environment must have."""
    chosen: Runtime = request.param
    if util.find_spec(_RUNTIME_MODULES[chosen]) is None:
        pytest.fail(f"runtime {chosen} is not installed in the {_TEST_ENV} environment: make setup", pytrace=False)
    return chosen


@pytest.fixture(scope="session")
def openl3() -> None:
    """Nothing, but skips where openl3 is not installed; in CI that is a failure, because nobody would see it."""
    if util.find_spec("openl3") is None:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say("openl3 is not installed: make openl3")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker of this test's own."""
    require_system("mosquitto")
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def pulse_server() -> Iterator[PulseServer]:
    """The PulseAudio daemon that tests share; a test that ends its daemon starts a `PulseServer` of its own."""
    for package in ("pulseaudio", "pulseaudio-utils", "libasound2-plugins", "libportaudio2"):
        require_system(package)
    # Not pytest's folder: a socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="pulse-") as folder:
        server = PulseServer(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def pulse_source(pulse_server: PulseServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[PulseSource]:
    """A microphone of this test's own, which PortAudio's device `pulse` records from, here and in child processes."""
    source = PulseSource(pulse_server, f"street{next(_N_SINKS)}")
    source.open()
    monkeypatch.setenv("PULSE_SERVER", pulse_server.address)
    monkeypatch.setenv("PULSE_SOURCE", source.name)
    yield source
    source.close()


@pytest.fixture
def port_audio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    """What `import sounddevice` gives."""
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake
