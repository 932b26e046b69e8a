"""Names in TLS: server names with a dot at their end, and certificates with many names."""

from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from rustnet.bounds import LIST_BYTES, cut_row, list_bytes
from rustnet.dissect.framework.conversation import Conversation
from rustnet.dissect.quic.parser import QUIC, Quic
from rustnet.dissect.tls.dtls import DTLS
from rustnet.dissect.tls.parser import TLS, Tls
from rustnet.dissect.tls.x509 import MAX_SANS, read_certificate
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_udp_secure import chlo, crypto, dtls, fragment, hello, initial
from tests.dissect.samples_web import (
    certificate,
    client_hello,
    handshake_message,
    numbers,
    tls_record,
    vector,
)


def named(host: bytes) -> bytes:
    return client_hello((0x1301, 0xC02F), ((0, vector(b"\0" + vector(host))),))


def row_of(flow: Flow) -> tuple[object, Conversation]:
    flow.close()
    (row,) = flow.rows
    return row, flow.talk


NAMES = [
    (b"www.example.com.", "www.example.com"),
    (b"www.example.com", "www.example.com"),
    (b"Host.", "Host"),
    (b"a..", "a."),
    (b".", "."),
]


@pytest.mark.parametrize(("sent", "shown"), NAMES)
def test_a_server_name_has_no_dot_at_its_end(sent: bytes, shown: str) -> None:
    flow = Flow(TLS)
    flow.feed(tls_record(22, handshake_message(1, named(sent))))
    row, talk = row_of(flow)
    assert isinstance(row, Tls)
    assert (row.sni, talk.hostname) == (shown, shown.lower().removesuffix(".") or None)


def test_nor_in_datagrams() -> None:
    flow = Flow(DTLS, "udp")
    body = client_hello((0xC02B,), ((0, vector(b"\0" + vector(b"d.example."))),), 0xFEFD)
    flow.datagram(dtls(22, fragment(1, body[:35] + b"\0" + body[35:], 0)))
    row, talk = row_of(flow)
    assert isinstance(row, Tls)
    assert (row.sni, talk.hostname) == ("d.example", "d.example")
    for data in (initial(crypto(hello("q.example."))), initial(crypto(chlo({b"SNI\0": b"q.example."})))):
        flow = Flow(QUIC, "udp")
        flow.datagram(data)
        row, talk = row_of(flow)
        assert isinstance(row, Quic)
        assert (row.sni, talk.hostname) == ("q.example", "q.example")


@cache
def chain(count: int) -> bytes:
    """A Certificate message of one certificate with so many names."""
    names = tuple(f"h{i}.example.com" for i in range(count))
    der = x509.load_pem_x509_certificate(certificate("many.example.com", names)[0]).public_bytes(Encoding.DER)
    return vector(vector(der, 3), 3)


def shake(message: bytes, chunk: int, record: int) -> tuple[Flow, Tls]:
    """A handshake of TLS 1.2 in segments and records of these sizes."""
    server = numbers(0x0303) + bytes(range(32)) + b"\0" + numbers(0xC02F) + b"\0"
    sent = handshake_message(2, server) + handshake_message(11, message) + handshake_message(14, b"")
    flow = Flow(TLS)
    flow.feed(tls_record(22, handshake_message(1, named(b"many.example.com"))))
    records = [tls_record(22, sent[at : at + record]) for at in range(0, len(sent), record)]
    flow.feed(b"".join(records), SERVER, chunk)
    flow.feed(tls_record(20, b"\x01"), CLIENT)
    flow.feed(tls_record(20, b"\x01"), SERVER)
    (row,) = flow.rows
    assert isinstance(row, Tls)
    return flow, row


@pytest.mark.parametrize(("chunk", "record"), [(1460, 16_384), (1460, 300), (7, 50)])
def test_all_names_of_a_certificate_in_many_pieces(chunk: int, record: int) -> None:
    flow, row = shake(chain(300), chunk, record)
    assert row.sans == [f"h{i}.example.com" for i in range(300)]
    assert row.san_count == 300
    assert cut_row(row, ("sans",)) == []
    assert flow.sink.anomalies == []
    assert (row.subject, row.chain_length, row.established) == ("CN=many.example.com", 1, True)


def test_names_that_are_too_many_for_a_row_are_counted() -> None:
    _, row = shake(chain(2500), 1460, 16_384)
    assert row.san_count == 2500
    assert row.sans is not None
    assert len(row.sans) == MAX_SANS
    assert list_bytes(row.sans) > LIST_BYTES  # so the writer cuts the list and reports it
    assert cut_row(row, ("sans",)) == ["sans"]
    assert row.sans[0] == "h0.example.com"


def test_only_names_that_are_shown_are_counted() -> None:
    message = chain(3)
    leaf = read_certificate(message[6:])
    assert (leaf.sans, leaf.san_count) == ([f"h{i}.example.com" for i in range(3)], 3)
    other = message[6:].replace(b"\x82\x0eh1.example.com", b"\x88\x0eh1.example.com")
    leaf = read_certificate(other)
    assert (leaf.sans, leaf.san_count) == (["h0.example.com", "h2.example.com"], 2)


def test_long_chains_are_counted() -> None:
    one = chain(3)[3:]
    _, row = shake(vector(one * 40, 3), 1460, 16_384)
    assert row.chain_length == 40
