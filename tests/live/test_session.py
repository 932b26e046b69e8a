"""Live packets on the road of captured ones: what is stored of them."""

from pathlib import Path

import pytest

from rustnet.analysis.capture import Analysis
from rustnet.dissect import registry
from rustnet.ingest.capture import CaptureIngest
from rustnet.ingest.outlet import WriterOutlet
from rustnet.ingest.stop import StopToken
from rustnet.probe.ring_socket import open_ring
from rustnet.sources.limits import Limits
from rustnet.sources.ring import RingSource
from rustnet.store.cadence import LIVE
from rustnet.store.tables import Capture
from rustnet.store.writer import Writer
from tests.live.namespaces import Namespace, sender
from tests.support.conversations import dns_flow, http_flow

pytestmark = pytest.mark.root


def test_conversations_on_two_interfaces_are_stored(namespace: Namespace, tmp_path: Path) -> None:
    namespace.veth("a", "b")
    namespace.veth("c", "d")
    opened = [open_ring(name, 0, 1 << 22) for name in ("b", "d")]
    source = RingSource([ring.detach() for ring, _ in opened], [each for _, each in opened], lambda: False)
    source.limits = Limits(packets=10)
    with sender("a") as web, sender("c") as names:
        for frame in dns_flow():
            names.send(frame)
        for frame in http_flow():
            web.send(frame)
        writer = Writer(str(tmp_path / "s.duckdb"), registry.tables(), cadence=LIVE)
        capture = Capture(1, source.info.source, source.info.kind, source.info.format)
        writer.begin_capture(capture)
        outlet = WriterOutlet(writer, 1, None)
        outcome = CaptureIngest(outlet, source, capture, Analysis(1, 1), StopToken(), LIVE).run()
        writer.end_capture(outcome.capture)
    source.close()
    assert writer.query(
        "SELECT source, kind, packets, wire_bytes, dropped_kernel, link_types, out_of_order FROM captures"
    ) == [("b,d", "live", 10, sum(map(len, dns_flow() + http_flow())), 0, ["ETHERNET"], 0)]
    assert writer.query("SELECT app, dst_port, src_packets + dst_packets, hostname FROM flows ORDER BY 2") == [
        ("dns", 53, 2, None), ("http", 80, 8, "shop.example"),
    ]  # fmt: skip
    stats = "SELECT interface, sum(packets), sum(bytes), sum(dropped) FROM capture_stats GROUP BY 1 ORDER BY 1"
    assert writer.query(stats) == [
        (0, 8, sum(map(len, http_flow())), 0), (1, 2, sum(map(len, dns_flow())), 0),
    ]  # fmt: skip
    assert writer.query("SELECT name, link_type, packets FROM interfaces ORDER BY 1") == [("b", 1, 8), ("d", 1, 2)]
    assert writer.query("SELECT interface, count(*) FROM packets GROUP BY 1 ORDER BY 1") == [(0, 8), (1, 2)]
    writer.close()
