"""The strict form of ZIP: the same bytes always, open to any program, and nothing else is read."""

import io
import struct
import warnings
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_contract.archive import MAX_MEMBERS, read_archive, write_archive
from sonyc_contract.errors import BundleError

_MEMBERS = {"manifest.json": b"{}", "b.bin": bytes(range(256)) * 10, "empty": b""}


def _zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, for names that stand there twice
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, data in members:
                archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return buffer.getvalue()


def _refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        read_archive(data)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_round_trip_keeps_the_order() -> None:
    assert list(read_archive(write_archive(_MEMBERS)).items()) == list(_MEMBERS.items())
    assert read_archive(write_archive(_MEMBERS, comment=b"PK\x05\x06 and more")) == _MEMBERS


def test_bytes_are_frozen() -> None:
    """A change here would make every bundle in the field unreadable."""
    assert write_archive({"a": b"hi"}, comment=b"end!").hex() == (
        "504b030414000000000000002100ac2a93d8020000000200000001000000616869"
        "504b0102140314000000000000002100ac2a93d80200000002000000010000000000000000000000a4810000000061"
        "504b050600000000010001002f000000210000000400656e6421"
    )


def test_any_program_opens_it() -> None:
    with zipfile.ZipFile(io.BytesIO(write_archive(_MEMBERS, comment=b"digest"))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == _MEMBERS
        assert archive.comment == b"digest"
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd", "../up", "..", ".", ".hidden", "a/b", "a\\b", "C:x", "", "a\0b", "a\nb", "é", "\udc80",
        "\ufeffa", "-rf", "x" * 101,
    ],
)  # fmt: skip
def test_name_that_is_not_plain(name: str) -> None:
    with pytest.raises(BundleError, match="is not a plain file name"):
        write_archive({name: b""})
    raw = name.encode("utf-8", "surrogateescape")
    plain = "y" * len(raw)
    hostile = write_archive({plain: b"data"}).replace(plain.encode(), raw) if raw and len(raw) <= 100 else b""
    if hostile:
        assert "is not a plain file name" in _refusal(hostile)


def test_paths_written_by_zipfile() -> None:
    for name in ("/tmp/x", "../x", "a/../../x", "folder/"):
        assert f"member name {name!r} is not a plain file name" == _refusal(_zipped((name, b"")))


def test_the_same_name_twice() -> None:
    data = write_archive({"aa": b"first", "bb": b"second"}).replace(b"bb", b"aa")
    assert _refusal(data) == "member 'aa' stands in the archive twice"
    assert _refusal(_zipped(("x", b"1"), ("x", b"2"))) == "member 'x' stands in the archive twice"


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members_are_not_inflated(compression: int) -> None:
    bomb = _zipped(("model", bytes(50_000_000)), compression=compression)
    assert len(bomb) < 100_000
    assert "is compressed" in _refusal(bomb)
    assert "members must be stored" in _refusal(bomb)


def test_sizes_that_are_not_there() -> None:
    data = bytearray(write_archive({"model": b"data"}))
    struct.pack_into("<II", data, 18, 0xFFFF_FFFF, 0xFFFF_FFFF)
    assert "said to have 4294967295 bytes" in _refusal(bytes(data))
    struct.pack_into("<II", data, 18, 4, 5_000_000_000 % 2**32)
    assert "is compressed, 4 to 705032704 bytes" in _refusal(bytes(data))


def test_two_directories_that_disagree() -> None:
    """What one program reads as `good`, another would read as `evil`."""
    data = write_archive({"good": b"data"})
    position = data.rindex(b"good")
    assert "damaged" in _refusal(data[:position] + b"evil" + data[position + 4 :])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"PK\x03\x04",
        b"not an archive",
        b"\x7fELF" + write_archive(_MEMBERS),
        write_archive(_MEMBERS) + b"trailing",
        write_archive(_MEMBERS, comment=b"12")[:-1],
        write_archive({}),
        _zipped(("x", b"other dates and flags")),
    ],
)
def test_other_bytes(data: bytes) -> None:
    _refusal(data)


def test_members_are_bounded() -> None:
    many = {f"m{index}": b"" for index in range(MAX_MEMBERS)}
    assert read_archive(write_archive(many)) == many
    with pytest.raises(BundleError, match="33 members; at most 32"):
        write_archive({**many, "one-more": b""})
    assert _refusal(_zipped(*[(f"m{index}", b"") for index in range(1_000)])) == "more than 32 members"


def test_every_altered_byte() -> None:
    data = write_archive({"a": b"content", "b": b"more"}, comment=b"comment")
    n_uncommented = len(data) - len(b"comment")
    for position in range(n_uncommented):
        altered = bytearray(data)
        altered[position] ^= 0x41
        _refusal(bytes(altered))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_fuzz(data: st.DataObject) -> None:
    sound = write_archive({"a": b"content", "b": b"PK\x03\x04", "c": b"PK\x05\x06"}, comment=b"comment")
    altered = bytearray(data.draw(st.sampled_from([sound, _zipped(("a", b"1"), ("b", b"2"))])))
    for _ in range(data.draw(st.integers(1, 8))):
        position = data.draw(st.integers(0, len(altered) - 1))
        altered[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not altered:
            break
    try:
        members = read_archive(bytes(altered))
    except BundleError:
        return
    assert bytes(altered).startswith(write_archive(members)[:-2])  # only the comment may differ


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9._-]{0,20}", fullmatch=True), st.binary(max_size=100), min_size=1))
def test_whatever_is_written_is_read(members: dict[str, bytes]) -> None:
    if len(members) <= MAX_MEMBERS:
        assert read_archive(write_archive(members)) == members


def test_checksum_is_pkzips() -> None:
    data = write_archive({"a": b"hi"})
    assert struct.unpack_from("<I", data, 14) == (zlib.crc32(b"hi"),)
