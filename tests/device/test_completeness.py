"""`sonyc-device completeness`: how much of a month a node covered, while its agent runs and when it does not."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sonyc_device.cli import main
from sonyc_device.messaging.books import CAPTURED, CLASSIFIED, UNSCHEDULED, Books, Span, lost
from sonyc_device.messaging.coverage import read_coverage
from sonyc_device.messaging.outbox import Bounds, Outbox
from support.disks import small_disk

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
HOUR_S = 3_600.0
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """The configuration of a node whose books are of May 2026: 5 s lost in each hour, and off for its last 20 hours."""
    books = Books("ab" * 8)
    outbox = Outbox(tmp_path / "state" / "outbox.sqlite", Bounds(10, 10_000, 1e9), books=books, now_s=lambda: 1.8e9)
    for hour in range(31 * 24 - 20):
        start_s = MAY.timestamp() + hour * HOUR_S
        books.add(Span("ab" * 8, hour * HOUR_S, start_s, True, HOUR_S - 5), CAPTURED)
        books.add(Span("ab" * 8, hour * HOUR_S, start_s, True, HOUR_S - 6), CLASSIFIED)
        books.add(Span("ab" * 8, hour * HOUR_S, start_s + HOUR_S - 5, True, 5.0), lost("device-overflow"))
    books.add(Span("cd" * 8, 0.0, MAY.timestamp(), False, 60.0), CAPTURED)
    outbox.write(lambda _connection: None)
    outbox.close()
    config = tmp_path / "node.toml"
    config.write_text('node_id = "node-1"\nstate_folder = "state"\n')
    return config


@pytest.fixture
def ask(node: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def command(*arguments: str) -> dict[str, Any]:
        assert main(["completeness", "--config", str(node), "--json", *arguments]) == 0
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    return command


def test_a_month_is_covered_so_far(ask: Ask) -> None:
    may = ask("--from", "2026-05", "--to", "2026-05")
    n_hours = 31 * 24 - 20
    assert (may["node"], may["from_utc"], may["until_utc"]) == (
        "node-1",
        "2026-05-01T00:00:00Z",
        "2026-06-01T00:00:00Z",
    )
    assert may["covered"] == pytest.approx(n_hours * (HOUR_S - 5) / (31 * 24 * HOUR_S))
    assert may["captured_s"] == n_hours * (HOUR_S - 5)
    assert may["lost_s"] == {"device-overflow": 5.0 * n_hours}
    assert (may["off_s"], may["undated_s"]) == (20 * HOUR_S, 60.0)
    assert len(may["hours"]) == n_hours + 1
    assert may["hours"][-1]["start_utc"] == "2026-05-31T03:00:00.000000Z"


@pytest.mark.parametrize(
    ("begin", "end", "n_hours"),
    [
        ("2026-05-02", "2026-05-02", 24),
        ("2026-05-02T06", "2026-05-02T06", 1),
        ("2026-05-02T06", "2026-05-02T07:00Z", 2),
        ("2026-05-30", "2026-05", 28),
        ("2026-04", "2026-05-01", 24),
    ],
)
def test_begin_and_end_may_be_a_month_a_day_or_an_hour(ask: Ask, begin: str, end: str, n_hours: int) -> None:
    found = ask("--from", begin, "--to", end)
    assert found["captured_s"] == n_hours * (HOUR_S - 5)


def test_without_a_span_it_is_all_from_the_first_hour_until_now(ask: Ask) -> None:
    found = ask()
    assert found["from_utc"] == "2026-05-01T00:00:00Z"
    assert datetime.fromisoformat(found["until_utc"]) <= datetime.now(UTC)


def test_in_words(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completeness", "--config", str(node), "--from", "2026-05", "--to", "2026-05"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["covered"] == "97.2 %"
    assert lines["lost"] == "1.01 h (device-overflow 1.01 h)"
    assert lines["undated"] == ("0.02 h more, by a clock that was never set; if it was right, 97.2 % was covered")


def test_machine_without_a_time_server_covers_what_its_clock_says(tmp_path: Path) -> None:
    books = Books("ab" * 8)
    path = tmp_path / "outbox.sqlite"
    outbox = Outbox(path, Bounds(10, 10_000, 1e9), books=books, now_s=lambda: 1.8e9)
    books.add(Span("ab" * 8, 0.0, MAY.timestamp(), False, 4 * HOUR_S), CAPTURED)
    books.add(Span("cd" * 8, 0.0, MAY.timestamp(), True, HOUR_S), CAPTURED)  # the same hour, by a clock that was set
    outbox.write(lambda _connection: None)
    coverage = read_coverage(path, from_utc=MAY, until_utc=MAY + timedelta(hours=8), now=JUNE)
    assert (coverage.share, coverage.share_with_undated, coverage.undated_s) == (1 / 8, 4 / 8, 4 * HOUR_S)
    outbox.close()


@pytest.mark.parametrize("text", ["May", "2026", "2026-13", "2026-02-30", "2026-05-01T25", "2026-05-01 12:00"])
def test_time_that_is_none_is_wrong_usage(text: str, node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["completeness", "--config", str(node), "--from", text])
    assert caught.value.code == 2
    assert repr(text) in capsys.readouterr().err


def test_end_before_begin_is_wrong_usage(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completeness", "--config", str(node), "--from", "2026-06", "--to", "2026-05"]) == 2
    assert capsys.readouterr().err == "sonyc-device: --from lies after --to\n"


def test_folder_without_books_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "node.toml"
    config.write_text('node_id = "node-1"\nstate_folder = "state"\n')
    assert main(["completeness", "--config", str(config)]) == 1
    assert "no agent has run with this state folder" in capsys.readouterr().err
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "outbox.sqlite").write_bytes(b"no database" * 100)
    assert main(["completeness", "--config", str(config)]) == 1
    assert "the books cannot be read: file is not a database" in capsys.readouterr().err


def test_books_can_be_read_while_they_are_written(tmp_path: Path) -> None:
    books = Books("ab" * 8)
    path = tmp_path / "a folder?" / "outbox.sqlite"
    outbox = Outbox(path, Bounds(10, 10_000, 1e9), books=books, now_s=lambda: 1.8e9)
    books.add(Span("ab" * 8, 0.0, MAY.timestamp(), True, 1_800.0), CAPTURED)
    books.add(Span("ab" * 8, 0.0, MAY.timestamp() + 1_800, True, 900.0), UNSCHEDULED)
    outbox.write(lambda _connection: None)
    later = datetime(2026, 5, 1, 0, 45, tzinfo=UTC)
    coverage = read_coverage(path, from_utc=MAY, until_utc=JUNE, now=later)
    assert (coverage.share, coverage.off_s) == (1.0, 0.0)
    outbox.close()


def test_books_can_be_read_where_nothing_may_be_written(node: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size_bytes=4_000_000) as disk:
        kept = shutil.copy(node.parent / "state" / "outbox.sqlite", disk.folder / "outbox.sqlite")
        disk.remount("ro")
        coverage = read_coverage(Path(kept), from_utc=MAY, until_utc=JUNE, now=datetime.now(UTC))
    assert len(coverage.hours) == 31 * 24 - 20 + 1
