"""Sizes as people write them on cards: 64GB, 32GiB, 500 MB."""

import re
from typing import Final

_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_FORM: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Read a size in bytes; GB counts in thousands as on cards, GiB in 1024.

    Raises:
        ValueError: it is no size, or not above 0.
    """
    match = _FORM.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        raise ValueError(f"{text!r} is not a size such as 64GB, 32GiB or 500MB")
    base = 1024.0 if match[3] else 1000.0
    n_bytes: int = round(float(match[1]) * base ** _POWERS[match[2].lower()])
    if n_bytes < 1:
        raise ValueError(f"{text!r} holds nothing")
    return n_bytes
