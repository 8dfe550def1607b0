"""Says what the running agent is doing in a few lines, for a person."""

from collections.abc import Iterator, Mapping
from typing import Any

_HOUR_S, _MINUTE_S, _GB, _MB = 3600.0, 60.0, 1e9, 1e6


def in_words(status: Mapping[str, Any], troubles: list[str]) -> Iterator[tuple[str, str]]:
    """Give lines, each with what it is about.

    Args:
        status: What the agent answered.
        troubles: What is not as it should be.
    """
    yield "node", f"{status['node']}, for {_duration(status['run_s'])}; agent {status['agent_version']}"
    yield "hearing", _hearing(status)
    yield "recording", _recording(status)
    yield "labels", _labels(status)
    yield "store", _store(status)
    yield "broker", status["broker"]["state"]
    yield "clock", f"{status['utc'][:19].replace('T', ' ')} UTC, {status['clock']}"
    yield "machine", _machine(status["machine"])
    for trouble in troubles:
        yield "wrong", trouble


def _hearing(status: Mapping[str, Any]) -> str:
    ago_s, microphone = status["last_samples_s_ago"], status["microphone"]
    samples = "no sample yet" if ago_s is None else f"samples {ago_s:.1f} s ago"
    if microphone is None:
        return f"files; {samples}"
    faults = ", ".join(microphone["faults"]) or "no fault"
    return f"{microphone['name']}; {samples}; {faults}; opened again {microphone['reopened']} times"


def _recording(status: Mapping[str, Any]) -> str:
    capture, settings = status["capture"], status["settings"]
    schedule = f", schedule {capture['schedule']}" if capture["schedule"] else ""
    return (
        f"{settings['capture_mode']}{schedule}: {_duration(capture['captured_s'])} recorded, "
        f"{_duration(capture['lost_s'])} lost in {capture['gaps']} gaps, {_duration(capture['unscheduled_s'])} left out"
    )


def _labels(status: Mapping[str, Any]) -> str:
    labels, queues = status["labels"], status["queues"]
    lag = "" if queues["lag_s"] is None else f"; {queues['lag_s']:.1f} s behind"
    waits = "" if queues["oldest_s"] is None else f", the oldest for {_duration(queues['oldest_s'])}"
    return f"{labels['written']} written, {labels['failed']} failed{lag}; {queues['messages']} messages wait{waits}"


def _store(status: Mapping[str, Any]) -> str:
    store, settings = status["store"], status["settings"]
    return (
        f"mode {settings['store_mode']}, level {settings['level']}: {store['clips']} clips, "
        f"{store['n_bytes'] / _MB:.1f} MB of {store['quota_bytes'] / _GB:.1f} GB"
    )


def _machine(machine: Mapping[str, Any]) -> str:
    said = {
        "temperature_c": "{:.0f} degrees C", "memory_bytes": "agent {:.0f} MB", "disk_free_bytes": "{:.1f} GB free",
        "load_1min": "load {:.2f}",
    }  # fmt: skip
    units = {"memory_bytes": _MB, "disk_free_bytes": _GB}
    known = {key: machine[key] for key in said if machine[key] is not None}
    return ", ".join(said[key].format(value / units.get(key, 1.0)) for key, value in known.items())


def _duration(seconds: float) -> str:
    if seconds < 10 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
