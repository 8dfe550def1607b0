"""SONYC-UST from a server on loopback: broken transfers, wrong files, hostile archives."""

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from sonyc_trainer.cli import main
from sonyc_trainer.datasets.download import download_sonyc_ust, fetch, record_files, unpack_audio
from sonyc_trainer.errors import DatasetError
from support.stage_runs import QUIET
from support.zenodo import FakeZenodo, serving

CLIP = np.random.default_rng(0).bytes(50_000)


def archive(members: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return buffer.getvalue()


@pytest.fixture
def zenodo() -> Iterator[FakeZenodo]:
    files = {
        "annotations.csv": b"split,sensor_id\n" * 20,
        "audio-0.tar.gz": archive({"audio-0/00_000066.wav": CLIP, "audio-0/00_000071.wav": CLIP[::-1]}),
        "audio-1.tar.gz": archive({"01_000006.wav": CLIP[:1000]}),
    }
    with serving(FakeZenodo(files)) as server:
        yield server


def names(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if not path.parts[0].startswith("."))


WHOLE = ["annotations.csv", "audio/00_000066.wav", "audio/00_000071.wav", "audio/01_000006.wav"]


def test_everything_is_fetched_and_unpacked_once(
    zenodo: FakeZenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["download", "sonyc-ust", str(tmp_path), "--address", zenodo.address]
    assert main(command) == 0
    assert names(tmp_path) == WHOLE
    assert (tmp_path / "audio" / "00_000066.wav").read_bytes() == CLIP
    assert "3 files of SONYC-UST are in" in capsys.readouterr().out
    n_requests = len(zenodo.requests)
    assert main(command) == 0
    assert zenodo.requests[n_requests:] == [("/api/records/3966543", None)]


def test_broken_transfer_goes_on_where_it_stopped(zenodo: FakeZenodo, tmp_path: Path) -> None:
    size = len(zenodo.files["audio-0.tar.gz"])
    zenodo.breaks_after["audio-0.tar.gz"] = step = size // 3 + 1
    download_sonyc_ust(tmp_path, QUIET, address=zenodo.address)
    assert names(tmp_path) == WHOLE
    assert zenodo.asked_for("audio-0.tar.gz") == [None, f"bytes={step}-", f"bytes={2 * step}-"]


def test_killed_download_goes_on_in_the_next_run(zenodo: FakeZenodo, tmp_path: Path) -> None:
    file = record_files(zenodo.address, 3966543)[1]
    (tmp_path / f".{file.name}.{file.md5[:8]}.part").write_bytes(zenodo.files[file.name][:30_000])
    download_sonyc_ust(tmp_path, QUIET, address=zenodo.address)
    assert names(tmp_path) == WHOLE
    assert zenodo.asked_for(file.name) == ["bytes=30000-"]


def test_server_without_ranges_begins_anew(zenodo: FakeZenodo, tmp_path: Path) -> None:
    zenodo.knows_range = False
    file = record_files(zenodo.address, 3966543)[1]
    (tmp_path / f".{file.name}.{file.md5[:8]}.part").write_bytes(b"x" * 30_000)
    assert fetch(file, tmp_path).read_bytes() == zenodo.files[file.name]


def test_transfer_that_never_gets_further_is_given_up(zenodo: FakeZenodo, tmp_path: Path) -> None:
    zenodo.knows_range, zenodo.breaks_after = False, {"audio-0.tar.gz": 20_000}
    with pytest.raises(
        DatasetError, match=r"audio-0.tar.gz/content: no more than 20000 of \d+ bytes come, the transfer"
    ):
        download_sonyc_ust(tmp_path, QUIET, address=zenodo.address)
    assert names(tmp_path) == ["annotations.csv"]
    zenodo.knows_range, zenodo.breaks_after = True, {}
    download_sonyc_ust(tmp_path, QUIET, address=zenodo.address)
    assert names(tmp_path) == WHOLE
    assert zenodo.asked_for("audio-0.tar.gz")[-1] == "bytes=20000-"


def test_wrong_md5_leaves_nothing(zenodo: FakeZenodo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zenodo.md5["annotations.csv"] = "0" * 32
    assert main(["download", "sonyc-ust", str(tmp_path), "--address", zenodo.address]) == 1
    found = hashlib.md5(zenodo.files["annotations.csv"]).hexdigest()
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"320 bytes with MD5 {found} came, not 320 with {'0' * 32}; they are deleted" in said
    assert names(tmp_path) == []
    assert not list(tmp_path.glob(".*.part"))


def test_file_that_is_longer_than_promised_is_refused(zenodo: FakeZenodo, tmp_path: Path) -> None:
    file = record_files(zenodo.address, 3966543)[0]
    zenodo.files["annotations.csv"] += b"x" * 1_000_000
    with pytest.raises(DatasetError, match=r"321 bytes with MD5 .* came, not 320"):
        fetch(file, tmp_path)


@pytest.mark.parametrize(
    "record",
    [
        [],
        {"files": [{"key": "a"}]},
        {"files": [{"key": "../a", "size": 1, "checksum": f"md5:{'0' * 32}", "links": {"self": "http://h/"}}]},
        {"files": [{"key": "a", "size": 1, "checksum": "sha1:00", "links": {"self": "http://h/"}}]},
    ],
)
def test_answers_that_are_no_record(zenodo: FakeZenodo, tmp_path: Path, record: object) -> None:
    zenodo.record = record
    with pytest.raises(DatasetError, match="is no record of Zenodo"):
        download_sonyc_ust(tmp_path, QUIET, address=zenodo.address)


def test_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"http://127.0.0.1:9/api/records/3966543 cannot be fetched: .*refused"):
        download_sonyc_ust(tmp_path, QUIET, address="http://127.0.0.1:9")
    with pytest.raises(DatasetError, match="is no address on the web"):
        download_sonyc_ust(tmp_path, QUIET, address="file:///etc")


def test_no_member_leaves_the_folder(tmp_path: Path) -> None:
    path, target = tmp_path / "a.tar.gz", tmp_path / "inner" / "audio"
    members = {"../../evil.wav": b"1", "/abs.wav": b"2", "a/b.wav": b"3", "a/readme.txt": b"4", "._b.wav": b"5"}
    path.write_bytes(archive(members, links={"link.wav": "/etc/passwd"}))
    assert unpack_audio(path, target) == 3
    assert sorted(file.name for file in target.iterdir()) == ["abs.wav", "b.wav", "evil.wav"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tar.gz", "inner"]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"no archive", lambda data: b""])
def test_damaged_archive(tmp_path: Path, damage) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(damage(archive({"a.wav": CLIP, "b.wav": CLIP[::-1]})))
    with pytest.raises(DatasetError, match=r"a.tar.gz: cannot be unpacked: .*: delete it, and fetch it again"):
        unpack_audio(path, tmp_path / "audio")


def test_other_datasets_are_a_wrong_call(tmp_path: Path) -> None:
    assert main(["download", "urbansound8k", str(tmp_path)]) == 2
