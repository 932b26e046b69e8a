import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.kafka import KAFKA
from tests.dissect.harness import CLIENT, SERVER, Flow, fields
from tests.dissect.samples_streams import KAFKA_TALK, kafka, kafka_reply


def talk(*said: tuple[bool, bytes], **ends: object) -> tuple[Flow, list[dict[str, object]]]:
    flow = Flow(KAFKA, **ends)  # type: ignore[arg-type]
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [fields(row) for row in flow.rows]


def test_requests() -> None:
    _, rows = talk(*KAFKA_TALK)
    assert rows[0] == {
        "api": "ApiVersions",
        "api_version": 3,
        "client_id": "producer-1",
        "correlation_id": 1,
        "client_software": "apache-kafka-java",
        "client_version": "3.7.0",
        "frame_bytes": len(KAFKA_TALK[0][1]) - 4,
        "reply_bytes": 44,
        "response_ms": 1.0,
    }
    assert [(r["api"], r["reply_bytes"]) for r in rows[1:]] == [("Metadata", 2004), ("Produce", 34)]
    assert "secret" not in repr(rows)


def test_sides_losses_and_old_tokens() -> None:
    _, rows = talk(*((not side, data) for side, data in KAFKA_TALK), src_port=9092, dst_port=50000)
    assert len(rows) == 3
    _, rows = talk(*(s for s in KAFKA_TALK if s[0]))
    assert [r.get("reply_bytes") for r in rows] == [None] * 3
    flow, rows = talk(*(s for s in KAFKA_TALK if not s[0]))
    assert rows == []
    _, rows = talk((CLIENT, b"\0\0\0\x0d\0jane\0Sesame1" + kafka(3, 1, 2, b"c")))
    assert [r["api"] for r in rows] == ["Metadata"]
    flow = Flow(KAFKA)
    flow.feed(kafka(3, 1, 2, b"c") + kafka(3, 1, 2, b"d"))
    flow.lose(4, SERVER)
    assert len(flow.rows) == 2
    assert flow.talk.finished


def test_long_bodies_and_bounds() -> None:
    flow = Flow(KAFKA)
    whole = kafka(0, 9, 3, b"c", bytes(1_000_000))
    flow.feed(whole[:2000])
    flow.lose(len(whole) - 2000)
    flow.feed(kafka(3, 1, 4, b"c"))
    flow.close()
    assert [(r.api, r.frame_bytes) for r in flow.rows] == [("Produce", len(whole) - 4), ("Metadata", 11)]  # type: ignore[attr-defined]
    flow, rows = talk((CLIENT, b"".join(kafka(3, 1, n, b"c") for n in range(3000))))
    assert len(rows) == 1000


def test_malformed() -> None:
    for bad in (bytes(8), b"\x7f\xff\xff\xff\0\0\0\0"):
        with pytest.raises(DissectError):
            talk((CLIENT, bad))


@pytest.mark.parametrize(
    ("data", "port", "side", "verdict"),
    [
        (KAFKA_TALK[0][1], 9999, CLIENT, YES),
        (kafka(0, 9, 1, b"c", bytes(9)), 9999, CLIENT, NO),
        (kafka(0, 9, 1, b"c", bytes(9)), 9092, CLIENT, YES),
        (KAFKA_TALK[0][1][:16], 9092, CLIENT, MORE),
        (kafka(3, 1, 1, b"\xff\xff"), 9092, CLIENT, NO),
        (kafka(200, 1, 1, b"c"), 9092, CLIENT, NO),
        (kafka_reply(1, bytes(40)), 9092, SERVER, YES),
        (b"GET / HTTP/1.1\r\n", 9092, CLIENT, NO),
    ],
)
def test_probe(data: bytes, port: int, side: bool, verdict: int) -> None:
    assert Flow(KAFKA, dst_port=port).probe(data, side) == verdict
