"""A changed configuration is taken whole, or refused and named."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sonyc_contract.errors import LevelError
from sonyc_device.config import NodeConfig, load_config
from sonyc_device.running.notify import ServiceManager
from sonyc_device.running.reloading import CHANGEABLE, Reloader, changed_keys
from support.service_manager import NotifySocket

BEFORE = 'node_id = "n"\n[store]\nmode = "none"\nlevel = "v5"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(BEFORE)
    return path


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """The log level of before, because reloading changes it."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


def reloader_of(path: Path, applied: list[NodeConfig], apply: Callable[[NodeConfig], None] | None = None) -> Reloader:
    return Reloader(path, load_config(path), apply or applied.append, manager=ServiceManager())


def test_nothing_happens_unasked(path: Path) -> None:
    applied: list[NodeConfig] = []
    reloader = reloader_of(path, applied)
    path.write_text(BEFORE.replace("none", "all"))
    reloader.look()
    assert not applied


def test_change_is_taken_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    applied: list[NodeConfig] = []
    reloader = reloader_of(path, applied)
    path.write_text('node_id = "n"\nlog_level = "debug"\n[store]\nlevel = "v7"')
    reloader.request()
    with caplog.at_level(logging.INFO):
        reloader.look()
        reloader.look()
        assert logging.getLogger().level == logging.DEBUG
    (config,) = applied
    assert config.store.level == "v7"
    (record,) = caplog.records
    assert record.changed == ["log_level", "store.level"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('node_id = "n"\ncolour = "red"', "unknown key 'colour'"),
        ('node_id = "n"\n[mqtt]\nport = 1\nhost = "x"', "a restart, because of mqtt.host, mqtt.port"),
        ('node_id = "other"', "needs a restart, because of node_id"),
        ("[", "not a TOML file"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_changes_nothing(
    text: str, message: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    applied: list[NodeConfig] = []
    reloader = reloader_of(path, applied)
    path.write_text(text)
    reloader.request()
    reloader.look()
    assert not applied
    (record,) = caplog.records
    assert record.message.startswith("the configuration is not taken, the old one goes on: ")
    assert message in record.message


def test_file_that_is_gone_changes_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reloader = reloader_of(path, [])
    path.unlink()
    reloader.request()
    reloader.look()
    assert "cannot be read" in caplog.text


def test_refusal_of_the_agent_leaves_the_old_one_in_effect(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    applied: list[NodeConfig] = []

    def refuse_v9(config: NodeConfig) -> None:
        if config.store.level == "v9":
            raise LevelError("no head for v9")
        applied.append(config)

    reloader = reloader_of(path, applied, refuse_v9)
    for level in ("v9", "v5", "v7"):
        path.write_text(BEFORE.replace("v5", level))
        reloader.request()
        reloader.look()
    assert "no head for v9" in caplog.text
    assert [config.store.level for config in applied] == ["v5", "v7"]


def test_service_manager_is_told(path: Path, tmp_path: Path) -> None:
    with NotifySocket(tmp_path / "notify") as socket:
        reloader = Reloader(path, load_config(path), lambda _config: None, manager=ServiceManager(socket.address))
        reloader.request()
        reloader.look()
        assert [set(fields) for fields in socket.told] == [{"RELOADING", "MONOTONIC_USEC"}, {"READY"}]


def test_changeable_keys_exist() -> None:
    document = NodeConfig(node_id="n").model_dump()
    for key in CHANGEABLE:
        table, _, name = key.rpartition(".")
        assert name in (document[table] if table else document)


def test_keys_that_differ_are_named(path: Path) -> None:
    old = load_config(path)
    path.write_text('node_id = "m"\n[capture]\nspeed = 2.0')
    assert sorted(changed_keys(old, load_config(path))) == ["capture.speed", "node_id"]
