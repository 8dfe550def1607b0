"""`sonyc-tools unseal`: clips come back as they were before the node sealed them, and nothing is lost on the way."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from sonyc_contract.messages import StoredClip, dump_message
from sonyc_contract.stored import load_sidecar, read_sidecar, sidecar_path
from sonyc_device.cli import main as device
from sonyc_device.storing.eviction import Limits
from sonyc_device.storing.sealing import Sealer
from sonyc_device.storing.store import ClipStore, Place
from sonyc_tools.cli import main
from support.processes import unprivileged
from support.stored_clips import SESSION, FakeClock, check_store, mp3, numbers, sidecar_of
from support.system_packages import require_system

DAY = "2026-11-23"


@pytest.fixture
def key() -> pyrage.x25519.Identity:
    """An operator's key."""
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def key_file(tmp_path: Path, key: pyrage.x25519.Identity) -> Path:
    """The key as age-keygen writes it."""
    path = tmp_path / "key.txt"
    path.write_text(f"# created: 2026-11-23T12:00:00Z\n# public key: {key.to_public()}\n\n{key}\n")
    return path


@pytest.fixture
def sealed(tmp_path: Path, key: pyrage.x25519.Identity) -> Path:
    """A store of four sealed clips, of two seconds and half a second."""
    limits = Limits(max_bytes=10**9, reserve_bytes=0, retention_s=1e9)
    (tmp_path / "state").mkdir()
    place = Place(tmp_path / "clips", tmp_path / "state")
    store = ClipStore(place, limits, FakeClock(), form=Sealer([str(key.to_public())]))
    for seq in range(1, 5):
        store.write(sidecar_of(mp3(seq / 2), seq), mp3(seq / 2))
    store.close()
    return place.store


@pytest.fixture
def unseal(key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command; gives exit code, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        given = list(map(str, arguments))
        options = [] if "--identity" in given else ["--identity", str(key_file)]
        options += [] if "--output" in given else ["--output", str(tmp_path / "open")]
        code = main(["unseal", *options, *given])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_clips_come_back_byte_for_byte_and_can_be_classified(
    unseal: Callable[..., tuple[int, str, str]], sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert unseal(sealed) == (0, "4 opened, 0 already there, 0 could not be opened\n", "")
    for seq in range(1, 5):
        path = tmp_path / "open" / DAY / f"{SESSION}-{seq}.mp3"
        assert path.read_bytes() == mp3(seq / 2)
        assert read_sidecar(path) == load_sidecar(sealed / DAY / f"{path.name}.age")
    check_store(tmp_path / "open")
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o700
    assert device(["classify", str(tmp_path / "open")]) == 0
    assert [json.loads(line)["level"] for line in capsys.readouterr().out.splitlines()] == ["v9"] * 4


def test_a_file_of_its_own_is_put_into_the_folder_itself(
    unseal: Callable[..., tuple[int, str, str]], sealed: Path, tmp_path: Path
) -> None:
    code, _, _ = unseal(sealed / DAY / f"{SESSION}-2.mp3.age")
    assert code == 0
    assert {path.name for path in (tmp_path / "open").iterdir()} == {f"{SESSION}-2.mp3", f"{SESSION}-2.json"}


def test_what_was_interrupted_is_completed(
    unseal: Callable[..., tuple[int, str, str]], sealed: Path, tmp_path: Path
) -> None:
    unseal(sealed)
    day = tmp_path / "open" / DAY
    (day / f"{SESSION}-1.mp3").unlink()
    (day / f".{SESSION}-1.mp3.abcdefgh.part").write_bytes(mp3(0.5)[:100])
    for path in (day / f"{SESSION}-3.mp3", day / f"{SESSION}-3.json"):
        path.unlink()
    assert unseal(sealed) == (0, "2 opened, 2 already there, 0 could not be opened\n", "")
    assert numbers(tmp_path / "open") == [1, 2, 3, 4]
    check_store(tmp_path / "open")


@pytest.mark.parametrize("name", [f"{SESSION}-2.mp3", f"{SESSION}-2.json"])
def test_nothing_is_overwritten(
    unseal: Callable[..., tuple[int, str, str]], sealed: Path, tmp_path: Path, name: str
) -> None:
    mine = tmp_path / "open" / DAY / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    code, out, err = unseal(sealed)
    assert (code, out) == (3, "3 opened, 0 already there, 1 could not be opened\n")
    assert err == f"sonyc-tools: {mine}: is there already, and something else: nothing is overwritten\n"
    assert mine.read_text() == "mine"


def _altered(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def _no_sidecar(path: Path) -> None:
    sidecar_path(path).unlink()


def _bad_sidecar(path: Path) -> None:
    sidecar_path(path).write_text("{}")


def _sidecar_of_an_open_clip(path: Path) -> None:
    _rewrite(path, sealed=None)


def _sidecar_of_another(path: Path) -> None:
    other = path.with_name(path.name.replace("-2.", "-1."))
    sidecar_path(path).write_bytes(sidecar_path(other).read_bytes())


def _other_audio_digest(path: Path) -> None:
    _rewrite(path, sha256="0" * 64)


def _rewrite(path: Path, **changes: object) -> None:
    sidecar = load_sidecar(path).model_copy(update=changes)
    sidecar_path(path).write_bytes(dump_message(StoredClip.model_validate(sidecar.model_dump())))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_altered, "not the bytes that 0123456789abcdef-2.json describes: altered or cut short"),
        (_cut, "not the bytes that 0123456789abcdef-2.json describes: altered or cut short"),
        (_longer, "not the bytes that 0123456789abcdef-2.json describes: altered or cut short"),
        (_no_sidecar, "a stored clip without its sidecar 0123456789abcdef-2.json, .*: copy it too$"),
        (_bad_sidecar, "not a clip's sidecar"),
        (_sidecar_of_an_open_clip, "not the clip that 0123456789abcdef-2.json describes"),
        (_sidecar_of_another, "not the clip that 0123456789abcdef-2.json describes"),
        (_other_audio_digest, "holds another clip than 0123456789abcdef-2.json describes"),
    ],
)
def test_one_bad_clip_is_named_and_the_others_are_opened(
    unseal: Callable[..., tuple[int, str, str]],
    sealed: Path,
    tmp_path: Path,
    damage: Callable[[Path], object],
    said: str,
) -> None:
    bad = sealed / DAY / f"{SESSION}-2.mp3.age"
    damage(bad)
    clips = [sealed / DAY / f"{SESSION}-{seq}.mp3.age" for seq in range(1, 5)]
    code, out, err = unseal(*clips)
    assert re.search(said, err.strip()), err
    assert (code, len(err.splitlines())) == (3, 1)
    assert out.startswith("3 opened")
    assert numbers(tmp_path / "open") == [1, 3, 4]
    check_store(tmp_path / "open")


