"""The one form of ZIP archive that bundles and golden data have: plain names, stored members, fixed dates.

Written and read here rather than by `zipfile`, whose writer changes between Python versions, and whose reader accepts
overlapping members, prefixes, two directories that disagree, and a million directory entries. Any program opens them.

Layout and field names: PKWARE APPNOTE 6.3, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.16 (its end).
"""

import re
import struct
import zlib
from collections.abc import Mapping
from typing import Final

from sonyc_contract.errors import BundleError

MAX_MEMBERS: Final = 32

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")

_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_MAGIC, _ENTRY_MAGIC, _END_MAGIC = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"

_ZIP_2_0 = 20
_UNIX = 3 << 8
_STORED = 0
_FIRST_OF_1980 = 0x21
_READABLE_FILE = 0o100644 << 16


def write_archive(members: Mapping[str, bytes], *, comment: bytes = b"") -> bytes:
    """Make an archive of `members` in the order given; the same contents give the same bytes, on any Python.

    Args:
        members: Contents by name; names are ASCII letters, digits, `.`, `_` and `-`.
        comment: The archive's comment, its last bytes.

    Raises:
        BundleError: a name is not plain, or there are too many members.
    """
    if len(members) > MAX_MEMBERS:
        raise BundleError(f"{len(members)} members; at most {MAX_MEMBERS} are allowed")
    body, directory = bytearray(), bytearray()
    for name, data in members.items():
        _check_name(name)
        # version, flags, method, time, date, crc, compressed and plain size, length of the name, of extra fields
        fields = (_ZIP_2_0, 0, _STORED, 0, _FIRST_OF_1980, zlib.crc32(data), len(data), len(data), len(name), 0)
        entry = _ENTRY.pack(_ENTRY_MAGIC, _UNIX | _ZIP_2_0, *fields, 0, 0, 0, _READABLE_FILE, len(body))
        directory += entry + name.encode()
        body += _LOCAL.pack(_LOCAL_MAGIC, *fields) + name.encode() + data
    n = len(members)
    end = _END.pack(_END_MAGIC, 0, 0, n, n, len(directory), len(body), len(comment))
    return bytes(body + directory + end + comment)


def read_archive(data: bytes) -> dict[str, bytes]:
    """Read every member of what `write_archive` made; anything else is refused.

    No more is allocated than the archive's own size, a few times over.

    Raises:
        BundleError: a member's name is no plain name, it is compressed, or there twice, or anything at all differs from
            what `write_archive` would have made of the members; names the member where there is one.
    """
    members: dict[str, bytes] = {}
    position = 0
    while data[position : position + 4] == _LOCAL_MAGIC:
        name, content = _read_member(data, position)
        if name in members:
            raise BundleError(f"member {name!r} stands in the archive twice")
        if len(members) == MAX_MEMBERS:
            raise BundleError(f"more than {MAX_MEMBERS} members")
        members[name] = content
        position += _LOCAL.size + len(name) + len(content)
    n_uncommented = len(write_archive(members))
    if not members or write_archive(members, comment=data[n_uncommented:][:0xFFFF]) != data:
        raise BundleError("not an archive of the form that bundles have: damaged, or made by another or newer program")
    return members


def _read_member(data: bytes, position: int) -> tuple[str, bytes]:
    header = data[position : position + _LOCAL.size]
    if len(header) < _LOCAL.size:
        raise BundleError("the archive is cut short within a member's header")
    _, _, _, method, _, _, _, n_stored, n_plain, n_name, _ = _LOCAL.unpack(header)
    start = position + _LOCAL.size
    name = data[start : start + n_name].decode("ascii", "backslashreplace")
    _check_name(name)
    if method != _STORED or n_stored != n_plain:
        raise BundleError(f"member {name!r} is compressed, {n_stored} to {n_plain} bytes; members must be stored")
    content = data[start + n_name : start + n_name + n_stored]
    if len(content) < n_stored:
        raise BundleError(f"member {name!r} is said to have {n_stored} bytes; {len(content)} are there")
    return name, content


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BundleError(f"member name {name[:100]!r} is not a plain file name")
