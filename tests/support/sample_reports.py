"""What a node says of itself, as an agent would send it, to be changed by a test."""

from datetime import UTC, datetime
from typing import Any, Final

from sonyc_contract.commands import Acknowledgement, Result
from sonyc_contract.levels import Level
from sonyc_contract.messages import ClockQuality
from sonyc_contract.reports import (
    BrokerHealth,
    CaptureHealth,
    ClockSet,
    CommandHealth,
    Completeness,
    Evicted,
    Hour,
    LabelHealth,
    MachineHealth,
    MicrophoneHealth,
    NodeHealth,
    NodeState,
    Presence,
    QueueHealth,
    SettingsInEffect,
    StoreHealth,
)
from support.sample_messages import minute_level

_UTC: Final = datetime(2026, 11, 23, 14, 5, 6, tzinfo=UTC)
_NODE: Final[dict[str, Any]] = {"node": "node-7", "session": "0123456789abcdef"}
_RUN: Final[dict[str, Any]] = {**_NODE, "run": "fedcba9876543210"}

SETTINGS: Final = SettingsInEffect(
    level=Level.V5,
    store_mode="none",
    capture_mode="continuous",
    thresholds={"dog": 0.25},
    overridden=("thresholds",),
    config_hash="c" * 16,
)
HOUR: Final = Hour(
    start_utc=_UTC.replace(minute=0, second=0),
    dated=True,
    captured_s=3_590.0,
    lost_s={"device-overflow": 10.0},
    unscheduled_s=0.0,
    classified_s=3_580.0,
    stored_s=0.0,
    published_s=3_580.0,
)
STATE: Final = NodeState(
    **_RUN,
    connection="a1" * 8,
    connected_utc=_UTC,
    clock=ClockQuality.SYNCED,
    state=Presence.ONLINE,
    reason="connected",
    agent_version="0.1.0",
    bundle="a" * 64,
    settings=SETTINGS,
)
HEALTH: Final = NodeHealth(
    **_RUN,
    utc=_UTC,
    clock=ClockQuality.SYNCED,
    run_s=86_400.0,
    agent_version="0.1.0",
    runtime="ai-edge-litert 2.3.0",
    bundle="a" * 64,
    settings=SETTINGS,
    capture=CaptureHealth(captured_s=86_390.0, lost_s=10.0, unscheduled_s=0.0, gaps=1, clips_shed=0, schedule="open"),
    microphone=MicrophoneHealth(name="USB Audio", state="delivering", detail="", faults=("clipping",), reopened=1),
    labels=LabelHealth(written=8_639, published=8_700, failed=0, lost=0, evicted={"health": 3}),
    queues=QueueHealth(messages=2, n_bytes=2_600, oldest_s=3.5, in_memory=0, clips=1, lag_s=0.4),
    broker=BrokerHealth(connected=True, state="connected", failures=1, refused=(), certificate_expires_utc=None),
    store=StoreHealth(
        clips=2, n_bytes=9, quota_bytes=99, oldest_utc=_UTC, evicted={"quota": 1}, stored=3, vetoed=1, failed=0
    ),
    commands=CommandHealth(applied=1, refused=0, ignored=0),
    machine=MachineHealth(
        uptime_s=90_000.0,
        temperature_c=51.5,
        disk_free_bytes=10**9,
        disk_total_bytes=10**10,
        memory_bytes=10**8,
        load_1min=0.1,
    ),
    hours=(HOUR,),
    problems=("microphone: clipping",),
)
ACK: Final = Acknowledgement(
    node="node-7",
    op="set-level",
    id="42",
    result=Result.REFUSED,
    reason="no head for level 'v1'",
    run="fedcba9876543210",
    utc=_UTC,
    clock=ClockQuality.SYNCED,
    settings=SETTINGS,
)
REPORTS: Final = {
    "state-v1.json": STATE,
    "health-v1.json": HEALTH,
    "completeness-v1.json": Completeness(**_NODE, hours=(HOUR,)),
    "clock-v1.json": ClockSet(**_RUN, sample_index=480_000, utc=_UTC, rate_hz=48_000),
    "evicted-v1.json": Evicted(**_NODE, first_seq=3, last_seq=12, n_labels=9),
    "ack-v1.json": ACK,
    "spl-v1.json": minute_level(),
}
