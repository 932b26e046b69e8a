"""HelloRetryRequest and the second ClientHello, in TLS 1.3, its drafts, and QUIC: the fingerprints are tshark's."""

import ssl
from hashlib import md5

import pytest

from rustnet.dissect.quic.parser import QUIC, Quic
from rustnet.dissect.tls.fingerprints import ja3, ja4
from rustnet.dissect.tls.handshake import parse_client_hello, parse_server_hello
from rustnet.dissect.tls.parser import TLS, Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_udp_secure import SCID, SERVER_CID, crypto, hello, initial
from tests.dissect.samples_web import Peers, client_hello, handshake_message, numbers, tls_record, vector

RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
KEY_SHARE, OLD_KEY_SHARE, COOKIE = 51, 40, 44
Said = list[tuple[bool, bytes]]


def offer(version: int, share: int = KEY_SHARE, cookie: bool = False) -> bytes:
    """A ClientHello that offers a version of TLS 1.3."""
    extensions = (
        (0, vector(b"\0" + vector(b"www.example.org"))),
        (43, b"\x04" + numbers(version, 0x0303)),
        (10, vector(numbers(29, 23))),
        (share, vector(numbers(23 if cookie else 29) + vector(bytes(32)))),
        (13, vector(numbers(0x0403, 0x0804))),
    )
    more = ((COOKIE, vector(b"cookie")),) if cookie else ()
    return client_hello((0x1301, 0xC02F), (*extensions, *more))


def choice(version: int, retry: bool) -> bytes:
    """A ServerHello from draft 22 on, or a HelloRetryRequest."""
    share = numbers(23) if retry else numbers(23) + vector(bytes(65))
    extensions = numbers(43) + vector(numbers(version)) + numbers(KEY_SHARE) + vector(share)
    random = RETRY if retry else bytes(range(32))
    return numbers(0x0303) + random + b"\0" + numbers(0x1301) + b"\0" + vector(extensions)


def old_choice(version: int) -> bytes:
    """A ServerHello up to draft 21."""
    extensions = numbers(OLD_KEY_SHARE) + vector(numbers(23) + vector(bytes(65)))
    return numbers(version) + bytes(range(32)) + numbers(0x1301) + vector(extensions)


def messages(*said: tuple[bool, int, bytes]) -> Said:
    return [(side, tls_record(22, handshake_message(kind, body))) for side, kind, body in said]


def talk(said: Said) -> tuple[Flow, Tls]:
    flow = Flow(TLS)
    for side, data in said:
        flow.tick()
        flow.feed(data, side)
    flow.close()
    (row,) = flow.rows
    assert isinstance(row, Tls)
    return flow, row


def digest(text: str) -> str:
    return md5(text.encode()).hexdigest()


FIRST = digest("771,4865-49199,0-43-10-51-13,29-23,")
SECOND = digest("771,4865-49199,0-43-10-51-13-44,29-23,")
CHOSEN = digest("771,4865,43-51")


@pytest.mark.parametrize(
    ("version", "name"),
    [(0x0304, "TLS 1.3"), (0x7F1C, "TLS 1.3 draft 28"), (0x7F16, "TLS 1.3 draft 22"), (0xFB1A, "TLS 1.3 draft 26")],
)
def test_both_hellos_of_either_side(version: int, name: str) -> None:
    flow, row = talk(
        messages(
            (CLIENT, 1, offer(version)),
            (SERVER, 2, choice(version, True)),
            (CLIENT, 1, offer(version, cookie=True)),
            (SERVER, 2, choice(version, False)),
        )
    )
    assert (row.ja3, row.retry_ja3, row.ja3s, row.retry_ja3s) == (FIRST, SECOND, CHOSEN, CHOSEN)
    assert row.ja4 == ja4(parse_client_hello(offer(version)))
    assert row.retry_ja4 == ja4(parse_client_hello(offer(version, cookie=True)))
    assert row.ja4[:3] == ("t13" if version == 0x0304 else "t00")
    assert (row.version, row.hello_retry, row.key_group, row.established) == (name, True, "secp256r1", True)
    assert row.offered_versions is not None
    assert row.offered_versions[0] == name
    assert row.server_hello_ms == 3.0
    assert flow.sink.anomalies == []