def test_another_key_opens_nothing_and_is_told_apart(
    unseal: Callable[..., tuple[int, str, str]], sealed: Path, tmp_path: Path, key: pyrage.x25519.Identity
) -> None:
    other = tmp_path / "other.txt"
    other.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    code, out, err = unseal("--identity", other, sealed)
    assert (code, out) == (1, "0 opened, 0 already there, 4 could not be opened\n")
    assert all("other.txt opens what is sealed to" in line for line in err.splitlines())
    other.write_text(f"{pyrage.x25519.Identity.generate()}\n{key}\n")
    assert unseal("--identity", other, sealed)[0] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is no key file"),
        (b"# only a comment\n", "holds no key"),
        (b"AGE-SECRET-KEY-1SECRETSECRET\n", r"line 1 is no key that age-keygen wrote"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n", r"line 1 is no key that age-keygen wrote"),
        (b"age-encryption.org/v1\n-> scrypt abc 18\n", "is encrypted itself: decrypt it first"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "is encrypted itself: decrypt it first"),
        (b"\xff\xfe\x00", "is no key file"),
    ],
)
def test_key_file_that_is_none_is_refused_without_a_word_of_it(
    unseal: Callable[..., tuple[int, str, str]], sealed: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    code, out, err = unseal("--identity", path, sealed)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert err.startswith(f"sonyc-tools: {path}: ")
    assert said in err
    assert "secret" not in err.lower().replace("age-secret-key-1...", "")
    assert not (tmp_path / "open").exists()


def test_folders_without_sealed_clips_and_other_files_are_named(
    unseal: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "song.mp3").write_bytes(mp3())
    code, _, err = unseal(tmp_path / "empty", tmp_path / "song.mp3", tmp_path / "gone.mp3.age")
    assert code == 1
    assert err.splitlines() == [
        f"sonyc-tools: {tmp_path}/empty: holds no sealed clip (<session>-<number>.mp3.age or .flac.age)",
        f"sonyc-tools: {tmp_path}/song.mp3: not a sealed clip: its name does not end in .age",
        f"sonyc-tools: {tmp_path}/gone.mp3.age: a stored clip without its sidecar gone.json, which says at what level "
        "it was stored: copy it too",
    ]


def test_output_that_cannot_be_written_is_named(
    unseal: Callable[..., tuple[int, str, str]], sealed: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = unseal("--output", tmp_path / "file", sealed)
    assert (code, err) == (1, f"sonyc-tools: {tmp_path}/file: cannot be made: File exists\n")


def test_json_has_the_counts_and_errors(unseal: Callable[..., tuple[int, str, str]], sealed: Path) -> None:
    _cut(sealed / DAY / f"{SESSION}-2.mp3.age")
    code, out, _ = unseal("--json", sealed)
    document = json.loads(out)
    assert (code, document["opened"], document["already_there"], len(document["errors"])) == (3, 3, 0, 1)


def test_as_a_program_it_writes_its_line_only(sealed: Path, key_file: Path, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("sonyc-tools")
    command = [program, "unseal", "--identity", key_file, "--output", tmp_path / "open", sealed]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "4 opened, 0 already there, 0 could not be opened\n", "")
    assert subprocess.run([program, "unseal", sealed], capture_output=True, check=False).returncode == 2


def test_folder_that_may_not_be_read_is_named(sealed: Path, key_file: Path, tmp_path: Path) -> None:
    (sealed / "2026-11-24").mkdir(mode=0)
    program = str(Path(sys.executable).with_name("sonyc-tools"))
    options = ["--identity", str(key_file), "--output", str(tmp_path / "open")]
    done = subprocess.run(
        unprivileged([program, "unseal", *options, str(sealed)]), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout[:8]) == (3, "4 opened")
    assert done.stderr == (f"sonyc-tools: {sealed}/2026-11-24: a folder that cannot be read: {os.strerror(13)}\n")


def test_debians_age_opens_what_a_store_holds(sealed: Path, key_file: Path) -> None:
    require_system("age")
    command = ["age", "--decrypt", "-i", str(key_file), str(sealed / DAY / f"{SESSION}-3.mp3.age")]
    assert subprocess.run(command, check=True, capture_output=True).stdout == mp3(1.5)


def test_the_node_says_how_sealed_clips_are_opened(sealed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert device(["classify", str(sealed / DAY / f"{SESSION}-1.mp3.age")]) == 1
    assert "a sealed clip: open it with `sonyc-tools unseal" in capsys.readouterr().err
    assert device(["classify", str(sealed)]) == 1
    assert "4 sealed clips: open them with `sonyc-tools unseal" in capsys.readouterr().err
