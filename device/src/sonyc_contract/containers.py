"""What audio containers state of their own length, which libsndfile does not pass on.

It gives a WAV, AIFF, AU or Ogg file that was cut short as if it had always been that short, and an MP3 without a tag by
an estimate. Only FLAC and tagged MP3 files tell it how many samples there should be.
"""

import os
import struct
from typing import BinaryIO, Final, NamedTuple

_PLACEHOLDER_BYTES: Final = 0x7FFF_F000
"""From here up a size says "not known": programs that write to a pipe leave 0x7ffff000, 0x80000000 or 0xffffffff."""
_MAX_CHUNKS: Final = 1_000
_OGG_PAGE_BYTES: Final = 65_307
_OGG_LAST_PAGE: Final = 0x04
_MP3_FRAME_BYTES: Final = 4_096
_MP3_RATES_HZ: Final = (44_100, 48_000, 32_000)
_MPEG1_KBPS: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBPS: Final = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)

_NAMES: Final = {
    b"RIFF": "WAV", b"RIFX": "WAV", b"RF64": "RF64", b"FORM": "AIFF", b".snd": "AU", b"riff": "W64", b"caff": "CAF",
    b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3\x02": "MP3", b"ID3\x03": "MP3", b"ID3\x04": "MP3",
}  # fmt: skip


class _Layout(NamedTuple):
    """How a container of chunks writes a chunk's name and size."""

    header: struct.Struct
    alignment: int
    size_has_header: bool


_RIFF: Final = _Layout(struct.Struct("<4sI"), 2, False)
_IFF: Final = _Layout(struct.Struct(">4sI"), 2, False)
_W64: Final = _Layout(struct.Struct("<16sQ"), 8, True)

_CHUNKED: Final = {
    b"RIFF": (12, _RIFF, b"data"),
    b"RIFX": (12, _IFF, b"data"),
    b"FORM": (12, _IFF, b"SSND"),
    b"riff": (40, _W64, b"data"),
}
"""By a file's first bytes: where its chunks start, how they are laid out, and which one holds the samples."""


def container_name(head: bytes) -> str | None:
    """Name the format that a file's first bytes announce; None if it is none of the common ones."""
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:  # frame sync, layer III
        return "MP3"
    return _NAMES.get(head[:4])


def lacks_bytes(file: BinaryIO) -> bool:
    """Whether a container ends before the end that it states.

    Args:
        file: Seekable; its position is moved.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"OggS":
        return _lacks_last_page(file, size)
    end = _stated_end(file, head)
    return end is not None and end > size


def states_n_frames(file: BinaryIO) -> bool:
    """Whether libsndfile's frame count stands in the file, rather than being derived from its size.

    Args:
        file: Seekable; its position is moved.
    """
    file.seek(0)
    head = file.read(26)
    if head[:4] == b"fLaC":
        return int.from_bytes(head[21:26], "big") % 2**36 > 0  # 0: the encoder did not know
    if container_name(head) != "MP3":
        return False
    file.seek(_mp3_start(head))
    frame = file.read(_MP3_FRAME_BYTES)
    return any(tag in frame for tag in (b"Xing", b"Info", b"VBRI"))


def is_lone_mp3_frame(file: BinaryIO) -> bool:
    """Whether an MP3 file ends before its second frame, which libmpg123 answers with a line on standard error.

    Args:
        file: Seekable; its position is moved.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(10)
    if container_name(head) != "MP3":
        return False
    start = _mp3_start(head)
    file.seek(start)
    return start + _mp3_frame_bytes(file.read(4)) + 4 > size


def _stated_end(file: BinaryIO, head: bytes) -> int | None:
    magic = head[:4]
    if magic == b"RF64":
        return _rf64_end(file)
    if magic == b".snd":
        data: tuple[int, int] | None = (int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big"))
    elif magic in _CHUNKED:
        data = _find(file, *_CHUNKED[magic])
    else:
        return None
    return None if data is None or data[1] >= _PLACEHOLDER_BYTES else sum(data)


def _find(file: BinaryIO, position: int, layout: _Layout, wanted: bytes) -> tuple[int, int] | None:
    """Give where the wanted chunk's content starts, and how many bytes it is said to have."""
    n_header = layout.header.size
    for _ in range(_MAX_CHUNKS):
        if position >= 2**62:
            return None
        file.seek(position)
        header = file.read(n_header)
        if len(header) < n_header:
            return None
        name, n_bytes = layout.header.unpack(header)
        if layout.size_has_header:
            n_bytes = max(0, n_bytes - n_header)
        if name[:4] == wanted:
            return position + n_header, n_bytes
        position += n_header + -(-n_bytes // layout.alignment) * layout.alignment
    return None


def _rf64_end(file: BinaryIO) -> int | None:
    data, sizes = _find(file, 12, _RIFF, b"data"), _find(file, 12, _RIFF, b"ds64")
    if data is None or sizes is None:
        return None
    file.seek(sizes[0] + 8)
    return data[0] + int.from_bytes(file.read(8), "little")


def _lacks_last_page(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - 2 * _OGG_PAGE_BYTES))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    n_bytes = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return not page[5] & _OGG_LAST_PAGE or len(page) < n_bytes


def _mp3_start(head: bytes) -> int:
    if head[:3] != b"ID3":
        return 0
    return 10 + sum((digit & 0x7F) << shift for digit, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))


def _mp3_frame_bytes(header: bytes) -> int:
    bits = int.from_bytes(header, "big")
    version, rate_code, rate_index = bits >> 19 & 3, bits >> 12 & 15, bits >> 10 & 3
    if version == 1 or rate_code in {0, 15} or rate_index == 3:
        return 0
    rate_hz = _MP3_RATES_HZ[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    kbps, n_samples = (_MPEG1_KBPS, 1_152) if version == 3 else (_MPEG2_KBPS, 576)
    return n_samples // 8 * kbps[rate_code - 1] * 1_000 // rate_hz + (bits >> 9 & 1)
