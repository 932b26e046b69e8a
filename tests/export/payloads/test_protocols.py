"""What all rewriters of payloads have in common, on real messages of every protocol that rustnet reads."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.export.redacted_packets.payload import Interval
from rustnet.export.redacted_packets.payloads import datagram_rewriter, stream_rewriter
from rustnet.export.redacted_packets.payloads.http import REASONS
from rustnet.export.redacted_packets.payloads.kept_page import page
from rustnet.export.redacted_packets.payloads.lines import FTP, IMAP, IRC, POP3, SMTP
from rustnet.export.redacted_packets.payloads.registry import PROTOCOLS
from rustnet.policy.redaction import POLICIES, SHARE, STRICT, Method, Policy, Redactor
from tests.dissect.samples import SAMPLES, Sample
from tests.dissect.test_fuzz_dissectors import spliced
from tests.export.payloads.support import (
    CLIENT,
    KEY,
    SERVER,
    context,
    datagram,
    originals,
    redactor,
    rewritten,
    rows,
    shown_texts,
    stream,
)
from tests.support.effort import examples
from tests.support.paths import ROOT

ALL = [
    pytest.param(app, sample, id=f"{app}-{at}") for app, samples in SAMPLES.items() for at, sample in enumerate(samples)
]
NOTHING = ("syslog-2", "syslog-3", "quic-1", "stun-3", "openvpn-2")
"""Samples over TCP of protocols that are kept over UDP only, and QUIC of Google before its standard."""
KEPT = [each for each in ALL if each.values[0] in PROTOCOLS and each.id not in NOTHING]
BOTH = pytest.mark.parametrize("policy", [SHARE, STRICT], ids=lambda policy: policy.name)


WORDS = frozenset(
    word.lower()
    for word in (
        *" ".join(REASONS.values()).split(), "SSH-2", "+OK", "-ERR", "ssdp", "upnp", "100-continue", "bytes",
        *(command.decode() for commands in (SMTP, FTP, POP3, IMAP, IRC) for command in commands),
    )
)  # fmt: skip
"""Commands, and words of the phrases of statuses, which a status implies."""


def test_every_protocol_has_samples() -> None:
    assert set(PROTOCOLS) <= set(SAMPLES)


@BOTH
@pytest.mark.parametrize(("app", "sample"), ALL)
def test_no_original_is_left(app: str, sample: Sample, policy: Policy) -> None:
    one = redactor(policy)
    after = b"\n".join(data for _side, data in rewritten(sample, app, policy)).lower()
    before = rows(sample.talk, sample)
    stays = shown_texts(before, one)
    for row in before:
        for word in originals(row, one):
            text = word.decode("latin-1").lower()
            if text not in stays and text not in WORDS and any(word):
                assert word.lower() not in after, (row.__class__.__name__, word)


@pytest.mark.parametrize(("app", "sample"), KEPT)
def test_something_is_kept(app: str, sample: Sample) -> None:
    assert any(any(data) for _side, data in rewritten(sample, app))


@pytest.mark.parametrize(("app", "sample"), ALL)
def test_nothing_is_kept_under_timing_only(app: str, sample: Sample) -> None:
    assert not any(any(data) for _side, data in rewritten(sample, app, POLICIES["timing-only"]))


MESSAGES = {name: [data for sample in samples for _side, data in sample.talk] for name, samples in SAMPLES.items()}
EACH = pytest.mark.parametrize("app", PROTOCOLS)


@EACH
@settings(max_examples=examples(60))
@given(data=st.data())
def test_mutated_messages(app: str, data: st.DataObject) -> None:
    payload = data.draw(spliced(app))
    client = data.draw(st.booleans())
    policy = data.draw(st.sampled_from([SHARE, STRICT]))
    port = SAMPLES[app][0].port
    datagram(payload, context(app, "udp", port, client=client, policy=policy))
    holes = []
    if len(payload) > 8 and data.draw(st.booleans()):
        start = data.draw(st.integers(0, len(payload) - 4))
        holes = [Interval(start, start + 4)]
        payload = payload[:start] + bytes(4) + payload[start + 4 :]
    _data, spans = stream(payload, context(app, "tcp", port, client=client, policy=policy), holes)
    for hole in holes:
        assert not spans or spans[-1].stop <= hole.start


@EACH
@settings(max_examples=examples(30))
@given(noise=st.binary(min_size=64, max_size=400).filter(lambda noise: any(noise[48:])))
def test_bytes_without_meaning(app: str, noise: bytes) -> None:
    """What is no message of the protocol is not shown, but for what its header would have."""
    for client in (CLIENT, SERVER):
        after, _ = datagram(noise, context(app, "udp", 9, client=client))
        assert noise[48:] not in after
        shown, _ = stream(noise, context(app, "tcp", 9, client=client))
        assert noise[48:] not in shown


def test_columns_with_a_method_of_their_own() -> None:
    """A policy that treats a column other than its kind says so of tables: of payloads nothing is kept then."""
    one = Redactor(KEY, replace(SHARE, columns={"tls.sni": Method.HIDE, "http.uri": Method.KEEP}))
    for app, kept in (("tls", False), ("smtp", False), ("http", False), ("ssh", True), ("dns", True)):
        what = context(app, "tcp")
        what.redactor = one
        assert (stream_rewriter(what) is not None) == kept


def test_other_apps_have_no_rewriter() -> None:
    for app in ("", "unknown", "telnet", "smb", "ldap", "kerberos", "mysql"):
        assert datagram_rewriter(context(app)) is None
        assert stream_rewriter(context(app, "tcp")) is None


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "redacted-payloads.md").read_text("utf-8") == page(), (
        "python -m rustnet.export.redacted_packets.payloads.kept_page > docs/redacted-payloads.md"
    )


def test_every_protocol_says_what_it_keeps() -> None:
    for app, protocol in PROTOCOLS.items():
        assert protocol.kept, app
        assert protocol.removed, app
        assert protocol.datagram or protocol.stream, app
        assert f"`{app}`" in page()
