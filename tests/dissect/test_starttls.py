"""TLS behind the words of NNTP, ManageSieve, IRC and LMTP: the protocol is named, and the handshake is read."""

import pytest

from rustnet.dissect.tls.parser import Tls
from tests.dissect.dispatched import DispatchedFlow
from tests.dissect.harness import CLIENT, SERVER
from tests.dissect.samples_streams import lines
from tests.dissect.samples_web import tls_talk

TALKS = {
    "nntp": lines("< 200 a.example NNTP ready", "> CAPABILITIES", "< 101 list", "< STARTTLS", "< .", "> STARTTLS",
                  "< 382 Continue with TLS negotiation"),
    "managesieve": lines('< "IMPLEMENTATION" "Dovecot"', '< "STARTTLS"', "< OK", "> STARTTLS", "< OK"),
    "irc": lines("> CAP LS 302", "> STARTTLS", "< :irc.example.org 670 jane :STARTTLS successful"),
    "lmtp": lines("< 220 store.example.org LMTP", "> LHLO mx.example.org", "< 250-store.example.org", "< 250 STARTTLS",
                  "> STARTTLS", "< 220 2.0.0 Ready to start TLS"),
    "smtp": lines("< 220 mx.example.org ESMTP", "> EHLO a", "< 250 STARTTLS", "> STARTTLS", "< 220 go ahead"),
}  # fmt: skip
PORTS = {"nntp": 119, "managesieve": 4190, "irc": 6667, "lmtp": 24, "smtp": 25}


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("on_port", [True, False])
@pytest.mark.parametrize("version", [12, 13])
@pytest.mark.parametrize("chunk", [0, 5])
def test_the_handshake_is_read(name: str, on_port: bool, version: int, chunk: int) -> None:
    port = PORTS[name] if on_port else 9999
    plain = DispatchedFlow(tls_talk(version), port)
    dispatched = DispatchedFlow([*TALKS[name], *tls_talk(version)], port, chunk=chunk)
    assert dispatched.talk.app == name
    assert dispatched.talk.hostname == plain.talk.hostname
    (row,), (other,) = dispatched.rows(Tls), plain.rows(Tls)
    assert {k: v for k, v in row.items() if not k.endswith("_ms")} == {
        k: v for k, v in other.items() if not k.endswith("_ms")
    }
    assert not dispatched.sink.anomalies


REPLIES = {
    "nntp": "< 382 Continue with TLS negotiation",
    "managesieve": "< OK",
    "irc": "< :irc.example.org 670 * :STARTTLS successful, proceed with TLS handshake",
    "smtp": "< 220 2.0.0 Ready to start TLS",
}


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("on_port", [True, False])
def test_a_capture_that_begins_with_the_command(name: str, on_port: bool) -> None:
    said = [*lines("> STARTTLS", REPLIES[name]), *tls_talk(13)]
    dispatched = DispatchedFlow(said, PORTS[name] if on_port else 9999)
    assert dispatched.talk.app == name if on_port else dispatched.talk.app in {name, "tls"}
    assert len(dispatched.rows(Tls)) == 1


def test_a_command_that_several_protocols_have_names_none() -> None:
    assert DispatchedFlow([(CLIENT, b"STARTTLS\r\n")]).talk.app is None
    assert DispatchedFlow([(SERVER, b"220 mx ready\r\n"), (CLIENT, b"STARTTLS\r\n")]).talk.app == "smtp"
