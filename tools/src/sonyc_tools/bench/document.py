"""What was found, as one JSON document and as rows of a CSV file."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from sonyc_tools.bench.peers import PeerCost
from sonyc_tools.bench.recognising import RecogniserCost
from sonyc_tools.bench.report import Report
from sonyc_tools.bench.timing import Estimate

SCHEMA = "sonyc.bench/1"


def as_document(report: Report) -> dict[str, Any]:
    """Give all of it. `recogniser_ms_per_s` and `<peer>_ms_per_s` are the figures to compare, medians in ms."""
    peers = {f"{cost.peer.key}_ms_per_s": cost.ms_per_s.median for cost in report.peers}
    if report.openl3 is not None:
        peers["openl3_ms_per_s"] = report.openl3.ms_per_s.median
    return {
        "schema": SCHEMA,
        "recogniser_ms_per_s": report.reference.ms_per_s.median,
        **peers,
        "keeps_up": not report.too_slow,
        "too_slow": report.too_slow,
        "max_load": report.max_load,
        "machine": asdict(report.machine),
        "material": report.material,
        "n_reps": report.n_reps,
        "took_s": round(report.took_s, 1),
        "card_bytes": report.card_bytes,
        "recognisers": [
            _recogniser(cost) | {"memory": asdict(memory)}
            for cost, memory in zip(report.recognisers, report.memory, strict=True)
        ],
        "levels": [
            {
                "level": cost.coding.level,
                "storage_rate_hz": cost.coding.rate_hz,
                "encode_ms_per_s": asdict(cost.encode_ms),
                "decode_ms_per_s": asdict(cost.decode_ms),
                "bytes_per_hour": round(cost.bytes_per_hour),
                "days_on_card": cost.days_on_card,
            }
            for cost in report.codings
        ],
        "agent": [asdict(one) for one in report.replays],
        "peers": [_peer(cost) for cost in report.peers],
        "openl3": None if report.openl3 is None else asdict(report.openl3),
        "accuracy": [asdict(one) for one in report.accuracies],
        "yardstick": [asdict(one) for one in report.judgements],
        "notes": list(report.notes),
    }


def as_json(report: Report) -> str:
    """Give the document as one line of strict JSON: a figure that is no number (nothing was judged) is null."""
    return json.dumps(_strict(json.loads(json.dumps(as_document(report), default=str))), allow_nan=False)


def as_csv(report: Report) -> str:
    """Give every figure as a line: what, of which subject, at which level and rate; median and interval, unit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("figure", "subject", "level", "storage_rate_hz", "value", "low", "high", "unit"))
    writer.writerows(_rows(report))
    return text.getvalue()


def _rows(report: Report) -> Iterator[tuple[object, ...]]:
    for one in report.codings:
        at = (one.coding.level, one.coding.rate_hz)
        yield ("encode", "codec", *at, *_three(one.encode_ms), "ms/s")
        yield ("decode", "codec", *at, *_three(one.decode_ms), "ms/s")
        yield ("size", "codec", *at, round(one.bytes_per_hour), "", "", "bytes/h")
        yield ("card lasts", "codec", *at, f"{one.days_on_card:.4g}", "", "", "days")
    for cost in report.recognisers:
        yield ("recogniser", cost.contender, "", "", *_three(cost.ms_per_s), "ms/s")
        for step, figure in cost.steps_ms_per_s.items():
            yield (f"recogniser: {step}", cost.contender, "", "", *_three(figure), "ms/s")
        for clip in cost.inference:
            for name, value in (("p50", clip.p50_ms), ("p95", clip.p95_ms), ("max", clip.max_ms)):
                yield (f"clip of 10 s, {name}", cost.contender, clip.level, "", f"{value:.4g}", "", "", "ms")
    for peer in report.peers:
        yield ("peer", peer.peer.name, "", "", *_three(peer.ms_per_s), "ms/s")
    for replay in report.replays:
        yield ("last sample to PUBACK", "agent", replay.level, "", *_three(replay.latency_s), "s")
        yield ("peak memory", "agent", replay.level, "", f"{replay.peak_pss_mb:.4g}", "", "", "MB PSS")
        yield ("processor", "agent", replay.level, "", f"{replay.cpu_share:.4g}", "", "", "of one core")
    for found in report.accuracies:
        yield ("macro-F1", found.contender, found.level, "", f"{found.macro_f1:.4g}", "", "", "")
    for judged in report.judgements:
        yield ("yardstick macro-F1", judged.embedding, judged.level, "", *(f"{x:.4g}" for x in judged.macro_f1), "")


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _strict(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_strict(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _three(figure: Estimate) -> tuple[str, str, str]:
    return f"{figure.median:.4g}", f"{figure.low:.4g}", f"{figure.high:.4g}"


def _recogniser(cost: RecogniserCost) -> dict[str, Any]:
    of = cost.contender
    return {
        "bundle": of.name,
        "sha256": of.bundle.digest,
        "runtime": of.runtime,
        "n_threads": of.n_threads,
        "hop_s": of.spec.hop_s,
        "ms_per_s": asdict(cost.ms_per_s),
        "steps_ms_per_s": _steps(cost.steps_ms_per_s),
        "macs_per_s": round(of.macs_per_s),
        "n_bytes": of.n_bytes,
        "clips_of_10_s": [asdict(one) for one in cost.inference],
    }


def _steps(steps: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name.replace(" ", "_"): asdict(figure) for name, figure in steps.items()}


def _peer(cost: PeerCost) -> dict[str, Any]:
    without = cost.ms_per_s_without_delegate
    return {
        "name": cost.peer.name,
        "kind": cost.peer.kind,
        "yardstick_embedding": cost.peer.embedding or None,
        "file": None if cost.peer.path is None else cost.peer.path.name,
        "hop_s": cost.peer.hop_s,
        "ms_per_s": asdict(cost.ms_per_s),
        "ms_per_s_without_delegate": None if without is None else asdict(without),
        "delegate_cosine": cost.delegate_cosine,
        "macs_per_s": round(cost.peer.macs_per_s),
        "n_bytes": cost.peer.n_bytes,
    }
