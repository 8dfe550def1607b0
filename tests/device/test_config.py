"""The node's configuration: what is refused, and that every key is documented."""

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from sonyc_contract.errors import ConfigError
from sonyc_device.config import NodeConfig, load_config

RECIPIENT = "age1" + "q" * 58
DOCUMENTED = Path(__file__).parents[2] / "firmware_config" / "node.toml"


def load(tmp_path: Path, text: str) -> NodeConfig:
    path = tmp_path / "node.toml"
    path.write_text(text if "node_id" in text else f'node_id = "node-1"\n{text}')
    return load_config(path)


def keys_of_model(model: type[BaseModel], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys |= keys_of_model(kind, f"{prefix}{name}.")
        else:
            keys.add(prefix + name)
    return keys


def documented() -> dict[str, Any]:
    """The reference file's keys and values, those included that stand there as a comment: they have no default."""
    text = re.sub(r"^# (\w+ = )", r"\1", DOCUMENTED.read_text(), flags=re.MULTILINE)
    return dict(flat(tomllib.loads(text)))


def flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and prefix + name != "classify.thresholds":
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def test_every_key_is_documented_and_every_documented_key_exists() -> None:
    assert set(documented()) == keys_of_model(NodeConfig)


def test_every_documented_key_has_a_comment_above_it() -> None:
    lines = DOCUMENTED.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"(# )?\w+ = ", line):
            start = number
            while lines[start].strip() and not lines[start].startswith("["):
                start -= 1
            assert any(re.match(r"# (?!\w+ = )", above) for above in lines[start:number]), line


