"""What may stand ahead of a flow's first message: blank lines, keep-alives, the end of an earlier message, junk."""

import random

import pytest

from rustnet.dissect.http.record import Http
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, fields
from tests.dissect.samples import SAMPLES, Sample

TEXT_SAMPLES = ("http", "sip", "rtsp", "smtp", "ftp", "irc", "imap", "pop3", "redis", "xmpp")
"""Protocols whose messages begin with text, so that blank lines may come first."""
BLANK = {
    "alone": (b"\r\n\r\n",),
    "halves": (b"\r", b"\n", b"\r", b"\n"),
    "many": (b"\r\n",) * 12,
    "bare": (b"\n",),
    "in front": (),
}


def stored(dispatched: DispatchedFlow) -> list[tuple[type, dict[str, object]]]:
    """Rows but for their times."""
    rows = [(type(row), fields(row)) for row in dispatched.sink.rows]
    return [(kind, {k: v for k, v in row.items() if not k.endswith("_ms")}) for kind, row in rows]


def streams(name: str) -> list[Sample]:
    return [sample for sample in SAMPLES[name] if sample.transport == "tcp"]


@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize("name", TEXT_SAMPLES)
def test_blank_lines_ahead_of_the_first_message(name: str, blank: str) -> None:
    for sample in streams(name):
        plain = DispatchedFlow(sample.talk, sample.port)
        first, data = sample.talk[0]
        lines = [(first, part) for part in BLANK[blank]]
        said = [*lines, *sample.talk] if lines else [(first, b"\r\n\r\n" + data), *sample.talk[1:]]
        changed = DispatchedFlow(said, sample.port)
        assert changed.talk.app == name
        assert stored(changed) == stored(plain)
        assert changed.sink.anomalies == plain.sink.anomalies


def test_a_ping_and_its_pong_ahead_of_the_first_request() -> None:
    """RFC 5626 section 4.4.1; the pong does not become a part of the first response."""
    sample = streams("sip")[0]
    said = [(CLIENT, b"\r\n\r\n"), (SERVER, b"\r\n"), *sample.talk]
    assert stored(DispatchedFlow(said, sample.port)) == stored(DispatchedFlow(sample.talk, sample.port))
    (row,) = DispatchedFlow([(SERVER, b"\r\n"), *HTTP]).rows(Http)
    assert row["status"] == 204


HTTP = [(CLIENT, b"GET /next HTTP/1.1\r\nHost: h.example\r\n\r\n"), (SERVER, b"HTTP/1.1 204 No Content\r\n\r\n")]


def test_blank_lines_alone_are_no_protocol() -> None:
    endless = DispatchedFlow([(CLIENT, b"\r\n")] * 100)
    assert (endless.talk.app, endless.flow.wants, stored(endless)) == (None, 0, [])


@pytest.mark.parametrize(
    "end", [b"\0", b"}", b"abc=1&d=2", b"name=\xff\xfe\x80", b"</html>\n", b"OK\r\n", b"0\r\n\r\n"]
)
@pytest.mark.parametrize("sender", [CLIENT, SERVER])
@pytest.mark.parametrize("times", [1, 3])
def test_a_capture_that_begins_within_a_message(end: bytes, sender: bool, times: int) -> None:
    dispatched = DispatchedFlow([(sender, end)] * times + HTTP * 2, 80)
    rows = dispatched.rows(Http)
    assert [(row["uri"], row["status"], row["host"]) for row in rows] == [("/next", 204, "h.example")] * 2
    assert not dispatched.sink.anomalies


def test_a_message_that_begins_behind_the_end_of_another_may_be_split() -> None:
    head = HTTP[0][1]
    said = [(CLIENT, b"abc=1"), (CLIENT, head[:9]), (CLIENT, head[9:30]), (CLIENT, head[30:]), HTTP[1]]
    (row,) = DispatchedFlow(said, 80).rows(Http)
    assert (row["uri"], row["status"]) == ("/next", 204)


@pytest.mark.parametrize("name", [*TEXT_SAMPLES, "tls", "ssh", "mqtt", "ldap", "smb"])
def test_a_byte_ahead_of_the_first_message(name: str) -> None:
    for sample in streams(name):
        plain = DispatchedFlow(sample.talk, sample.port)
        changed = DispatchedFlow([(sample.talk[0][0], b"\0"), *sample.talk], sample.port)
        assert changed.talk.app == plain.talk.app
        assert stored(changed) == stored(plain)


JUNK = [random.Random(seed).randbytes(40) for seed in range(3)] + [b"hello, world, is anybody there?\n", bytes(300)]


@pytest.mark.parametrize("name", sorted({n for n, all_ in SAMPLES.items() if any(s.transport == "udp" for s in all_)}))
def test_junk_ahead_of_the_first_datagram(name: str) -> None:
    for sample in SAMPLES[name]:
        if sample.transport == "udp":
            plain = DispatchedFlow(sample.talk, sample.port, "udp")
            for junk in JUNK:
                said = [(CLIENT, junk), (SERVER, junk), *sample.talk]
                changed = DispatchedFlow(said, sample.port, "udp", strict=False)
                assert changed.talk.app == plain.talk.app, junk
                assert stored(changed) == stored(plain), junk


@pytest.mark.parametrize("name", ["dns", "sip", "ntp", "snmp", "radius", "coap", "dhcp"])
def test_junk_behind_the_first_datagrams(name: str) -> None:
    for sample in SAMPLES[name]:
        if sample.transport == "udp":
            twice = DispatchedFlow(sample.talk * 2, sample.port, "udp", strict=False)
            junk = [(sender, data) for data in JUNK[:-1] for sender in (CLIENT, SERVER)]
            changed = DispatchedFlow([*sample.talk, *junk, *sample.talk], sample.port, "udp", strict=False)
            assert changed.talk.app == name
            assert stored(changed) == stored(twice)


def test_no_amount_of_junk_ends_a_conversation_that_has_as_many_messages() -> None:
    (sample, *_) = SAMPLES["dns"]
    said = [*sample.talk, (CLIENT, JUNK[0])] * 40
    plain = DispatchedFlow(sample.talk * 40, 53, "udp")
    assert stored(DispatchedFlow(said, 53, "udp", strict=False)) == stored(plain)
    assert not DispatchedFlow([*sample.talk, *[(CLIENT, JUNK[0])] * 40], 53, "udp", strict=False).flow.wants
