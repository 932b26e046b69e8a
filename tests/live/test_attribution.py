"""What a live session says of how it learned owners, and how much has one."""

import time
from pathlib import Path

import pytest

from rustnet.query.session import open_session
from tests.live.namespaces import Namespace
from tests.live.running import Live, fetch, serve_web

pytestmark = pytest.mark.root


def test_method_coverage_and_what_was_captured(namespace: Namespace, tmp_path: Path) -> None:
    server = serve_web()
    try:
        with Live(tmp_path / "s.duckdb", "-i", "lo") as live:
            live.wait_for("SELECT 1 FROM attribution WHERE event = 'start'")
            for _ in range(3):
                fetch()
            live.wait_for("SELECT 1 FROM flows WHERE dst_port = 8080 AND process_id IS NOT NULL")
            time.sleep(1.5)  # the interface's counters are read every second
            live.stop()
    finally:
        server.kill()
        server.communicate()
    ((event, method, missing, reason),) = live.rows(
        "SELECT event, method, missing_method, missing_reason FROM attribution ORDER BY ts LIMIT 1"
    )
    assert event == "start"
    assert (method, missing) in {("ebpf", None), ("sock_diag", "ebpf")}
    assert (reason is None) == (missing is None)
    assert live.rows("SELECT sockets > 0 FROM attribution WHERE event = 'end'") == [(True,)]
    counted = live.rows("SELECT count(*), count(process_id), sum(src_bytes + dst_bytes) FROM flows")
    assert live.rows("SELECT flows, flows_owned, bytes_owned FROM coverage ORDER BY ts DESC LIMIT 1") == counted
    with open_session(live.session) as session:
        shown = session.query("attribution-coverage", interval="1s")
        last = dict(zip(shown.columns, shown.rows[-1], strict=True))
        assert (last["flows_percent"], last["bytes_percent"], last["method"]) == (100.0, 100.0, method)
        share = session.query("captured-share")
        (row,) = [dict(zip(share.columns, each, strict=True)) for each in share.rows]
    assert row["interface_name"] == "lo"
    assert row["captured_packets"] == live.rows("SELECT count(*) FROM packets")[0][0]
    assert row["counted_packets"] == row["captured_packets"]
    assert 99 <= row["bytes_percent"] <= 101
