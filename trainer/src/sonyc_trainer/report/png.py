"""A picture of one number per pixel as PNG with a palette: a few kilobytes, and no imaging library."""

import base64
import struct
import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray


def png_of(shades: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """Write a PNG file.

    Args:
        shades: uint8 [height, width], the first row is the upper edge.
        palette: uint8 [256, 3], the colour of each shade.
    """
    height, width = shades.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), shades], axis=1)
    chunks = ((b"IHDR", header), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(rows.tobytes(), 9)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in (*chunks, (b"IEND", b"")))


def data_address(png: bytes) -> str:
    """Give a PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


@cache
def palette(name: str) -> NDArray[np.uint8]:
    """Give one of Matplotlib's colour maps, uint8 [256, 3]."""
    from matplotlib import colormaps

    colours = colormaps[name](np.arange(256))[:, :3]
    return np.asarray(np.round(255 * colours), dtype=np.uint8)


def shades_of(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """Scale values within low ... high to 0 ... 255; what lies outside is clipped."""
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(np.round(255 * share), dtype=np.uint8)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
