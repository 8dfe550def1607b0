"""The demo's broker and subscriber, over real MQTT on loopback."""

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sonyc_contract.labels import LABELS
from sonyc_contract.messages import LabelEvent, dump_message
from sonyc_tools.embedded_broker import embedded_broker
from sonyc_tools.errors import BrokerError
from sonyc_tools.subscriber import subscribed

pytestmark = pytest.mark.trainer_env

TOPIC = "sonyc/v1/node-1/label"


def label(seq: int) -> LabelEvent:
    return LabelEvent.model_validate(
        {
            "schema": "sonyc.label/1",
            "node": "node-1",
            "session": "0" * 16,
            "seq": seq,
            "run": "1" * 16,
            "clip_id": f"{'0' * 16}-{seq}",
            "start_utc": datetime(2026, 5, 1, tzinfo=UTC),
            "clock": "synced",
            "sample_index": 480_000 * seq,
            "capture_rate_hz": 48_000,
            "duration_s": 10.0,
            "level": "v5",
            "storage_rate_hz": 48_000,
            "agent_version": "0.1.0",
            "bundle": "0" * 64,
            "frontend": "compact-000000000000",
            "head": "v5",
            "classified": "stored",
            "n_windows": 10,
            "probabilities": dict.fromkeys(LABELS, 0.25),
            "thresholds": dict.fromkeys(LABELS, 0.5),
            "detections": (),
            "sound_level": {"leq": -40.0, "unit": "dBFS", "calibration": None, "levels": None},
            "audio": {"kept": False, "reason": "mode-none", "n_bytes": 60_000},
            "short": False,
            "silent": False,
        }
    )


def publish(host: str, port: int, payloads: list[bytes]) -> None:
    from paho.mqtt.client import Client, MQTTv311
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
    client.connect(host, port)
    client.loop_start()
    for payload in payloads:
        client.publish(TOPIC, payload, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_a_label_received_twice_counts_once() -> None:
    payloads = [dump_message(label(seq)) for seq in (1, 2, 2, 3)]
    with embedded_broker() as broker, subscribed(broker.host, broker.port, "sonyc/v1/+/label") as collector:
        publish(broker.host, broker.port, payloads)
        assert collector.wait_for(3, timeout_s=20)
        assert [received.seq for received in collector.labels] == [1, 2, 3]
        assert not collector.wait_for(4, timeout_s=0)


def test_the_broker_leaves_its_port() -> None:
    with embedded_broker() as broker, socket.create_connection((broker.host, broker.port), timeout=5):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((broker.host, broker.port), timeout=5)


def test_no_broker_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sonyc_tools.subscriber._CONNECT_DEADLINE_S", 0.5)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with (
            pytest.raises(BrokerError, match=f"no subscription .* at 127.0.0.1:{port}"),
            subscribed("127.0.0.1", port, TOPIC),
        ):
            pass


def test_the_demos_study_is_valid(tmp_path: Path) -> None:
    from importlib import resources

    from sonyc_trainer.study import load_study

    path = tmp_path / "study.toml"
    path.write_text(resources.files("sonyc_tools").joinpath("demo_study.toml").read_text())
    assert load_study(path).name == "demo"
