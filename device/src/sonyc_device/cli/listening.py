"""`doctor --listen`: thresholds for a node's site, proposed from what is heard there."""

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from sonyc_device.cli.output import FAILURE, OK, fail

if TYPE_CHECKING:
    from pathlib import Path

    from sonyc_device.background import Heard
    from sonyc_device.false_alarms import Estimate
    from sonyc_device.proposing import SiteReport

_SAY_EVERY_S = 60.0
_MAX_STRETCHES = 20


def propose(arguments: argparse.Namespace) -> int:
    """Listen, and print what is proposed."""
    from sonyc_device.config import load_config
    from sonyc_device.proposing import ALARMS_PER_DAY, propose_for_site

    config = load_config(arguments.config)
    progress = _Progress(arguments.listen, config.capture.clip_s)
    try:
        report = propose_for_site(
            config,
            for_s=arguments.listen,
            alarms_per_day=arguments.alarms_per_day or ALARMS_PER_DAY,
            on_clip=progress.say,
        )
    finally:
        progress.end()
    if arguments.json:
        print(json.dumps(report.document(), indent=1))
    else:
        _print(report, arguments.config)
    if report.heard.error is not None:
        return fail(f"it ended early: {report.heard.error}", FAILURE)
    return OK


class _Progress:
    """Says on standard error how far it is: in one line on a terminal, else every minute."""

    def __init__(self, for_s: float, clip_s: float) -> None:
        self._for_s = for_s
        self._clip_s = clip_s
        self._is_terminal = sys.stderr.isatty()
        self._said_s = time.monotonic()

    def say(self, heard: "Heard") -> None:
        now_s = time.monotonic()
        if not self._is_terminal and now_s - self._said_s < _SAY_EVERY_S:
            return
        self._said_s = now_s
        heard_s = (len(heard.clips) + heard.n_silent + heard.n_failed) * self._clip_s
        n_alarms = sum(bool(clip.scores.detections) for clip in heard.clips)
        line = (
            f"heard {heard_s:.0f} of {self._for_s:.0f} s, {n_alarms} clips over the bundle's thresholds; Ctrl-C ends it"
        )
        start, end = ("\r", "") if self._is_terminal else ("", "\n")
        print(f"{start}{line}", end=end, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._is_terminal:
            print(file=sys.stderr)


def _print(report: "SiteReport", path: "Path") -> None:
    heard, allowed = report.heard, report.allowed
    of = f"level {report.config.served_level}, head {report.head}"
    print(f"heard {len(heard.clips)} clips, {report.heard_s:.0f} s{_left_out(heard)}; {of}")
    print(f"allowed are {allowed.per_day:g} false alarms of a class in a day\n")
    _print_table(report)
    _print_alarms(report)
    print(f"\n{allowed.per_day:g} alarms a day are one clip in {1 / allowed.share:.0f}; {len(heard.clips)} were heard.")
    print(
        "So the highest are extended, as if their logits fell off exponentially; in parentheses is where 90 % of such\n"
        "times put it. Other hours, weather and seasons are not in it: listen again. A threshold of 1.000 says that\n"
        "the class cannot be told from what was heard; it is then never detected."
    )
    if not (toml := report.toml()):
        print("\nThe bundle's own thresholds do: there is nothing to set.")
        return
    print(f"\nPut this at the end of {path}, in the place of such a table; then sudo systemctl reload sonyc-device:")
    print(f"\n{toml}")


def _left_out(heard: "Heard") -> str:
    parts = [f"{n} {what}" for n, what in ((heard.n_silent, "silent"), (heard.n_failed, "not scored")) if n]
    return (f" ({', '.join(parts)} left out)" if parts else "") + (" until Ctrl-C" if heard.was_interrupted else "")


def _print_table(report: "SiteReport") -> None:
    heads = f"{'bundle':>6} {'p50':>6} {'p99':>6} {'max':>6} {'alarms':>6}"
    print(f"{'':<21} {heads}  {'a day':<24} {'proposed':<24} if false")
    for label, found in report.proposals.items():
        a_day = f"{found.alarms_per_day.value:.0f} {_span(found.alarms_per_day, 0)}"
        print(
            f"{label:<21} {found.own:6.3f} {found.p50:6.3f} {found.p99:6.3f} {found.highest:6.3f} {found.n_alarms:6d}  "
            f"{a_day:<24} {_proposed(found.threshold, found.own):<24} "
            f"{_proposed(found.threshold_if_false, found.own) if found.n_alarms else ''}".rstrip()
        )


def _proposed(threshold: "Estimate | None", own: float) -> str:
    if threshold is None:
        return "too few others"
    return "the bundle's" if threshold.value <= own else f"{threshold.value:.3f} {_span(threshold, 3)}"


def _print_alarms(report: "SiteReport") -> None:
    if not any(report.alarms.values()):
        return
    print("\nOver the bundle's thresholds (UTC). `proposed` takes them for real events, `if false` for background:")
    for label, stretches in report.alarms.items():
        for found in stretches[:_MAX_STRETCHES]:
            when = f"{found.start_utc:%Y-%m-%d %H:%M:%S} to {found.end_utc:%H:%M:%S}"
            print(f"  {label:<21} {when}, clips: {found.n_clips}, up to {found.highest:.3f}")
        if len(stretches) > _MAX_STRETCHES:
            print(f"  {label:<21} and {len(stretches) - _MAX_STRETCHES} times more: --json has them all")


def _span(estimate: "Estimate", n_digits: int) -> str:
    return f"({estimate.low:.{n_digits}f} to {estimate.high:.{n_digits}f})"
