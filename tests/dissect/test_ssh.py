from hashlib import md5

import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.http.record import Http
from rustnet.dissect.ssh import SSH, Ssh
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER, Flow
from tests.dissect.samples_web import CLIENT_LISTS, NEWKEYS, SERVER_LISTS, SSH_TALK, kexinit


def talk(*said: tuple[bool, bytes]) -> tuple[Flow, list[Ssh]]:
    flow = Flow(SSH)
    for from_src, data in said:
        flow.tick()
        flow.feed(data, from_src)
    flow.close()
    return flow, [row for row in flow.rows if isinstance(row, Ssh)]


def digest(*lists: str) -> str:
    return md5(";".join(lists).encode()).hexdigest()


def test_a_whole_key_exchange() -> None:
    flow, (row,) = talk(*SSH_TALK)
    assert row.client_banner == "SSH-2.0-libssh_0.10.5"
    assert row.client_software == "libssh_0.10.5"
    assert row.server_banner == "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u1"
    assert row.server_software == "OpenSSH_9.2p1"
    assert row.hassh == digest(CLIENT_LISTS[0], CLIENT_LISTS[2], CLIENT_LISTS[4], CLIENT_LISTS[6])
    assert row.hassh_server == digest(SERVER_LISTS[0], SERVER_LISTS[3], SERVER_LISTS[5], SERVER_LISTS[7])
    assert (row.kex, row.host_key) == ("curve25519-sha256", "ssh-ed25519")
    assert (row.cipher, row.server_cipher) == ("aes128-ctr", "chacha20-poly1305@openssh.com")
    assert (row.mac, row.server_mac) == ("umac-64-etm@openssh.com", None)
    assert (row.compression, row.server_compression) == ("none", "none")
    assert (row.strict_kex, row.established) == (True, True)
    assert flow.talk.state == "ESTABLISHED"
    assert flow.talk.finished
    assert flow.sink.stamps == [(1_001_000_000, 1)]


def test_states() -> None:
    flow = Flow(SSH)
    seen = []
    for from_src, data in SSH_TALK:
        flow.feed(data, from_src)
        seen.append(flow.talk.state)
    assert list(dict.fromkeys(seen)) == ["BANNER", "KEYEXCHANGE", "AUTHENTICATION", "ESTABLISHED"]


def test_one_sided_captures() -> None:
    _, (row,) = talk(*((side, data) for side, data in SSH_TALK if side == SERVER))
    assert (row.client_banner, row.server_software, row.kex) == (None, "OpenSSH_9.2p1", None)
    assert row.hassh_server is not None
    _, (row,) = talk(*((side, data) for side, data in SSH_TALK if side == CLIENT))
    assert row.hassh is not None


def test_encrypted_data_is_not_waited_out() -> None:
    flow = Flow(SSH)
    for from_src, data in SSH_TALK:
        if from_src == SERVER:
            flow.feed(data, from_src)
    for _ in range(200):
        flow.feed(bytes(100), SERVER)
    assert flow.talk.finished
    assert len(flow.rows) == 1


def test_a_flow_seen_from_its_server() -> None:
    flow = Flow(SSH, src_port=22, dst_port=50000)
    for from_src, data in SSH_TALK:
        flow.feed(data, not from_src)
    (row,) = flow.rows
    assert isinstance(row, Ssh)
    assert row.client_software == "libssh_0.10.5"


def test_ssh_1() -> None:
    flow, (row,) = talk((SERVER, b"SSH-1.5-1.2.27\n"), (CLIENT, b"SSH-1.5-OldClient\n"), (SERVER, bytes(20)))
    assert (row.client_banner, row.server_banner) == ("SSH-1.5-OldClient", "SSH-1.5-1.2.27")
    assert flow.talk.finished


def test_a_gap_ends_it_with_a_row() -> None:
    flow = Flow(SSH)
    flow.feed(SSH_TALK[0][1], SERVER)
    flow.lose(10, SERVER)
    assert len(flow.rows) == 1
    assert flow.talk.finished


KEYS = kexinit(*SERVER_LISTS)
GET = b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"


