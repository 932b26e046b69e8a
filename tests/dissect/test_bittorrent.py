import pytest

from rustnet.dissect.bittorrent import bencode
from rustnet.dissect.bittorrent.parser import BITTORRENT, Bittorrent, client_of
from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_services import (
    BITTORRENT_TALK,
    DHT_ERROR,
    DHT_QUERY,
    DHT_RESPONSE,
    INFO_HASH,
    LSD,
    TRACKER_ANNOUNCE,
    TRACKER_ANNOUNCED,
    TRACKER_CONNECT,
    TRACKER_CONNECTED,
    UTP_SYN,
    handshake,
)


def test_handshakes() -> None:
    flow = parsed(BITTORRENT, BITTORRENT_TALK)
    ours, extended, theirs = (row for row in flow.rows if isinstance(row, Bittorrent))
    assert (ours.info_hash, ours.client, ours.extensions) == (
        INFO_HASH.hex(), "qBittorrent 4.6", ["dht", "fast", "extended"],
    )  # fmt: skip
    assert (extended.client, extended.listen_port, extended.external_ip) == ("qBittorrent/4.6 ", 6881, "1.2.3.4")
    assert (theirs.client, theirs.extensions) == ("Transmission 4.0.5", None)
    assert theirs.peer_id == "-TR4050-\\x00\\xffcdefghijkl"
    assert flow.talk.finished


def test_dht() -> None:
    query, response = rows(Bittorrent, BITTORRENT, (CLIENT, DHT_QUERY), (SERVER, DHT_RESPONSE))
    assert (query.kind, query.message, query.response, query.client) == ("dht", "get_peers", False, "libtorrent 1.2")
    assert (query.node_id, query.info_hash) == (INFO_HASH.hex(), INFO_HASH.hex())
    assert (response.response, response.peers, response.external_ip) == (True, 1, "1.2.3.4")
    (error,) = rows(Bittorrent, BITTORRENT, (SERVER, DHT_ERROR))
    assert (error.message, error.error) == ("error", "Nope")


def test_tracker() -> None:
    said = [
        (CLIENT, TRACKER_CONNECT),
        (SERVER, TRACKER_CONNECTED),
        (CLIENT, TRACKER_ANNOUNCE),
        (SERVER, TRACKER_ANNOUNCED),
    ]
    connect, connected, announce, announced = rows(Bittorrent, BITTORRENT, *said)
    assert (connect.message, connected.message, connected.response) == ("connect", "connect", True)
    assert (announce.info_hash, announce.client, announce.event) == (INFO_HASH.hex(), "Deluge 2.1.1", "started")
    assert announce.listen_port == 6881
    assert (announced.leechers, announced.seeders, announced.peers) == (3, 4, 2)


def test_local_discovery_and_utp() -> None:
    (row,) = rows(Bittorrent, BITTORRENT, (CLIENT, LSD))
    assert (row.kind, row.info_hash, row.listen_port) == ("lsd", INFO_HASH.hex(), 6881)
    data = b"\x01\0" + UTP_SYN[2:] + handshake(b"-LT1230-abcdefghijkl")
    opened, row = rows(Bittorrent, BITTORRENT, (CLIENT, UTP_SYN), (CLIENT, UTP_SYN), (SERVER, data))
    assert (opened.message, row.message, row.client) == ("syn", "handshake", "libtorrent 1.2.3")


def test_client_of() -> None:
    assert client_of(b"-ZZ1000-abcdefghijkl") == "ZZ 1"
    assert client_of(b"M7-9-0--abcdefghijkl") is None


@pytest.mark.parametrize("data", [b"", b"i5", b"ie", b"5:abc", b"d1:ae", b"di1e1:ae", b"l" * 50, b"li1e" * 3, b"x"])
def test_bencode_that_is_malformed(data: bytes) -> None:
    with pytest.raises(DissectError):
        bencode.read(data)


def test_bencode() -> None:
    assert bencode.read(b"d1:ali1ei-2ee1:b2:xye") == {b"a": [1, -2], b"b": b"xy"}
    with pytest.raises(DissectError):
        bencode.read(b"l" + b"i1e" * 5000 + b"e")


def test_no_handshake() -> None:
    with pytest.raises(DissectError):
        parsed(BITTORRENT, [(CLIENT, b"\x13BitTorrent prot0col" + bytes(60))])


@pytest.mark.parametrize(
    ("data", "transport", "verdict"),
    [
        (BITTORRENT_TALK[0][1], "tcp", YES),
        (b"\x13BitTor", "tcp", MORE),
        (b"\x13BitTwist", "tcp", NO),
        (DHT_QUERY, "udp", YES),
        (DHT_RESPONSE, "udp", YES),
        (DHT_QUERY[:-1], "udp", NO),
        (b"d1:y1:qe" + bytes(20), "udp", NO),
        (LSD, "udp", YES),
        (UTP_SYN, "udp", YES),
        (b"\x21" + UTP_SYN[1:], "udp", NO),
        (UTP_SYN + b"\0", "udp", NO),
        (TRACKER_CONNECT, "udp", YES),
        (TRACKER_CONNECTED, "udp", NO),
    ],
)
def test_probe(data: bytes, transport: str, verdict: int) -> None:
    assert Flow(BITTORRENT, transport, dst_port=9999).probe(data) == verdict
