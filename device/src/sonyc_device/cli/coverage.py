"""Says how much of a month a node covered."""

import argparse
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sonyc_device.cli.output import OK, add_config, add_json, report

if TYPE_CHECKING:
    from sonyc_device.cli.output import Commands
    from sonyc_device.messaging.coverage import Coverage

_HOUR_S = 3_600.0


def add_commands(commands: "Commands") -> None:
    """Add `completeness`."""
    parser = commands.add_parser("completeness", help="say how much of a span of time this node covered")
    parser.description = "Reads the books in the state folder, whether the agent runs or not. All times are in UTC."
    add_config(parser)
    parser.add_argument(
        "--from", type=_begin, dest="begin", metavar="TIME", help="2026-05, 2026-05-01 or 2026-05-01T12"
    )
    parser.add_argument(
        "--to", type=_end, dest="end", metavar="TIME", help="the same; it is included: 2026-05 is all May"
    )
    add_json(parser)
    parser.set_defaults(command=_completeness)


def _completeness(arguments: argparse.Namespace) -> int:
    from sonyc_contract.errors import ConfigError
    from sonyc_device.config import load_config
    from sonyc_device.messaging.assembly import OUTBOX_NAME
    from sonyc_device.messaging.coverage import read_coverage

    config = load_config(arguments.config)
    if arguments.begin and arguments.end and arguments.begin >= arguments.end:
        raise ConfigError("--from lies after --to")
    coverage = read_coverage(
        config.state_folder / OUTBOX_NAME, from_utc=arguments.begin, until_utc=arguments.end, now=datetime.now(UTC)
    )
    if arguments.json:
        print(json.dumps({"node": config.node_id, **_document(coverage)}, indent=1))
    else:
        report({"node": config.node_id, **_in_words(coverage)}, as_json=False)
    return OK


def _document(coverage: "Coverage") -> dict[str, object]:
    return {
        "from_utc": _time(coverage.from_utc),
        "until_utc": _time(coverage.until_utc),
        "covered": coverage.share,
        "covered_with_undated": coverage.share_with_undated,
        "span_s": coverage.span_s,
        **{f"{what}_s": coverage.total_s(f"{what}_s") for what in _WHAT},
        "lost_s": coverage.lost_s,
        "off_s": coverage.off_s,
        "undated_s": coverage.undated_s,
        "hours": [json.loads(hour.model_dump_json()) for hour in coverage.hours],
    }


_WHAT = ("captured", "unscheduled", "classified", "stored", "published")


def _in_words(coverage: "Coverage") -> dict[str, object]:
    lost = coverage.lost_s
    causes = ", ".join(f"{cause} {_hours(seconds)}" for cause, seconds in lost.items())
    words: dict[str, object] = {
        "from": _time(coverage.from_utc),
        "to": _time(coverage.until_utc),
        "covered": _share(coverage.share),
        **{what: _hours(coverage.total_s(f"{what}_s")) for what in _WHAT},
        "lost": _hours(sum(lost.values())) + (f" ({causes})" if causes else ""),
        "off": _hours(coverage.off_s),
    }
    if coverage.undated_s:
        words["undated"] = (
            f"{_hours(coverage.undated_s)} more, by a clock that was never set; if it was right, "
            f"{_share(coverage.share_with_undated)} was covered"
        )
    return words


def _share(share: float | None) -> str:
    return "nothing was to be recorded" if share is None else f"{100 * share:.1f} %"


def _hours(seconds: float) -> str:
    return f"{seconds / _HOUR_S:.2f} h"


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _begin(text: str) -> datetime:
    return _span(text)[0]


def _end(text: str) -> datetime:
    return _span(text)[1]


def _span(text: str) -> tuple[datetime, datetime]:
    """Give begin and end of the month, day or hour that is named."""
    match = re.fullmatch(r"(\d{4})-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::00)?Z?)?)?", text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no month, day or hour such as 2026-05, 2026-05-01, 2026-05-01T12"
        )
    year, month, day, hour = (None if part is None else int(part) for part in match.groups())
    try:
        begin = datetime(year or 0, month or 0, day or 1, hour or 0, tzinfo=UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error
    if hour is not None:
        return begin, begin + timedelta(hours=1)
    if day is not None:
        return begin, begin + timedelta(days=1)
    return begin, (begin + timedelta(days=31)).replace(day=1)