@pytest.mark.parametrize(
    "line",
    [
        b"SSH-2.0-x_1\r\n", b"SSH-2.0-x_1\n", b"SSH-2.0-x_1\0\r\n", b"SSH-2.0-x_1\0\0\n", b"SSH-2.0-x_1  \r\n",
        b"SSH-2.0-x_1\r\r\n", b"SSH-2.0-x_1\r\n\0", b"SSH-2.0-x_1\n\0\0\0", b"SSH-2.0-x_1 \0 \r\n", b"SSH-2.0-x_1\r",
        b"Welcome\r\n\r\nto this server\nSSH-2.0-x_1\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("chunk", [0, 1, 13])
def test_ends_and_beginnings_of_the_identification(line: bytes, chunk: int) -> None:
    flow = Flow(SSH)
    flow.feed(line + KEYS, SERVER, chunk)
    flow.close()
    (row,) = flow.rows
    assert isinstance(row, Ssh)
    assert (row.server_banner, row.server_software) == ("SSH-2.0-x_1", "x_1")
    assert row.hassh_server is not None
    assert flow.sink.anomalies == []


def test_other_lines_and_the_key_exchange_in_one_segment() -> None:
    said = [(SERVER, b"Authorized use only.\r\nSSH-2.0-x\0\r\n" + KEYS)]
    flow = DispatchedFlow(said, port=22)
    assert [(row["server_banner"], "hassh_server" in row) for row in flow.rows(Ssh)] == [("SSH-2.0-x", True)]


def test_empty_lines_of_a_client() -> None:
    flow, (row,) = talk((SERVER, b"SSH-2.0-x\r\n"), (CLIENT, b"\r\n\r\nSSH-1.99-y\r\n"))
    assert (row.client_banner, row.server_banner) == ("SSH-1.99-y", "SSH-2.0-x")
    assert flow.sink.anomalies == [("malformed_ssh", "expected an SSH identification line")]


@pytest.mark.parametrize("complaint", [b"Protocol major versions differ.\n", b"Invalid SSH identification string.\r\n"])
def test_a_complaint_is_no_packet(complaint: bytes) -> None:
    flow, (row,) = talk((CLIENT, b"SSH-1.99-y\r\n"), (SERVER, b"SSH-2.0-x\r\n" + complaint))
    assert (row.client_banner, row.server_banner) == ("SSH-1.99-y", "SSH-2.0-x")
    assert flow.sink.anomalies == []


@pytest.mark.parametrize("port", [22, 80, 2222])
@pytest.mark.parametrize("chunk", [0, 5])
def test_a_client_that_speaks_http_after_the_server(port: int, chunk: int) -> None:
    said = [
        (SERVER, b"SSH-2.0-x\r\n"),
        (CLIENT, GET),
        (SERVER, KEYS),
        (SERVER, b"Invalid SSH identification string.\r\n"),
    ]
    flow = DispatchedFlow(said, port=port, chunk=chunk)
    assert flow.talk.app == "ssh"
    assert [(row["server_banner"], "hassh_server" in row) for row in flow.rows(Ssh)] == [("SSH-2.0-x", True)]
    assert [(row["method"], row["host"]) for row in flow.rows(Http)] == [("GET", "www.example.org")]
    assert ("malformed_ssh", "the client speaks HTTP, the other side SSH") in flow.sink.anomalies


@pytest.mark.parametrize("port", [22, 80, 2222])
@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\nInvalid SSH identification string.\r\n", b"SSH-2.0-x\r\n" + KEYS])
def test_a_client_that_speaks_http_before_the_server(port: int, answer: bytes) -> None:
    flow = DispatchedFlow([(CLIENT, GET), (SERVER, answer)], port=port)
    assert flow.talk.app == "ssh"
    assert [(row["server_banner"], "hassh_server" in row) for row in flow.rows(Ssh)] == [("SSH-2.0-x", KEYS in answer)]
    assert [(row["method"], row["host"], row.get("status")) for row in flow.rows(Http)] == [
        ("GET", "www.example.org", None),
    ]  # fmt: skip
    assert flow.sink.anomalies == []


def test_a_server_that_speaks_http() -> None:
    answer = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n"
    flow = DispatchedFlow([(CLIENT, b"SSH-2.0-y\r\n"), (SERVER, answer)], port=80)
    assert [row["client_banner"] for row in flow.rows(Ssh)] == ["SSH-2.0-y"]
    assert [(row["status"], row["server"]) for row in flow.rows(Http)] == [(400, "nginx")]
    assert flow.sink.anomalies == [("malformed_ssh", "the server speaks HTTP, the other side SSH")]


def test_malformed() -> None:
    with pytest.raises(DissectError):
        Flow(SSH).feed(b"\x00\x01 no line of text\n")
    for bad in (b"\xff" * 8, kexinit("a", "b")[:-30] + b"\xff" * 30, b"\0\0\0" + b"\x01" * 11):
        flow, rows = talk((CLIENT, b"SSH-2.0-x\r\n" + bad))
        assert len(rows) == 1
        assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_ssh"]


def test_lists_that_overrun() -> None:
    packet = bytearray(kexinit(*CLIENT_LISTS))
    packet[5 + 17 : 5 + 21] = b"\0\0\xff\xff"
    flow, rows = talk((CLIENT, b"SSH-2.0-x\r\n" + bytes(packet)))
    assert rows[0].hassh is None
    assert flow.sink.anomalies


@pytest.mark.parametrize(
    ("data", "port", "verdict"),
    [
        (b"SSH-2.0-x\r\n", 9999, YES),
        (b"SSH-1.99-x\r\n", 9999, YES),
        (b"SSH", 9999, MORE),
        (b"SSH-3.0-x\r\n", 22, NO),
        (b"SSH-1.2-x\r\n", 9999, YES),
        (b"SSH-1.99", 9999, YES),
        (b"SSH-1.2.3.4 x", 9999, NO),
        (b"Welcome\r\nSSH-2.0-x\0\r\n" + NEWKEYS, 22, YES),
        (b"Wel\0come\r\nSSH-2.0-x\r\n", 22, NO),
        (b"Welcome\r\n", 22, MORE),
        (b"Welcome\r\nSSH-2.0-x\r\n", 22, YES),
        (b"Welcome\r\nSSH-2.0-x\r\n", 9999, NO),
        (NEWKEYS, 22, NO),
    ],
)
def test_probe(data: bytes, port: int, verdict: int) -> None:
    assert Flow(SSH, dst_port=port).probe(data, SERVER) == verdict
