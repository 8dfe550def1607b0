"""The agent as a service, installed into a folder; the system's own tools judge what was written."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sonyc_device import places
from sonyc_device.cli import main
from sonyc_device.cli.output import USAGE
from sonyc_device.config import NodeConfig, load_config
from support.signals import noise, write_wav
from support.system_packages import require_system

REPOSITORY = Path(__file__).parents[3]
UNIT = REPOSITORY / "firmware_config" / "sonyc-device.service"


def at(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def install(root: Path, *options: str) -> int:
    return main(["install", "--root", str(root), *options])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which it was installed."""
    require_system("systemd")
    folder = tmp_path_factory.mktemp("root")
    assert install(folder, "--node-id", "node-7", "--broker", "broker.example") == 0
    return folder


def files_of(root: Path) -> dict[Path, bytes]:
    """Every file outside the environment, but the lock of the user database."""
    found = (path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(root / "opt"))
    return {path.relative_to(root): path.read_bytes() for path in found if path.name != ".pwd.lock"}


def test_configuration_is_the_documented_one_with_what_was_asked_for(root: Path) -> None:
    written = at(root, places.CONFIG)
    config = load_config(written)
    assert (config.node_id, config.mqtt.host) == ("node-7", "broker.example")
    documented = (REPOSITORY / "firmware_config" / "node.toml").read_text().splitlines()
    changed = [new for new, old in zip(written.read_text().splitlines(), documented, strict=True) if new != old]
    assert changed == ['node_id = "node-7"', 'host = "broker.example"']


def test_environment_holds_an_agent_that_works_without_this_one(root: Path, tmp_path: Path) -> None:
    folder = at(root, places.ENVIRONMENT)
    python = str(folder / "bin" / "python")
    command = [python, "-m", "sonyc_device", "bundle", "test"]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "passed         True" in done.stdout
    code = "import sonyc_device, sounddevice, paho.mqtt; print(sonyc_device.__file__)"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert Path(done.stdout.strip()).is_relative_to(folder), done.stderr
    assert not (folder / "lib" / "python3.11" / "site-packages" / "tensorflow").exists()


