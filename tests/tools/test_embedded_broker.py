"""The demo's broker and subscriber, over real MQTT on loopback."""

import socket
from pathlib import Path

import pytest

from sonyc_contract.messages import LabelEvent, dump_message
from sonyc_tools.embedded_broker import embedded_broker
from sonyc_tools.errors import BrokerError
from sonyc_tools.subscriber import subscribed
from support.sample_messages import LABEL

pytestmark = pytest.mark.trainer_env

TOPIC = "sonyc/v1/node-1/label"


def label(seq: int) -> LabelEvent:
    session = LABEL["session"]
    return LabelEvent.model_validate({**LABEL, "seq": seq, "clip_id": f"{session}-{seq}"})


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
