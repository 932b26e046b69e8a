import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.mqtt import MQTT
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import MQTT_TALK, mqtt, mqtt_text


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(MQTT)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_a_session() -> None:
    _, rows = talk(*MQTT_TALK)
    assert rows[0] == {
        "message": "connect",
        "version": "3.1.1",
        "client_id": "sensor-1",
        "username": "jane",
        "has_password": True,
        "keep_alive_s": 60,
        "clean_session": True,
        "will_topic": "home/gone",
        "qos": 0,
        "retain": False,
    }
    assert [(r["message"], r.get("topic"), r.get("qos"), r.get("result_code")) for r in rows[1:]] == [
        ("connack", None, None, 0),
        ("subscribe", "home/#", 1, None),
        ("subscribe", "alarm", 2, None),
        ("suback", None, None, 1),
        ("publish", "home/temp", 1, None),
        ("publish", "home/x", 0, None),
        ("disconnect", None, None, None),
    ]
    assert (rows[5]["payload_bytes"], rows[5]["retain"], rows[5]["duplicate"]) == (240, True, False)
    assert {r["client_id"] for r in rows} == {"sensor-1"}
    assert "Sesame" not in repr(rows)
    assert "secret" not in repr(rows)


def test_version_5() -> None:
    connect = mqtt_text("MQTT") + b"\x05\x06\0\x0a" + b"\x05\x11\0\0\0\x0a" + mqtt_text("c")
    connect += b"\x05\x18\0\0\0\x01" + mqtt_text("w") + mqtt_text("secret")
    _, rows = talk(
        (CLIENT, mqtt(0x10, connect)),
        (SERVER, b"\x20\x03\0\0\0"),
        (CLIENT, mqtt(0x82, b"\0\x01\0" + mqtt_text("a") + b"\x01")),
        (SERVER, b"\x90\x04\0\x01\0\x80"),
        (CLIENT, mqtt(0x30, mqtt_text("long/topic") + b"\x03\x23\0\x01" + b"x")),
        (CLIENT, mqtt(0x30, mqtt_text("") + b"\x03\x23\0\x01" + b"yy")),
        (CLIENT, mqtt(0xE0, b"\x04")),
    )
    assert [(r["message"], r.get("topic"), r.get("payload_bytes"), r.get("result_code")) for r in rows] == [
        ("connect", None, None, None),
        ("connack", None, None, 0),
        ("subscribe", "a", None, None),
        ("suback", None, None, 0x80),
        ("publish", "long/topic", 1, None),
        ("publish", "long/topic", 2, None),
        ("disconnect", None, None, 4),
    ]
    assert (rows[0]["version"], rows[0]["will_topic"]) == ("5.0", "w")


def test_version_3_and_long_payloads() -> None:
    flow = Flow(MQTT)
    flow.feed(mqtt(0x10, mqtt_text("MQIsdp") + b"\x03\x02\0\x0a" + mqtt_text("old")))
    whole = mqtt(0x30, mqtt_text("t") + bytes(500_000))
    flow.feed(whole[:100])
    flow.lose(len(whole) - 100)
    flow.feed(mqtt(0x30, mqtt_text("u")))
    got = [(r.version, r.topic, r.payload_bytes) for r in flow.rows]  # type: ignore[attr-defined]
    assert got == [("3.1", None, None), ("3.1", "t", 500_000), ("3.1", "u", 0)]
    flow.lose(1)
    assert flow.talk.finished


def test_bounds() -> None:
    flow, rows = talk(MQTT_TALK[0], (CLIENT, mqtt(0x30, mqtt_text("t")) * 2000))
    assert len(rows) == 1000
    assert flow.talk.finished
    _, rows = talk((CLIENT, mqtt(0x82, b"\0\x01" + (mqtt_text("t") + b"\0") * 500)))
    assert len(rows) == 100


@pytest.mark.parametrize(
    "bad",
    [
        b"\0\0",
        b"\x11\0",
        b"\x10\xff\xff\xff\xff\x01",
        mqtt(0x10, mqtt_text("HTTP") + bytes(10)),
        mqtt(0x10, mqtt_text("MQTT") + b"\x04\xff\0\0\0\x50x"),
        mqtt(0x36, mqtt_text("t")),
        mqtt(0x30, b"\0\x50t"),
        mqtt(0x20, b"\0"),
        mqtt(0x82, b"\0\x01" + mqtt_text("t")),
    ],
)
def test_malformed(bad: bytes) -> None:
    with pytest.raises(DissectError):
        talk((CLIENT, bad))


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (MQTT_TALK[0][1], 9999, YES),
        (MQTT_TALK[0][1][:8], 9999, MORE),
        (b"\x10\x20\0\x04HTTP", 1883, NO),
        (b"\x20\x02\0\0", 1883, YES),
        (b"\x20\x02\0\0", 9999, NO),
        (mqtt(0x30, mqtt_text("a/b") + b"x"), 1883, YES),
        (b"\xff\xff\xff\xff", 1883, NO),
        (b"GET / HTTP/1.1\r\n", 1883, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(MQTT, dst_port=port).probe(data) == verdict
