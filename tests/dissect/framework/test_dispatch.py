"""The first bytes and shapes by which the dispatcher passes probes over: no content without them may be theirs."""

import pytest

from rustnet.dissect.framework.candidates import Candidate
from rustnet.dissect.framework.conversation import YES, Conversation, Dissector, Shape
from rustnet.dissect.framework.dispatch import Dispatcher
from rustnet.dissect.registry import DISSECTORS
from tests.dissect.samples import SAMPLES

OFF = (40_001, 40_003)
"""Ports that no dissector names."""
FILTERED = [d for d in DISSECTORS if d.first is not None]


class Silent:
    def record(self, record: object, flow_id: int, ts: int, packet: int) -> None:
        pass

    def anomaly(self, kind: str, detail: str, flow_id: int, ts: int, packet: int, *, count: int = 1) -> None:
        pass

    def name(self, ip: str, name: str, source: str, ts: int, ttl: int | None, client: str | None = None) -> None:
        pass


def talk_off_ports(transport: str) -> Conversation:
    made = Conversation(Silent(), 1, transport, "192.0.2.1", OFF[0], "192.0.2.2", OFF[1])
    made.ts = 1_700_000_000 * 10**9
    return made


@pytest.mark.parametrize("dissector", FILTERED, ids=lambda d: d.name)
def test_no_other_first_byte_is_believed(dissector: Dissector) -> None:
    assert dissector.first is not None
    others = [b for b in range(256) if b not in dissector.first]
    for sample in SAMPLES[dissector.name]:
        for from_src, data in sample.talk:
            for first in others:
                talk = talk_off_ports(sample.transport)
                changed = bytes([first]) + data[1:]
                talk.pending_src = talk.pending_dst = sample.talk[0][1]
                for _ in range(2):  # some are recognised by their second datagram
                    assert dissector.probe(changed, talk, from_src) != YES, (first, data[:20])


def believed(dissector: Dissector, transport: str, data: bytes, from_src: bool, before: bytes) -> bool:
    talk = talk_off_ports(transport)
    talk.pending_src = talk.pending_dst = before
    return any(dissector.probe(data, talk, from_src) == YES for _ in range(2))  # the second may continue the first


@pytest.mark.parametrize("dissector", [d for d in DISSECTORS if d.shapes], ids=lambda d: d.name)
def test_no_other_shape_is_believed(dissector: Dissector) -> None:
    for sample in SAMPLES[dissector.name]:
        shape = dissector.shapes.get(sample.transport)
        if shape is None:
            continue
        for from_src, data in sample.talk:
            for at, allowed in shape.at.items():
                for other in range(256) if at < len(data) else ():
                    if other not in allowed:
                        changed = data[:at] + bytes([other]) + data[at + 1 :]
                        assert not believed(dissector, sample.transport, changed, from_src, sample.talk[0][1]), (
                            at,
                            other,
                        )
            if sample.transport == "udp":
                for size in range(shape.least):
                    assert not believed(dissector, "udp", data[:size], from_src, sample.talk[0][1]), size


def test_a_shape_is_that_of_all_content_which_is_believed() -> None:
    for dissector in DISSECTORS:
        for sample in SAMPLES[dissector.name]:
            one = Candidate(dissector, dissector.shapes.get(sample.transport, Shape()))
            for from_src, data in sample.talk:
                if believed(dissector, sample.transport, data, from_src, sample.talk[0][1]):
                    assert one.fits(data, len(data), stream=sample.transport == "tcp"), (
                        dissector.name,
                        data[:24],
                    )


def test_on_its_port_a_dissector_is_asked_about_every_first_byte() -> None:
    dispatcher = Dispatcher(DISSECTORS, Silent())
    for dissector in DISSECTORS:
        for transport in dissector.transports:
            for port in dissector.ports:
                for ports in ((port, OFF[0]), (OFF[0], port)):
                    assert any(one.dissector is dissector for one in dispatcher.candidate_order(transport, *ports, 0))


def test_off_its_ports_a_dissector_is_asked_about_its_first_bytes_alone() -> None:
    dispatcher = Dispatcher(DISSECTORS, Silent())
    for transport in ("tcp", "udp"):
        for first in range(256):
            asked = [one.dissector for one in dispatcher.candidate_order(transport, *OFF, first)]
            expected = [d for d in DISSECTORS if transport in d.transports and (d.first is None or first in d.first)]
            assert asked == expected
