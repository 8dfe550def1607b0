"""Sizes as people write them."""

import pytest

from sonyc_trainer.planning.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("64GB", 64_000_000_000),
        ("32GiB", 32 * 1024**3),
        ("32gib", 32 * 1024**3),
        ("1.5 TB", 1_500_000_000_000),
        ("500M", 500_000_000),
        ("12KiB", 12_288),
        (" 700 ", 700),
        ("700B", 700),
    ],
)
def test_size_is_read(text: str, n_bytes: int) -> None:
    assert parse_size(text) == n_bytes


@pytest.mark.parametrize("text", ["", "GB", "64GX", "-1GB", "1,5GB", "64 iB", "0GB", "nan", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size such as|holds nothing"):
        parse_size(text)