@pytest.mark.parametrize("draft", [18, 19, 21])
def test_early_drafts(draft: int) -> None:
    version = 0x7F00 + draft
    asks = numbers(version) + vector(numbers(OLD_KEY_SHARE) + vector(numbers(23)))
    said = messages(
        (CLIENT, 1, offer(version, OLD_KEY_SHARE)),
        (SERVER, 6, asks),
        (CLIENT, 1, offer(version, OLD_KEY_SHARE, cookie=True)),
        (SERVER, 2, old_choice(version)),
    )
    flow, row = talk(said)
    assert row.ja3s == digest(f"{version},4865,40")
    assert (row.retry_ja3s, row.hello_retry) == (None, True)
    assert row.retry_ja3 == digest("771,4865-49199,0-43-10-40-13-44,29-23,")
    assert (row.version, row.cipher) == (f"TLS 1.3 draft {draft}", "TLS_AES_128_GCM_SHA256")
    assert (row.key_group, row.established, row.resumed) == ("secp256r1", True, False)
    assert flow.sink.anomalies == []


def test_the_server_of_an_early_draft_alone() -> None:
    flow = DispatchedFlow(messages((SERVER, 2, old_choice(0x7F12))), 443)
    (row,) = flow.rows(Tls)
    assert (row["version"], row["cipher"]) == ("TLS 1.3 draft 18", "TLS_AES_128_GCM_SHA256")


def test_a_genuine_second_hello_that_looks_like_the_first() -> None:
    _, row = talk(Peers(ssl.TLSVersion.TLSv1_3, curve="secp384r1").shake())
    assert row.ja3 is not None
    assert (row.hello_retry, row.retry_ja3, row.retry_ja4) == (True, None, None)
    assert row.retry_ja3s == row.ja3s == digest("771,4866,43-51")


def test_a_handshake_without_a_retry() -> None:
    _, row = talk(messages((CLIENT, 1, offer(0x0304)), (SERVER, 2, choice(0x0304, False))))
    assert (row.ja3, row.ja3s) == (FIRST, CHOSEN)
    assert (row.retry_ja3, row.retry_ja4, row.retry_ja3s, row.hello_retry) == (None, None, None, False)


def test_either_side_alone() -> None:
    _, row = talk(messages((CLIENT, 1, offer(0x0304)), (CLIENT, 1, offer(0x0304, cookie=True))))
    assert (row.ja3, row.retry_ja3) == (FIRST, SECOND)
    _, row = talk(messages((SERVER, 2, choice(0x0304, True)), (SERVER, 2, choice(0x0304, False))))
    assert (row.ja3s, row.retry_ja3s, row.ja3) == (CHOSEN, CHOSEN, None)


def test_a_second_hello_ahead_of_the_request_for_it() -> None:
    said = messages(
        (CLIENT, 1, offer(0x0304)),
        (CLIENT, 1, offer(0x0304, cookie=True)),
        (SERVER, 2, choice(0x0304, True)),
        (SERVER, 2, choice(0x0304, False)),
    )
    assert talk(said)[1].retry_ja3 == SECOND


def test_a_malformed_second_hello_does_not_cost_the_row() -> None:
    said = messages(
        (CLIENT, 1, offer(0x0304)),
        (SERVER, 2, choice(0x0304, True)),
        (CLIENT, 1, offer(0x0304, cookie=True)[:-3]),
        (SERVER, 2, choice(0x0304, False)),
    )
    flow, row = talk(said)
    assert (row.ja3, row.retry_ja3, row.ja3s) == (FIRST, None, CHOSEN)
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_tls"]


def test_short_and_long_forms_differ_by_the_version() -> None:
    assert parse_server_hello(old_choice(0x7F15)).cipher == 0x1301
    assert parse_server_hello(choice(0x7F16, False)).cipher == 0x1301
    assert parse_server_hello(old_choice(0x7F12)).session_id == b""


def test_quic_asks_for_a_second_hello() -> None:
    first = hello()
    body = client_hello((0x1301, 0x1302), ((43, b"\x02\x03\x04"), (COOKIE, vector(b"cookie")), (57, b"")))
    second = handshake_message(1, body)
    asks, chooses = (handshake_message(2, choice(0x0304, retry)) for retry in (True, False))
    said = [
        (CLIENT, initial(crypto(first))),
        (SERVER, initial(crypto(asks), client=False, dcid=SCID, scid=SERVER_CID)),
        (
            CLIENT,
            initial(crypto(second[100:], len(first) + 100) + crypto(second[:100], len(first)), 1, dcid=SERVER_CID),
        ),
        (SERVER, initial(crypto(chooses, len(asks)), 1, client=False, dcid=SCID, scid=SERVER_CID)),
    ]
    flow = Flow(QUIC, "udp")
    for side, data in said:
        flow.datagram(data, side)
    flow.close()
    (row,) = flow.rows
    assert isinstance(row, Quic)
    assert (row.ja3, row.retry_ja3) == (ja3(parse_client_hello(first[4:])), ja3(parse_client_hello(body)))
    assert row.retry_ja4 == ja4(parse_client_hello(body), "q")
    assert (row.ja3s, row.retry_ja3s, row.hello_retry, row.sni) == (CHOSEN, CHOSEN, True, "quic.example")
