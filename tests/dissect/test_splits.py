"""However a conversation is cut into segments or fed to probes, it reads the same."""

import pytest

from rustnet.dissect.framework.conversation import MORE, YES, Dissector
from rustnet.dissect.registry import DISSECTORS
from tests.dissect.harness import Flow, fields
from tests.dissect.samples import SAMPLES, Sample

PAIRS = [(d, sample) for d in DISSECTORS for sample in SAMPLES[d.name]]
CASES = [pytest.param(d, sample, id=f"{d.name}-{sample.transport}") for d, sample in PAIRS]
STREAMS = [pytest.param(d, s, id=d.name) for d, s in PAIRS if s.transport == "tcp"]


def rows_of(dissector: Dissector, sample: Sample, chunk: int) -> list[tuple[str, dict[str, object]]]:
    flow = Flow(dissector, sample.transport, dst_port=sample.port)
    for from_src, data in sample.talk:
        flow.tick()
        flow.feed(data, from_src, chunk)
    flow.close()
    assert flow.sink.anomalies == []
    return [(type(row).__name__, fields(row)) for row in flow.rows]


@pytest.mark.parametrize(("dissector", "sample"), STREAMS)
@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 16, 100, 1460])
def test_segments_do_not_matter(dissector: Dissector, sample: Sample, chunk: int) -> None:
    whole = rows_of(dissector, sample, 0)
    assert whole
    assert rows_of(dissector, sample, chunk) == whole


@pytest.mark.parametrize(("dissector", "sample"), STREAMS)
def test_every_split_point_of_a_message(dissector: Dissector, sample: Sample) -> None:
    whole = rows_of(dissector, sample, 0)
    longest = max(len(data) for _, data in sample.talk)
    for cut in range(1, min(longest, 700)):
        flow = Flow(dissector, sample.transport, dst_port=sample.port)
        for from_src, data in sample.talk:
            flow.tick()
            flow.feed(data[:cut], from_src)
            flow.feed(data[cut:], from_src)
        flow.close()
        assert [(type(row).__name__, fields(row)) for row in flow.rows] == whole


@pytest.mark.parametrize(("dissector", "sample"), CASES)
def test_the_probe_believes_genuine_bytes(dissector: Dissector, sample: Sample) -> None:
    flow = Flow(dissector, sample.transport, dst_port=sample.port)
    for side in (True, False):  # a capture may have either side only
        said = [data for from_src, data in sample.talk if from_src == side]
        data = said[0] if said else b""
        if not data:
            continue
        assert flow.probe(data, side) == YES
        if sample.transport != "tcp":
            continue
        answers = [flow.probe(data[:size], side) for size in range(1, len(data))]
        decided = [a for a in answers if a != MORE]
        assert all(a == YES for a in decided)


@pytest.mark.parametrize("dissector", DISSECTORS, ids=lambda d: d.name)
@pytest.mark.parametrize("junk", [b"", b"\0", bytes(64), b"\xff" * 300, b"get / http\n\n", bytes(range(256)) * 3])
def test_no_probe_believes_junk_off_its_ports(dissector: Dissector, junk: bytes) -> None:
    for transport in {"tcp", "udp"}.intersection(dissector.transports):  # of others, the carrier says what they are
        flow = Flow(dissector, transport, dst_port=9999)
        assert flow.probe(junk) != YES
