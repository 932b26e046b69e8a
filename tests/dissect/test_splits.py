"""However a conversation is cut into segments or fed to probes, it reads the same."""

import pytest
from harness import Flow, fields
from samples import SAMPLES, Sample

from rustnet.dissect.conversation import MORE, YES, Dissector
from rustnet.dissect.registry import DISSECTORS

CASES = [
    pytest.param(d, sample, id=f"{d.name}-{i}-{sample.transport}")
    for d in DISSECTORS
    for i, sample in enumerate(SAMPLES[d.name])
]
STREAMS = [case for case in CASES if case.values[1].transport == "tcp"]  # type: ignore[attr-defined]


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
    from_src, data = sample.talk[0]
    flow = Flow(dissector, sample.transport, dst_port=sample.port)
    assert flow.probe(data, from_src) == YES
    if sample.transport == "tcp":
        answers = [flow.probe(data[:size], from_src) for size in range(1, len(data))]
        decided = [a for a in answers if a != MORE]
        assert all(a == YES for a in decided)


@pytest.mark.parametrize("dissector", DISSECTORS, ids=lambda d: d.name)
@pytest.mark.parametrize("junk", [b"", b"\0", bytes(64), b"\xff" * 300, b"get / http\n\n", bytes(range(256)) * 3])
def test_no_probe_believes_junk_off_its_ports(dissector: Dissector, junk: bytes) -> None:
    for transport in dissector.transports:
        flow = Flow(dissector, transport, dst_port=9999)
        assert flow.probe(junk) != YES
