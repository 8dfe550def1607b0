"""Whatever a node is given to read, it answers with an error of ours in one line, or makes sense of it.

Bundles, golden data and audio files are mutated in tests/contract, commands and outboxes in tests/device/messaging.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonyc_contract.audio import read_audio
from sonyc_contract.codec import encode
from sonyc_contract.errors import ContractError
from sonyc_contract.files import sha256_hex
from sonyc_contract.messages import dump_message
from sonyc_contract.stored import read_sidecar, sidecar_path
from sonyc_device.config import load_config
from support.agents import write_toml
from support.long_form import figure
from support.sample_messages import stored_clip
from support.signals import noise

pytestmark = pytest.mark.slow

N_EXAMPLES = figure(300, 5_000)
DOCUMENTED = (Path(__file__).parents[2] / "firmware_config" / "node.toml").read_text()
TABLES: dict[str, Any] = tomllib.loads(DOCUMENTED)
KEYS = [(name, key) for name, table in TABLES.items() if isinstance(table, dict) for key in table]

mutating = settings(max_examples=N_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])

plain = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=40),
    st.sampled_from(["", "v5", "all", "none", "/", "\0", "~", "~nobody/x", "a" * 5_000, "06:00-22:00", "Europe/Paris"]),
)  # fmt: skip
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """What is said against a file, nothing where it is taken; any error but ours is raised."""
    try:
        read(path)
    except ContractError as error:
        return str(error)
    return ""


def read_or_refuse(path: Path) -> None:
    """Load a configuration; what cannot be used is refused in one line that names the file."""
    said = refusal(load_config, path)
    assert not said or said.startswith(f"{path}: ")
    assert "\n" not in said


@mutating
@given(st.data())
def test_configuration_with_other_values(tmp_path: Path, data: st.DataObject) -> None:
    document: dict[str, Any] = {"node_id": "n"}
    for name, key in data.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True)):
        value = data.draw(values.filter(lambda value: value is not None))
        document.setdefault(name, {})[key] = value
    try:
        path = write_toml(tmp_path / "node.toml", document)
        tomllib.loads(path.read_text())
    except (ValueError, RecursionError):  # JSON that is no TOML: `null`, or a table within a table
        path.write_text(repr(document))
    read_or_refuse(path)


@mutating
@given(st.integers(0, len(DOCUMENTED) - 1), st.text(max_size=6), st.integers(0, 40))
def test_configuration_with_other_characters(tmp_path: Path, at: int, inserted: str, n_removed: int) -> None:
    path = tmp_path / "node.toml"
    path.write_text(DOCUMENTED[:at] + inserted + DOCUMENTED[at + n_removed :], encoding="utf-8", errors="ignore")
    read_or_refuse(path)


@mutating
@given(st.binary(max_size=300))
def test_configuration_of_any_bytes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "node.toml").write_bytes(data)
    read_or_refuse(tmp_path / "node.toml")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stored clip and its sidecar."""
    data = encode(noise(1.0, 48_000), 48_000, level=stored_clip().level)
    sidecar = stored_clip(sha256=sha256_hex(data), n_bytes=len(data))
    path = tmp_path_factory.mktemp("clips") / sidecar.audio_file
    path.write_bytes(data)
    sidecar_path(path).write_bytes(dump_message(sidecar))
    return path


@mutating
@given(data=st.data())
def test_stored_clip_with_other_bytes(clip: Path, tmp_path: Path, data: st.DataObject) -> None:
    for name in (clip.name, sidecar_path(clip).name):
        content = bytearray(clip.with_name(name).read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        keep = data.draw(st.sampled_from([len(content), len(content) // 2, 0]))
        (tmp_path / name).write_bytes(content[:keep])
    is_altered = (tmp_path / clip.name).read_bytes() != clip.read_bytes()
    said = refusal(read_sidecar, tmp_path / clip.name)
    assert "\n" not in said
    assert said or not is_altered, "the sidecar has the digest of other bytes"
    assert "\n" not in refusal(read_audio, tmp_path / clip.name)