def test_reference_file_holds_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text(DOCUMENTED.read_text())
    assert load_config(tmp_path / "node.toml") == load(tmp_path / "..", 'node_id = "node-0001"')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[capture]\nrates_hz = 48000', r"node\.toml: unknown key 'capture\.rates_hz'"),
        ('colour = "red"', r"unknown key 'colour'"),
        ('[capture]\nrate_hz = "48000"', r"key 'capture\.rate_hz': Input should be a valid integer \(it is '48000'\)"),
        ("[capture]\nrate_hz = 4000", r"key 'capture\.rate_hz': .*greater than or equal to 8000 \(it is 4000\)"),
        ("[capture]\nspeed = nan", r"key 'capture\.speed': .*finite number"),
        ('[capture]\nsource = "radio"', r"key 'capture\.source': Input should be 'microphone' or 'files'"),
        ('[capture]\nsource = "files"', r"key 'capture': source = 'files' needs `files`"),
        ('[capture]\nmode = "sampled"', r"key 'capture': mode = 'sampled' needs mean_gap_s or duty_cycle"),
        ("[capture]\nmean_gap_s = 30.0\nduty_cycle = 0.25", r"mean_gap_s and duty_cycle say the same in two ways"),
        ("[capture]\nduty_cycle = 1.0", r"key 'capture\.duty_cycle': .*less than 1"),
        ('[capture]\nschedule = ["mon-fri"]', r"key 'capture\.schedule\.0': 'mon-fri' is not of the form 'mon"),
        ('[capture]\ntime_zone = "Mars/Base"', r"key 'capture\.time_zone': time zone 'Mars/Base' is not known here"),
        ("[capture]\nfiles_start = 2026-05-04T06:00:00", r"key 'capture\.files_start': .*timezone"),
        ("[capture]\nfiles_start = 9999-12-31T23:00:00Z", r"key 'capture\.files_start': must lie in the years 1970 to"),
        ("[capture]\nstalled_after_s = 0", r"key 'capture\.stalled_after_s'"),
        ("[capture]\nchannels = 2\nchannel = 3", r"channel = 3, but the device is opened with channels = 2"),
        ('[store]\nmode = "all"', r"key 'store': mode = 'all' keeps recordings .* set clear = true"),
        ('[store]\nmode = "all"', r"name age `recipients` to seal them to"),
        (f'[store]\nclear = true\nrecipients = ["{RECIPIENT}"]', r"clear = true and recipients contradict each other"),
        ('[store]\nrecipients = ["age1abc"]', r"key 'store\.recipients': 'age1abc' is no age recipient"),
        (f'[store]\nrecipients = ["{RECIPIENT}", "{RECIPIENT}"]', r"key 'store\.recipients': the same .* twice"),
        ('[store]\nveto = ["speech"]', r"key 'store\.veto': 'speech' is no class: use some of engine, "),
        ('[store]\nfraction = 0', r"key 'store\.fraction': .*greater than 0"),
        ('[store]\nfraction = 1.5', r"key 'store\.fraction': .*less than or equal to 1"),
        ('[store]\nclear = true\nmode = "detections"\nclasses = ["dog"]\nveto = ["dog"]', r"would never keep a clip"),
        ('[store]\nclear = true\nmode = "detections"\nclasses = []', r"would never keep a clip"),
        ('[store]\nmax_bytes = 1000', r"key 'store\.max_bytes'"),
        ('[store]\nretention_days = 0', r"key 'store\.retention_days'"),
        ('[store]\nclear = "yes"', r"key 'store\.clear': Input should be a valid boolean \(it is 'yes'\)"),
        ('[store]\nlevel = "v10"', r"key 'store\.level': Input should be 'pcm', 'v0', .*\(it is 'v10'\)"),
        ('[mqtt]\nprefix = "a/#"', r"key 'mqtt\.prefix': must be words joined by '/'"),
        ('[mqtt]\nprefix = "a//b"', r"key 'mqtt\.prefix'"),
        ('[mqtt]\nprefix = "$SYS"', r"key 'mqtt\.prefix'"),
        ('[mqtt]\nprefix = "a\\u0000b"', r"key 'mqtt\.prefix'"),
        (f'[mqtt]\nprefix = "{"a" * 201}"', r"key 'mqtt\.prefix'"),
        ('[mqtt]\nhost = "a b"', r"key 'mqtt\.host'"),
        ('[mqtt]\npassword_file = "secret"', r"key 'mqtt': password_file needs `username`"),
        ('[mqtt.tls]\nca_file = "ca.pem"', r"key 'mqtt\.tls': ca_file is set, but enabled = false"),
        ('[mqtt.tls]\nenabled = true\nkey_file = "k"', r"key 'mqtt\.tls': key_file needs `certificate_file`"),
        ("[classify.thresholds]\ncat = 0.5", r"key 'classify\.thresholds': must have only classes of engine, "),
        ("[classify]\nthresholds = { dog = 1.5 }", r"key 'classify\.thresholds\.dog': .*or equal to 1 \(it is 1\.5"),
        ('[classify]\nthresholds = { dog = "0.5" }', r"key 'classify\.thresholds\.dog': .* a valid number"),
        ("[outbox]\ndrain_per_s = 0", r"key 'outbox\.drain_per_s'"),
        ('[store]\nfolder = "a\\u0000b"', r"key 'store\.folder': a path cannot hold the character NUL"),
        ('state_folder = "~nobody-here/state"', r"key 'state_folder': there is no user 'nobody-here'"),
        ("[mqtt]\nport = 99999", r"key 'mqtt\.port'"),
        ('node_id = "Node 1"', r"key 'node_id': .*pattern"),
        ("[capture\n", r"not a TOML file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_all_that_is_wrong_is_named_in_one_go(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, '[capture]\nrate_hz = "x"\nspeed = -1\n[mqtt]\nhots = "a"\n[store]\nmode = "all"')
    assert all(part in str(caught.value) for part in ("capture.rate_hz", "capture.speed", "mqtt.hots", "clear = true"))


def test_missing_file_and_missing_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read"):
        load_config(tmp_path / "nowhere.toml")
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(ConfigError, match="key 'node_id' is missing"):
        load_config(tmp_path / "empty.toml")


def test_relative_paths_are_meant_from_the_files_folder(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        'node_id = "n"\nstate_folder = "state"\n[capture]\nsource = "files"\nfiles = ["a.wav", "/b"]\n'
        '[store]\nfolder = "clips"\n[classify]\nbundle = "my.bundle"\n'
        '[mqtt]\nusername = "n"\npassword_file = "secret"\n'
        '[mqtt.tls]\nenabled = true\nca_file = "/ca.pem"\ncertificate_file = "tls/node.pem"',
    )
    assert config.state_folder == tmp_path / "state"
    assert config.capture.files == (tmp_path / "a.wav", Path("/b"))
    assert config.store.folder == tmp_path / "clips"
    assert config.classify.bundle == tmp_path / "my.bundle"
    assert config.mqtt.password_file == tmp_path / "secret"
    tls = config.mqtt.tls
    assert (tls.ca_file, tls.certificate_file, tls.key_file) == (Path("/ca.pem"), tmp_path / "tls" / "node.pem", None)


def test_schedule_and_sampling_are_read(tmp_path: Path) -> None:
    capture = load(
        tmp_path,
        '[capture]\nmode = "sampled"\nduty_cycle = 0.2\nclip_s = 5.0\nschedule = ["fri-mon 22:00-02:00"]\n'
        'time_zone = "Europe/Berlin"\nfiles_start = 2026-05-04T06:00:00+02:00',
    ).capture
    assert capture.mean_pause_s == pytest.approx(20.0)
    assert capture.files_start == datetime(2026, 5, 4, 4, tzinfo=UTC)


def test_pcm_classification_needs_the_head_of_pcm(tmp_path: Path) -> None:
    assert load(tmp_path, '[store]\nlevel = "v7"').served_level == "v7"
    assert load(tmp_path, '[store]\nlevel = "v7"\n[classify]\nwhat = "pcm"').served_level == "pcm"
