"""RustNet's sidecar: every key, every age, and nothing that a hostile line can do but be counted."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rustnet.attribute.discover import find_sidecars, open_sidecar
from rustnet.attribute.formats import sidecar_line
from rustnet.attribute.formats.rustnet_sidecar import RustnetSidecar
from rustnet.attribute.formats.sidecar_line import LineParser
from rustnet.attribute.observation import Faults, Observation, Observations, ProcessFacts
from rustnet.attribute.values import MAX_TIME, BadValue, bounded_text, parse_address, parse_endpoint, parse_time
from rustnet.errors import InputError

V4 = (0, 0xFFFF_0A00_0001)
FULL = {
    "attribution_match": "procfs-exact",
    "bytes_received": 10,
    "bytes_sent": 20,
    "first_seen": {"nanos_since_epoch": 5, "secs_since_epoch": 1_780_000_000},
    "geoip_asn": 15169,
    "kubernetes": {
        "pod_uid": "u-1",
        "pod_name": "web-1",
        "pod_namespace": "shop",
        "container_id": "abc",
        "container_name": "nginx",
        "cgroup_path": "/kubepods/x",
    },
    "last_seen": {"nanos_since_epoch": 7, "secs_since_epoch": 1_780_000_009},
    "local_addr": "10.0.0.1:40000",
    "pid": 4242,
    "process_executable": "/usr/sbin/nginx",
    "process_gid": 33,
    "process_lineage": {
        "ancestors": [{"pid": 1, "name": "systemd"}, {"pid": 7, "name": "sh", "started_at_unix_ms": 1_779_999_999_000}],
        "truncated": True,
    },
    "process_name": "nginx",
    "process_ppid": 7,
    "process_uid": 0,
    "protocol": "TCP",
    "remote_addr": "[2001:db8::1%eth0]:443",
    "rtt_ms": 1.5,
    "state": "ESTABLISHED",
    "timestamp": "2026-05-28T20:26:50.000000001Z",
}


def parse(line: dict[str, Any] | bytes, faults: Faults | None = None) -> Observation:
    data = line if isinstance(line, bytes) else json.dumps(line).encode()
    said = LineParser(faults or Faults()).parse(data, 1)
    assert said is not None
    return said


def test_every_key() -> None:
    faults = Faults()
    assert parse(FULL, faults) == Observation(
        protocol="tcp",
        local=V4,
        local_port=40000,
        remote=(0x2001_0DB8_0000_0000, 1),
        remote_port=443,
        window_start=1_780_000_000_000_000_005,
        window_end=1_780_000_009_000_000_007,
        observed_at=1_780_000_010_000_000_001,
        process=ProcessFacts(
            pid=4242,
            ppid=7,
            name="nginx",
            exe="/usr/sbin/nginx",
            uid=0,
            gid=33,
            lineage=("…", "systemd(1)", "sh(7)"),
            container_id="abc",
            container_name="nginx",
            pod="web-1",
            pod_uid="u-1",
            namespace="shop",
            cgroup="/kubepods/x",
            parent_started_at=1_779_999_999_000_000_000,
        ),
        quality="procfs-exact",
        position=1,
    )
    assert faults == Faults()


def test_keys_of_the_recorder() -> None:
    faults = Faults()
    more = {
        "recorder": "rustnet-record/1", "host": "ws", "cmdline": "nginx -g 'daemon off;'", "cwd": "/srv",
        "username": "www-data", "started_at": {"secs_since_epoch": 1_779_999_999, "nanos_since_epoch": 4},
        "container_id": "c" * 64, "cgroup": "/system.slice/x", "login_uid": 1000, "socket_owners": 2,
    }  # fmt: skip
    said = parse({key: value for key, value in FULL.items() if key != "kubernetes"} | more, faults)
    assert said.process is not None
    assert said.process[:1] + said.process[5:10] == (
        "ws", "nginx -g 'daemon off;'", "/srv", 0, "www-data", 33,
    )  # fmt: skip
    assert (said.host, said.process.started_at) == ("ws", 1_779_999_999_000_000_004)
    assert (said.process.container_id, said.process.cgroup) == ("c" * 64, "/system.slice/x")
    assert parse(FULL | more).process._replace(started_at=None).container_id == "abc"  # type: ignore[union-attr]
    assert parse(FULL | {"host": "ws", "pid": None, "process_name": None}).host == "ws"
    assert faults == Faults()


@pytest.mark.parametrize(
    ("local", "remote", "more", "meant"),
    [
        ("0.0.0.0:80", "0.0.0.0:0", {}, (None, 80, None, None, 4)),
        ("[::]:80", "[::]:0", {}, (None, 80, None, None, 0)),
        ("[::]:80", "[::]:0", {"ipv6_only": True}, (None, 80, None, None, 6)),
        ("10.0.0.1:80", "0.0.0.0:0", {}, (V4, 80, None, None, 0)),
        ("0.0.0.0:68", "10.0.0.1:67", {}, ((0, 0xFFFF << 32), 68, V4, 67, 0)),
        ("0.0.0.0:0", "10.0.0.1:0", {"protocol": "ARP"}, ((0, 0xFFFF << 32), None, V4, None, 0)),
        ("10.0.0.1:0", "0.0.0.0:0", {"protocol": "ARP"}, (V4, None, (0, 0xFFFF << 32), None, 0)),
        ("[::]:0", "[::]:0", {"protocol": "ICMP", "recorder": "rustnet-record/1"}, (None, None, None, None, 6)),
    ],
)
def test_open_ends_differ_from_addresses(local: str, remote: str, more: dict[str, Any], meant: object) -> None:
    said = parse(FULL | {"local_addr": local, "remote_addr": remote} | more)
    assert (said.local, said.local_port, said.remote, said.remote_port, said.family) == meant


@pytest.mark.parametrize("value", [True, "7", -1, 65536, 1.5])
def test_invalid_identifiers(value: object) -> None:
    faults = Faults()
    said = parse(FULL | {"protocol": "ICMP", "icmp_id": value}, faults)
    assert (said.echo, faults.values) == (None, 1)


def test_older_files_lack_the_keys_after_the_state() -> None:
    old = {key: FULL[key] for key in ("timestamp", "protocol", "local_addr", "remote_addr", "pid", "process_name")}
    said = parse(old)
    assert said.process == ProcessFacts(pid=4242, name="nginx")
    assert (said.quality, said.window_start, said.window_end) == ("unstated", None, None)


@pytest.mark.parametrize(
    ("value", "nanos"),
    [
        ({"secs_since_epoch": 1_780_000_000, "nanos_since_epoch": 999_999_999}, 1_780_000_000_999_999_999),
        ("2026-05-28T20:26:40Z", 1_780_000_000_000_000_000),
        ("2026-05-28T22:26:40.5+02:00", 1_780_000_000_500_000_000),
        ("2026-05-28T20:26:40.123456789123Z", 1_780_000_000_123_456_789),
        ("2026-05-28 20:26:40", 1_780_000_000_000_000_000),
        (1_780_000_000, 1_780_000_000_000_000_000),
        (1_780_000_000.25, 1_780_000_000_250_000_000),
        (None, None),
    ],
)
def test_times(value: object, nanos: int | None) -> None:
    assert parse_time(value) == nanos


@pytest.mark.parametrize(
    "value",
    [
        True, "", "yesterday", "2026-13-40T00:00:00Z", "9999-12-31T23:59:59Z", -1, 1 << 80, float("nan"), float("inf"),
        -1.0, {}, {"secs_since_epoch": 1, "nanos_since_epoch": 1 << 40}, {"secs_since_epoch": True}, [],
        {"secs_since_epoch": 1 << 62}, "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    ],
)  # fmt: skip
def test_invalid_sidecar_times(value: object) -> None:
    with pytest.raises(BadValue):
        parse_time(value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10.0.0.1:443", (V4, 443)),
        ("[::ffff:10.0.0.1]:443", (V4, 443)),
        ("[fe80::1%eth0]:546", ((0xFE80 << 48, 1), 546)),
        ("[fe80::1%2]:0", ((0xFE80 << 48, 1), 0)),
        ("10.0.0.1:0", (V4, 0)),
    ],
)
def test_endpoints(text: str, meant: object) -> None:
    assert parse_endpoint(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        None, 5, "", ":", "10.0.0.1", "10.0.0.1:", ":443", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.1:\u0661",
        "fe80::1:443", "10.0.0:443", "[10.0.0.1:443", "[]:1", "[:1", "1.2.3.4.5:6", "[::1]x:5", "\0:1",
        "10.0.0.1\0:1", "é.0.0.1:1",
    ],
)  # fmt: skip
def test_invalid_endpoints(text: object) -> None:
    with pytest.raises(BadValue):
        parse_endpoint(text)


def test_protocols_without_ports_are_matched_by_address() -> None:
    said = parse(FULL | {"protocol": "ICMP", "local_addr": "10.0.0.1:0", "remote_addr": "[::1]:0"})
    assert (said.protocol, said.local_port, said.remote_port) == ("icmp", None, None)


def test_a_record_without_a_process() -> None:
    assert parse(FULL | {"pid": None, "process_name": None}).process is None


def test_invalid_values_are_ignored_and_counted() -> None:
    faults = Faults()
    said = parse(FULL | {"pid": 1 << 70, "process_uid": -3, "process_executable": 7, "timestamp": "now"}, faults)
    assert said.process is not None
    assert (said.process.pid, said.process.uid, said.process.exe, said.process.name) == (None, None, None, "nginx")
    assert said.observed_at is None
    assert faults.values == 4
    assert faults.bad == 0


def test_a_flag_is_no_pid() -> None:
    parser = LineParser(Faults())
    pids = []
    for number, pid in enumerate((1, True), 1):
        said = parser.parse(json.dumps(FULL | {"pid": pid}).encode(), number)
        assert said is not None
        assert said.process is not None
        pids.append(said.process.pid)
    assert pids == [1, None]


def test_windows_run_forward() -> None:
    said = parse(FULL | {"first_seen": 200, "last_seen": 100})
    assert (said.window_start, said.window_end) == (100 * 10**9, 200 * 10**9)
    said = parse(FULL | {"first_seen": None, "last_seen": 100})
    assert (said.window_start, said.window_end) == (100 * 10**9, 100 * 10**9)


def test_text_that_utf8_cannot_encode() -> None:
    assert bounded_text("a\ud800b") == "a���b"
    assert bounded_text("a\0") == "a�"
    assert bounded_text("x" * 999) == "x" * 255 + "…"


LINES = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(FULL)), inner, max_size=6),
        max_leaves=8,
    ).map(lambda v: json.dumps(v).encode()),
    st.dictionaries(
        st.sampled_from([*sorted(FULL), "icmp_id", "ip_protocol", "host", "started_at", "ipv6_only", "recorder"]),
        st.one_of(
            st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=20),
            st.sampled_from([FULL["kubernetes"], FULL["process_lineage"], {"ancestors": [1]}, {"ancestors": None}]),
        ),
        max_size=5,
    ).map(lambda change: json.dumps(FULL | change).encode()),
    st.integers(0, 900).map(lambda n: json.dumps(FULL).encode()[:n]),
)  # fmt: skip


@given(LINES)
@example(b"[" * 200_000)
@example(b'{"process_lineage":' * 20_000)
@example(b"1" * 10_000)
@example(b'{"pid":' + b"9" * 5000 + b"}")
@example(json.dumps(FULL).replace("[{", "[" * 900 + "{").replace("}]", "}" + "]" * 900).encode())
def test_a_line_is_parsed_or_rejected(line: bytes) -> None:
    faults = Faults()
    try:
        said = LineParser(faults).parse(line, 1)
    except BadValue as error:
        bad = str(error)
    else:
        bad = ""
    assert bad == "" or (bad.isprintable() and len(bad) < 400)
    if bad or said is None:
        return
    batch = Observations("rustnet-sidecar", "x")
    batch.add(said)
    assert len(batch.columns()["ws"]) == 1
    batch.facts()
    assert said.window_start is None or 0 <= said.window_start <= MAX_TIME


@given(st.text(max_size=50))
def test_addresses_are_parsed_or_rejected(text: str) -> None:
    for read in (parse_address, parse_endpoint, parse_time):
        with contextlib.suppress(BadValue):
            read(text)


def read_all(path: Path) -> tuple[RustnetSidecar, list[Observation]]:
    reader = RustnetSidecar(path)
    return reader, [said for batch in reader.batches() for said in batch]


def test_malformed_lines_are_reported_and_skipped(tmp_path: Path) -> None:
    good = json.dumps(FULL).encode()
    path = tmp_path / "x.jsonl"
    lines = [b"\xef\xbb\xbf" + good, b"", b"garbage", b"\xff\xfe", b"[]", good + b" x", b" " + good + b"\r", good[:50]]
    path.write_bytes(b"\n".join(lines))
    reader, said = read_all(path)
    assert [one.position for one in said] == [1, 7]
    assert reader.records == 2
    assert [position for position, _ in reader.faults.kept] == [3, 4, 5, 6, 8]
    assert reader.faults.kept[-1][1].startswith("the last line is truncated")


def test_only_the_first_malformed_lines_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"nonsense\n" * 50 + json.dumps(FULL).encode())
    reader, said = read_all(path)
    assert (len(said), reader.faults.bad, len(reader.faults.kept)) == (1, 50, 10)


def test_endless_lines_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar_line, "MAX_LINE", 1000)
    good = json.dumps(FULL).encode()
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"x" * 5500 + b"\n" + good + b"\n" + b"y" * 1001 + b"\n" + good)
    reader, said = read_all(path)
    assert [one.position for one in said] == [2, 4]
    assert [position for position, _ in reader.faults.kept] == [1, 3]


def test_batches_are_bounded_by_rows_and_by_text(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("w") as file:
        for i in range(3000):
            file.write(json.dumps(FULL | {"process_executable": f"/{i}/" + "x" * 4000, "pid": i}) + "\n")
    sizes = [len(batch) for batch in RustnetSidecar(path).batches()]
    assert sum(sizes) == 3000
    assert max(sizes) < 2500


def test_a_file_of_another_format(tmp_path: Path) -> None:
    path = tmp_path / "x.connections.jsonl"
    path.write_bytes(b"\xd4\xc3\xb2\xa1" + bytes(range(256)) * 40)
    with pytest.raises(InputError, match="no valid line"):
        read_all(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        read_all(path)
    with pytest.raises(InputError, match="cannot read"):
        read_all(tmp_path / "none.jsonl")
    other = tmp_path / "notes.txt"
    other.write_text("hello\n")
    with pytest.raises(InputError, match="unknown sidecar format"):
        open_sidecar(other)
    with pytest.raises(InputError, match="not a regular file"):
        open_sidecar(tmp_path)


def test_reading_stops_without_any_valid_line(tmp_path: Path) -> None:
    path = tmp_path / "x.connections.jsonl"
    path.write_bytes(b"no\n" * 20_000 + json.dumps(FULL).encode())
    with pytest.raises(InputError):
        read_all(path)


@pytest.mark.parametrize(
    ("capture", "sidecars"),
    [
        ("a.pcap", ["a.pcap.connections.jsonl"]),
        ("a.pcap.gz", ["a.pcap.gz.connections.jsonl", "a.pcap.connections.jsonl"]),
        ("b.pcapng.zst", ["b.pcapng.connections.jsonl"]),
        ("c.pcap", []),
    ],
)
def test_sidecars_next_to_the_capture(tmp_path: Path, capture: str, sidecars: list[str]) -> None:
    for name in ("a.pcap", "a.pcap.gz", "b.pcapng"):
        (tmp_path / f"{name}.connections.jsonl").touch()
    assert [path.name for path in find_sidecars(tmp_path / capture)] == sidecars
