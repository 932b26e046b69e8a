"""A set of real conversations: the live session, and the replay of what it recorded, agree; flows have their owners."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet.query.session import open_session
from tests.live import conversations
from tests.live.conversations import HERE, HERE6, THERE, Servers, Use, client
from tests.live.namespaces import Namespace
from tests.live.running import Live
from tests.support.sessions import replay

pytestmark = pytest.mark.root

FLOWS = """SELECT protocol, least(src_ip, dst_ip), greatest(src_ip, dst_ip), least(src_port, dst_port),
    greatest(src_port, dst_port), sum(src_packets + dst_packets)::BIGINT, sum(src_bytes + dst_bytes)::BIGINT
FROM flows GROUP BY ALL ORDER BY ALL"""
CGROUPS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))


@pytest.fixture
def there(namespace: Namespace) -> Iterator[str]:
    """Another namespace, named, with a link to the test's."""
    name = f"rustnet{os.getpid()}"
    namespace.run(f"ip netns add {name}")
    try:
        namespace.run("ip link add name a type veth peer name b")
        namespace.run(f"ip link set dev b netns {name}")
        for command in (f"ip addr add {HERE}/24 dev a", f"ip addr add {HERE6}/64 dev a nodad", "ip link set dev a up"):
            namespace.run(command)
        for command in (f"addr add {THERE}/24 dev b", "link set dev b up", "link set dev lo up"):
            namespace.run(f"ip -n {name} {command}")
        yield name
    finally:
        namespace.run(f"ip netns del {name}")


@pytest.fixture
def cgroup() -> Iterator[Path | None]:
    """A control group as a container has one."""
    folder = next((each / f"docker-{'ab' * 32}.scope" for each in CGROUPS if (each / "cgroup.procs").exists()), None)
    if folder is not None:
        folder.mkdir()
    yield folder
    if folder is not None:
        folder.rmdir()


def owners(live: Live) -> dict[tuple[str, int], set[int]]:
    """Processes of the flows by protocol and client's port."""
    rows = live.rows(
        "SELECT f.protocol, f.src_port, p.pid FROM flows f LEFT JOIN processes p USING (process_id) "
        "WHERE f.protocol IN ('tcp', 'udp')"
    )
    by_end: dict[tuple[str, int], set[int]] = {}
    for protocol, port, pid in rows:
        by_end.setdefault((str(protocol), int(str(port))), set()).add(-1 if pid is None else int(str(pid)))
    return by_end


def test_the_recording_replays_to_the_same_flows_and_flows_have_their_owners(
    namespace: Namespace, there: str, cgroup: Path | None, tmp_path: Path
) -> None:
    servers = Servers()
    recorded = tmp_path / "s.pcapng"
    try:
        with Live(tmp_path / "s.duckdb", "-i", "lo", "-i", "a", "--pcapng-export", str(recorded)) as live:
            uses = conversations.everything(cgroup)
            other = client("web", HERE, ("ip", "netns", "exec", there))
            live.wait_for(f"SELECT 1 FROM flows WHERE src_port = {other[0].port} AND state = 'CLOSED'")
            assert live.stop() == 0, live.errors
    finally:
        servers.close()
    replay(tmp_path / "r.duckdb", recorded)
    with open_session(tmp_path / "r.duckdb") as again:
        assert live.rows(FLOWS) == again.sql(FLOWS).rows
    by_end = owners(live)
    wrong = {use: by_end.get((use.protocol, use.port)) for use in uses if not right(use, servers, by_end)}
    assert not wrong
    assert by_end[("tcp", other[0].port)] <= {use.pid for use in (*other, *servers.uses())}, "client or server"
    if cgroup is not None:
        rows = live.rows("SELECT count(*) FROM processes WHERE container_id LIKE 'abab%'")
        assert rows == [(1,)]


def right(use: Use, servers: Servers, by_end: dict[tuple[str, int], set[int]]) -> bool:
    """Whether the flow of a client is its own, or, with both ends on this machine, the server's."""
    pids = by_end.get((use.protocol, use.port), set())
    return bool(pids) and pids <= {use.pid, *(each.pid for each in servers.uses())}


def test_coverage_by_sock_diag(namespace: Namespace, tmp_path: Path) -> None:
    servers = Servers()
    try:
        command = ["--attribution", "sock_diag", "-i", "lo"]
        with Live(tmp_path / "s.duckdb", *command) as live:
            uses = [use for _ in range(30) for use in client("web", "127.0.0.1")]
            live.wait_for(f"SELECT 1 FROM flows WHERE src_port = {uses[-1].port} AND state = 'CLOSED'")
            live.stop()
    finally:
        servers.close()
    by_end = owners(live)
    share = sum(right(use, servers, by_end) for use in uses) / len(uses)
    assert share >= 0.95