def test_command_is_run_by_the_environments_python(root: Path) -> None:
    assert at(root, places.COMMAND).readlink() == places.ENVIRONMENT / "bin" / "sonyc-device"
    script = at(root, places.ENVIRONMENT) / "bin" / "sonyc-device"
    assert script.read_text().startswith(f"#!{places.ENVIRONMENT}/bin/python\n")
    assert os.access(script, os.X_OK)
    done = subprocess.run(
        [at(root, places.ENVIRONMENT) / "bin" / "python", script, "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("sonyc-device ")


def test_user_is_made_and_the_service_is_enabled(root: Path) -> None:
    assert "sonyc-device:" in (root / "etc" / "passwd").read_text()
    assert re.search("^audio:.*:sonyc-device$", (root / "etc" / "group").read_text(), re.MULTILINE)
    wanted = root / "etc/systemd/system/multi-user.target.wants/sonyc-device.service"
    assert wanted.readlink() == places.UNIT


def test_doing_it_again_changes_nothing_but_the_environment(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files_of(root)
    python = at(root, places.ENVIRONMENT) / "bin" / "python"
    made = python.lstat().st_ino
    assert install(root, "--node-id", "node-8", "--broker", "other.example") == 0
    assert files_of(root) == before
    assert python.lstat().st_ino != made
    assert {path.name for path in (root / "opt").iterdir()} == {"sonyc-device"}
    said = capsys.readouterr().out.splitlines()
    assert f"keep your {places.CONFIG}" in said
    assert not [line for line in said if line.startswith("write ") and "store.folder" not in line]


def test_store_elsewhere_may_be_written(root: Path) -> None:
    config = at(root, places.CONFIG)
    text = config.read_text()
    try:
        config.write_text(text.replace('folder = "/var/lib/sonyc-device/clips"', 'folder = "/mnt/clips"'))
        assert install(root) == 0
        assert at(root, places.UNIT_PATHS).read_text().splitlines()[1:] == ["[Service]", "ReadWritePaths=-/mnt/clips"]
        config.write_text(text)
        assert install(root) == 0
        assert not at(root, places.UNIT_PATHS).exists()
    finally:
        config.write_text(text)


def test_wrong_configuration_is_refused_before_anything_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at(tmp_path, places.CONFIG).parent.mkdir(parents=True)
    at(tmp_path, places.CONFIG).write_text('node_id = "n"\ncolour = "red"')
    assert install(tmp_path) == 2
    assert "unknown key 'colour'" in capsys.readouterr().err
    assert list(files_of(tmp_path)) == [places.CONFIG.relative_to("/")]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--node-id", "Node 7"], 1, "'Node 7' is no node id"),
        (["--node-id", "n", "--broker", 'a"b'], 2, "not a TOML file"),
        (["--node-id", "n", "--broker", "a b"], 2, "key 'mqtt.host'"),
    ],
)
def test_what_cannot_be_configured_is_refused(
    options: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require_system("systemd")
    assert install(tmp_path, *options) == code
    assert message in capsys.readouterr().err
    assert not files_of(tmp_path)
    assert not (tmp_path / "opt").exists()


@pytest.mark.parametrize("place", [places.COMMAND, places.ENVIRONMENT / "theirs"])
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_what_is_somebody_elses_is_left_alone(
    command: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at(tmp_path, place).parent.mkdir(parents=True)
    at(tmp_path, place).write_text("another")
    assert main([command, "--root", str(tmp_path)]) == 1
    assert "move it out of the way" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [at(tmp_path, place)]


def test_missing_root_and_system_without_systemd(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install(tmp_path / "nowhere") == 1
    assert "there is no such folder" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install(tmp_path, "--node-id", "n") == 1
    assert "there is no systemctl here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(tmp_path, "--node-id", "n", "--dry-run") == 0
    assert not list(tmp_path.iterdir())
    assert f"write {places.UNIT}" in capsys.readouterr().out.splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_only_root_installs_into_the_running_system() -> None:
    # Nobody, but with the right to read this Python wherever it lies.
    nobody = ["setpriv", "--reuid=65534", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    command = [*nobody, sys.executable, "-m", "sonyc_device", "install", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "sonyc-device: only root may install a service: use sudo\n")


def test_uninstalling_leaves_what_the_operator_made(tmp_path: Path, root: Path) -> None:
    for path in (places.CONFIG, places.UNIT, places.SYSUSERS, places.JOURNALD):
        at(tmp_path, path).parent.mkdir(parents=True)
        at(tmp_path, path).write_bytes(at(root, path).read_bytes())
    assert main(["uninstall", "--root", str(tmp_path)]) == 0
    assert list(files_of(tmp_path)) == [places.CONFIG.relative_to("/")]
    assert main(["uninstall", "--root", str(tmp_path)]) == 0


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    require_system("systemd")
    unit = tmp_path / UNIT.name  # the command that it starts is not installed here
    unit.write_text(re.sub("^ExecStart=.*", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_is_confined(tmp_path: Path) -> None:
    require_system("systemd")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


def settings_of_unit() -> dict[str, str]:
    return dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"\w+=", line))


def test_watchdog_waits_longer_than_the_agent_for_a_microphone() -> None:
    settings = settings_of_unit()
    assert (settings["Type"], settings["WatchdogSec"], settings["TimeoutStartSec"]) == ("notify", "6min", "6min")
    assert NodeConfig(node_id="n").capture.give_up_after_s < 6 * 60


def test_restarts_have_a_rate_and_no_end() -> None:
    settings = settings_of_unit()
    assert (settings["Restart"], settings["RestartSec"], settings["StartLimitIntervalSec"]) == ("on-failure", "30", "0")
    assert settings["RestartPreventExitStatus"] == str(USAGE)


def test_memory_reaches_no_disk() -> None:
    settings = settings_of_unit()
    assert (settings["LimitCORE"], settings["MemorySwapMax"]) == ("0", "0")


def test_log_has_a_budget(root: Path) -> None:
    written = configparser.ConfigParser()
    written.read_string(at(root, places.JOURNALD).read_text())
    assert dict(written["Journal"]) == {"systemmaxuse": "64M", "runtimemaxuse": "32M"}


def test_unit_permits_every_system_call_of_a_run(tmp_path: Path) -> None:
    require_system("systemd")
    require_system("strace")
    write_wav(tmp_path / "scene.wav", noise(2.0, 16_000), 16_000)
    (tmp_path / "node.toml").write_text(
        'node_id = "n"\nstate_folder = "state"\n[capture]\nsource = "files"\nfiles = ["scene.wav"]\nspeed = 0\n'
        '[store]\nmode = "all"\nclear = true\nfolder = "clips"\n[mqtt]\nhost = "127.0.0.1"\nport = 1\n'
    )
    run = [sys.executable, "-m", "sonyc_device", "run", "--config", str(tmp_path / "node.toml"), "--drain-timeout=0"]
    subprocess.run(["strace", "-f", "-o", str(tmp_path / "calls"), *run], capture_output=True, check=False)
    used = set(re.findall(r"^\d+\s+(\w+)\(", (tmp_path / "calls").read_text(), re.MULTILINE))
    assert len(used) > 40
    assert "clock_adjtime" in used, "whether the clock is synchronised is asked"
    # SQLite gives its files to their folder's owner, as root only.
    assert used - permitted_system_calls() <= {"fchown"}


def permitted_system_calls() -> set[str]:
    """What the unit's SystemCallFilter lines leave, from the first to the last."""
    permitted: set[str] = set()
    for line in re.findall("^SystemCallFilter=(.*)", UNIT.read_text(), re.MULTILINE):
        for name in line.removeprefix("~").split():
            calls = group(name) if name.startswith("@") else {name}
            permitted = permitted - calls if line.startswith("~") else permitted | calls
    return permitted


def group(name: str) -> set[str]:
    """The system calls of one of systemd's groups."""
    listed = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
    names = [line.strip() for line in listed.stdout.splitlines()[1:]]
    plain = {each for each in names if each and each[0] not in "@#"}
    return plain.union(*(group(each) for each in names if each.startswith("@")))
