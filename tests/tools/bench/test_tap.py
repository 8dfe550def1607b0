"""What stands between agent and broker sees every acknowledgement, and changes nothing."""

import json
import time

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from sonyc_tools.bench.broker import any_broker
from sonyc_tools.bench.tap import tapped
from sonyc_tools.embedded_broker import BrokerAddress
from support.broker import Mosquitto


@pytest.mark.parametrize("protocol", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
def test_acknowledged_labels_are_seen(mosquitto: Mosquitto, protocol: MQTTProtocolVersion) -> None:
    with tapped(BrokerAddress(mosquitto.host, mosquitto.port)) as (address, tap):
        client = Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        client.connect(address.host, address.port)
        client.loop_start()
        before_s = time.time()
        for topic, qos, payload in (
            ("sonyc/v1/node/health", 1, {"other": 1}),
            ("sonyc/v1/node/label", 1, {"seq": 1, "long": "x" * 70_000}),
            ("sonyc/v1/node/label", 0, {"seq": 2}),
            ("sonyc/v1/node/label", 1, {"seq": 3}),
        ):
            client.publish(topic, json.dumps(payload), qos=qos).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()
        assert [one.label["seq"] for one in tap.acknowledged] == [1, 3]
        assert before_s <= tap.acknowledged[0].at_s <= tap.acknowledged[1].at_s <= time.time()


def test_mosquitto_is_taken_where_it_is_installed(mosquitto: Mosquitto) -> None:
    with any_broker() as (address, name):
        assert name == "mosquitto"
        assert address.port != mosquitto.port
        client = Client(CallbackAPIVersion.VERSION2)
        assert client.connect(address.host, address.port) == 0
        client.disconnect()


def test_without_mosquitto_the_demos_broker_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_options: None)
    with any_broker() as (address, name):
        assert name == "amqtt"
        assert address.host == "127.0.0.1"
