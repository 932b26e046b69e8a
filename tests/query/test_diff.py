"""Differences of sessions and time ranges: planted ones of each kind, mirrored sides, exact edges, hostile text."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import fastjsonschema
import pytest

import rustnet
from rustnet.errors import UsageError
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.query import diff as diff_module
from rustnet.query.compile import Scope
from rustnet.query.diff import COLUMNS, Difference, Rules, compare, diff
from rustnet.query.diff_sets import KINDS, items_sql
from rustnet.query.diff_sides import Side, SideText, parse_side
from rustnet.query.matching import ALWAYS
from rustnet.query.session import open_session
from tests.cli.ownership_case import record
from tests.dissect.samples_web import tls_talk
from tests.support.command_line import Run
from tests.support.conversations import CLIENT, RESOLVER, dns_flow
from tests.support.packets import ACK, FIN, MAC_C, PSH, START, SYN, Captured, End, tcp_frame, udp_frame
from tests.support.paths import ROOT, SAMPLES
from tests.support.pcap import pcap_file

SECOND = 10**9
SHOP, EVIL, BANK = "192.0.2.80", "198.51.100.7", "192.0.2.44"


def conversation(client: End, server: End, talk: Sequence[tuple[bool, bytes]]) -> list[bytes]:
    """A TCP connection in which both ends send these bytes in turn."""
    numbers = {True: 101, False: 501}
    frames = [
        tcp_frame(client, server, 100, 0, SYN),
        tcp_frame(server, client, 500, 101, SYN | ACK),
        tcp_frame(client, server, 101, 501, ACK),
    ]
    for from_client, data in talk:
        ends = (client, server) if from_client else (server, client)
        for at in range(0, len(data), 1400):
            piece = data[at : at + 1400]
            frames.append(tcp_frame(*ends, numbers[from_client], numbers[not from_client], PSH | ACK, piece))
            numbers[from_client] += len(piece)
    frames.append(tcp_frame(client, server, numbers[True], numbers[False], FIN | ACK))
    frames.append(tcp_frame(server, client, numbers[False], numbers[True] + 1, FIN | ACK))
    return frames


def web(port: int, server: End, host: str, agent: str, size: int = 5, client: str = CLIENT) -> list[bytes]:
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n".encode()
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size
    return conversation((client, port), server, [(True, request), (False, answer)])


def session(folder: Path, name: str, flows: Sequence[Sequence[bytes]], owners: Sequence[dict[str, Any]] = (),
            step: int = 10_000_000) -> Path:  # fmt: skip
    """Session of conversations that follow one another."""
    frames = [frame for flow in flows for frame in flow]
    capture = folder / f"{name}.pcap"
    capture.write_bytes(pcap_file([Captured(START + i * step, frame) for i, frame in enumerate(frames)], magic="ns"))
    if owners:
        lines = "".join(json.dumps(line) + "\n" for line in owners)
        capture.with_name(capture.name + ".connections.jsonl").write_text(lines)
    path = folder / f"{name}.duckdb"
    report = ingest([str(capture)], str(path), Options(strict_parsers=True))
    assert not report.failed
    return path


BASE = [web(40000, (SHOP, 80), "shop.example", "usual/1"), dns_flow(50000, "shop.example")]
MORE = [
    web(40100, (EVIL, 8080), "evil.example", "odd/2", 30_000),
    dns_flow(50100, "evil.example"),
    conversation((CLIENT, 40200), (BANK, 443), tls_talk(12)),
    web(40300, (SHOP, 80), "shop.example", "usual/1", client="10.0.0.9"),
]
CURL = record(40000, -1, 60, process_executable="/usr/bin/curl", username="alice")
IMPLANT = record(40100, -1, 60, pid=666, name="implant", process_executable="/tmp/implant", username="mallory",
                 remote_addr=f"{EVIL}:8080")  # fmt: skip
PLANTED = {
    "process": {"implant"},
    "executable": {"/tmp/implant"},
    "user": {"mallory"},
    "destination": {EVIL, BANK},
    "name": {"evil.example", "www.example.org"},
    "service": {"tcp/8080", "tcp/443"},
    "app": {"tls"},
    "dns": {"evil.example"},
    "user_agent": {"odd/2"},
    "host": {"10.0.0.9"},
    "device": {"02:00:00:00:00:03"},
}


def from_other_card(frames: Sequence[bytes]) -> list[bytes]:
    """Frames of 10.0.0.9 with a hardware address of its own."""
    source = bytes([10, 0, 0, 9])
    return [
        f[:6] + MAC_C + f[12:] if f[26:30] == source else MAC_C + f[6:] if f[30:34] == source else f for f in frames
    ]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("planted")
    before = session(folder, "before", BASE, [CURL])
    after = session(folder, "after", [*BASE, *map(from_other_card, MORE)], [CURL, IMPLANT])
    return before, after


def items(found: Difference, change: str) -> dict[str, set[str]]:
    sets: dict[str, set[str]] = {}
    for row in found.rows:
        if row[0] == change:
            sets.setdefault(row[1], set()).add(row[2])
    return sets


def row_of(found: Difference, kind: str, item: str) -> dict[str, Any]:
    (row,) = [row for row in found.rows if row[1:3] == (kind, item)]
    return dict(zip(COLUMNS, row, strict=True))


def test_planted_differences_of_each_kind(planted: tuple[Path, Path]) -> None:
    found = rustnet.diff(*planted)
    new = items(found, "new")
    assert items(found, "gone") == {}
    for kind, expected in PLANTED.items():
        assert new[kind] == expected, kind
    assert len(new["ja4"]) == len(new["certificate"]) == 1
    assert row_of(found, "certificate", *new["certificate"])["detail"] == "CN=server.example"
    assert row_of(found, "ja4", *new["ja4"])["detail"] == "www.example.org"
    evil = row_of(found, "destination", EVIL)
    assert evil["reasons"] == ["external", "new_process"]
    assert evil["processes"] == ["implant"]
    assert (evil["count_before"], evil["count_after"], evil["bytes_before"]) == (None, 1, None)
    assert evil["bytes_after"] > 30_000
    with rustnet.open(planted[1]) as s:
        assert s.flow(evil["flow_id"]).flow["dst_ip"] == EVIL
        (size,) = s.sql("SELECT src_bytes + dst_bytes FROM flows WHERE dst_ip = ?", [EVIL]).rows[0]
    assert evil["bytes_after"] == size
    assert found.rows[0][2] in ("implant", "/tmp/implant")
    assert [row[4] for row in found.rows] == sorted((row[4] for row in found.rows), reverse=True)
    assert found.counts["destination"] == {"new": 2, "gone": 0, "changed": 0, "same": 2}


def test_swapped_sides_give_the_mirrored_result(planted: tuple[Path, Path]) -> None:
    mirror = {"new": "gone", "gone": "new", "changed": "changed"}
    forth, back = diff(*planted), diff(planted[1], planted[0])
    exchanged = []
    for row in back.rows:
        r = dict(zip(COLUMNS, row, strict=True))
        r["change"] = mirror[r["change"]]
        r["reasons"] = [reason.replace("gone_", "new_") for reason in r["reasons"]]
        for name in ("count", "bytes"):
            r[f"{name}_before"], r[f"{name}_after"] = r[f"{name}_after"], r[f"{name}_before"]
        exchanged.append(tuple(r[name] for name in COLUMNS))
    assert exchanged == forth.rows
    assert len(exchanged) >= 15


@pytest.mark.parametrize("name", ["web", "dns", "contested", "ssh"])
def test_a_session_does_not_differ_from_itself(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.duckdb"
    capture = SAMPLES / f"{name}.pcap"
    ingest([str(capture)], str(path), Options())
    found = diff(path, path)
    assert found.rows == []
    assert sum(counts["same"] for counts in found.counts.values()) > 5
    assert not any(counts[change] for counts in found.counts.values() for change in ("new", "gone", "changed"))
    with rustnet.open(path) as s:
        assert s.diff(s).rows == []
        assert s.diff(str(path), kinds=["app"]).rows == []


def test_volumes_are_compared_by_time(tmp_path: Path) -> None:
    """Twice the traffic in twice the time is no change; four times as much in the same time is."""
    flow = [udp_frame((CLIENT, 50_000), (SHOP, 6000), b"x" * 1000)] * 40
    other = [udp_frame((CLIENT, 50_001), (BANK, 6001), b"x" * 1000)] * 40
    once = session(tmp_path, "once", [flow, other])
    twice = session(tmp_path, "twice", [flow, other, flow, other])
    assert diff(once, twice).rows == []
    more = session(tmp_path, "more", [flow * 4, other], step=10_000_000 * 79 // 199)
    found = diff(once, more)
    changed = row_of(found, "destination", SHOP)
    assert (changed["change"], changed["attribute"]) == ("changed", "bytes")
    assert changed["factor"] == pytest.approx(4, rel=0.01)
    assert (int(changed["before"]), int(changed["after"])) == (changed["bytes_before"], changed["bytes_after"])
    assert changed["bytes_after"] == 4 * changed["bytes_before"]
    assert (BANK in items(found, "changed")["destination"]) is False
    assert diff(once, more, factor=5).rows == []
    back = row_of(diff(more, once), "destination", SHOP)
    assert back["factor"] == pytest.approx(0.25, rel=0.01)
    assert back["surprise"] == changed["surprise"]


def test_small_volumes_do_not_count_as_changes(tmp_path: Path) -> None:
    packet = udp_frame((CLIENT, 50_000), (SHOP, 6000), b"x" * 100)
    filler = [udp_frame((CLIENT, 50_001), (BANK, 6001), b"y")] * 50
    one = session(tmp_path, "one", [[packet], filler, [packet]])
    ten = session(tmp_path, "ten", [[packet], filler, [packet] * 9])
    assert diff(one, ten).rows == []


def test_a_hardware_address_that_changed(tmp_path: Path) -> None:
    flow = web(40000, (SHOP, 80), "shop.example", "usual/1", client="10.0.0.9")
    found = diff(session(tmp_path, "a", [flow]), session(tmp_path, "b", [from_other_card(flow)]))
    row = row_of(found, "host", "10.0.0.9")
    assert (row["change"], row["attribute"]) == ("changed", "mac")
    assert (row["before"], row["after"], row["factor"]) == ("02:00:00:00:00:01", "02:00:00:00:00:03", None)


@pytest.mark.parametrize("lacking", ["before", "after"])
def test_without_evidence_nothing_is_called_new(tmp_path: Path, lacking: str) -> None:
    """A side without a sidecar does not lack the processes, but what would show them."""
    owned, bare = session(tmp_path, "owned", BASE, [CURL]), session(tmp_path, "bare", BASE)
    found = diff(bare, owned) if lacking == "before" else diff(owned, bare)
    assert {"process", "executable", "user"} <= found.not_compared.keys()
    assert found.not_compared["process"] == f"'{lacking}' has none at all: it lacks this evidence"
    assert found.rows == []


def test_a_column_that_a_session_lacks(planted: tuple[Path, Path], tmp_path: Path) -> None:
    old = tmp_path / "old.duckdb"
    old.write_bytes(planted[0].read_bytes())
    with duckdb.connect(str(old)) as con:
        con.execute("ALTER TABLE tls DROP COLUMN ja4")
        con.execute("DROP TABLE ssdp")
    found = diff(old, planted[1])
    assert found.not_compared["ja4"] == "the session of 'before' has no column tls.ja4"
    assert found.not_compared["user_agent"] == "the session of 'before' has no column ssdp.user_agent"
    assert items(found, "new")["app"] == {"tls"}


def test_countries_and_systems_where_a_session_has_them() -> None:
    """The columns and the table of other releases, as they are declared there."""
    con = duckdb.connect()
    con.execute("CREATE TABLE host_facts (ip VARCHAR, fact VARCHAR, value VARCHAR, source VARCHAR, "
                "first_seen TIMESTAMP_NS, last_seen TIMESTAMP_NS)")  # fmt: skip
    con.execute("INSERT INTO host_facts VALUES ('10.0.0.2', 'operating_system', 'Linux', 'dhcp', "
                "make_timestamp_ns(0), make_timestamp_ns(9)), ('10.0.0.2', 'hostname', 'x', 'dhcp', "
                "make_timestamp_ns(0), make_timestamp_ns(9))")  # fmt: skip
    con.execute("CREATE TABLE processes (process_id BIGINT, name VARCHAR, exe VARCHAR, username VARCHAR)")
    con.execute("""CREATE TABLE flows AS SELECT 1::BIGINT flow_id, NULL::BIGINT process_id, 1 capture_id,
        'tcp' protocol, '10.0.0.2' src_ip, 'aa' src_mac, '192.0.2.1' dst_ip, 'bb' dst_mac, 80 dst_port, 'http' service,
        NULL::VARCHAR hostname, 'http' app, 'payload' app_source, 'outbound' direction, 1 src_packets, 1 dst_packets,
        5::BIGINT src_bytes, 6::BIGINT dst_bytes, make_timestamp_ns(5) started_at, make_timestamp_ns(7) ended_at,
        'DE' dst_country, 64496 dst_asn, 'Example' dst_as_name""")
    tables: dict[str, dict[str, str]] = {}
    for table, column in con.execute("SELECT table_name, column_name FROM duckdb_columns()").fetchall():
        tables.setdefault(table, {})[column] = ""
    scope = Scope(tables, lambda _: None)
    rows = [
        con.execute(items_sql(KINDS[kind], None, None, ALWAYS, scope)).fetchall() for kind in ("host", "country", "as")
    ]
    assert [(row[0], row[1]) for (row,) in rows] == [("10.0.0.2", "aa"), ("DE", None), ("AS64496", "Example")]
    assert rows[0][0][-1] == ["mac: aa", "os by dhcp: Linux"]


@pytest.mark.parametrize(
    ("then", "now", "changed"),
    [
        (["mac: a", "os by dhcp: Linux"], ["mac: a", "os by dhcp: Windows"], ("os by dhcp", "Linux", "Windows")),
        (["os by dhcp: Linux"], ["os by smb: Windows"], None),
        (["os by smb: A", "os by smb: B"], ["os by smb: B"], None),
        (["mac: a"], ["mac: a", "mac: b"], ("mac", "a", "a, b")),
        ([], ["mac: b"], None),
        (None, None, None),
    ],
)
def test_what_a_source_states_is_compared_with_the_same_source(then: Any, now: Any, changed: Any) -> None:
    assert diff_module._changed_fact(then, now) == changed


# ---- ranges --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s.duckdb", SideText("s.duckdb")),
        ("s.duckdb@2024-05-01T10:00..2024-05-01T11:00Z",
         SideText("s.duckdb", 1_714_557_600 * SECOND, 1_714_561_200 * SECOND)),
        ("s@..2024-05-01", SideText("s", None, 1_714_521_600 * SECOND)),
        ("s@1714521600.25..", SideText("s", 1_714_521_600 * SECOND + 250_000_000, None)),
        ("s@2024-05-01T12:00+02:00..", SideText("s", 1_714_557_600 * SECOND, None)),
        ("s@..", SideText("s")),
        ("me@host.duckdb", SideText("me@host.duckdb")),
        ("me@host.duckdb@2024..2025", SideText("me@host.duckdb", 1_704_067_200 * SECOND, 1_735_689_600 * SECOND)),
        ("me@host/../s.duckdb", SideText("me@host/../s.duckdb")),
        ("@..2024", SideText("@..2024")),
    ],
)  # fmt: skip
def test_sides_as_they_are_written(text: str, expected: SideText) -> None:
    assert parse_side(text) == expected


@pytest.mark.parametrize("text", ["s@yesterday..", "s@2024-13-01..", "s@2024..2024", "s@2025..2024", "s@1...2"])
def test_ranges_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError):
        parse_side(text)


def test_a_file_with_the_whole_name_is_a_session(planted: tuple[Path, Path], tmp_path: Path) -> None:
    odd = tmp_path / "s@2023..2024"
    odd.write_bytes(planted[0].read_bytes())
    assert parse_side(str(odd)) == SideText(str(odd))
    assert diff(odd, planted[0]).rows == []


def totals(path: Path, start: int | None, end: int | None) -> tuple[int, dict[str, int]]:
    """Bytes of a range, and by destination, as the comparison has them."""
    with open_session(path) as s:
        found = compare(Side(s, start, end), Side(s, 0, 1), Rules(kinds=("destination",)))
        return found.before.bytes, {row[2]: row[14] for row in found.rows}


def test_bytes_of_a_range_are_those_of_its_packets(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    ingest([str(SAMPLES / "web.pcap"), str(SAMPLES / "slow-link.pcap")], str(path), Options())
    with rustnet.open(path) as s:
        times = [row[0] for row in s.sql("SELECT epoch_ns(ts) FROM packets ORDER BY ts").rows]
        whole = s.sql("SELECT sum(length)::BIGINT FROM packets WHERE flow_id IS NOT NULL").rows[0][0]
    assert totals(path, None, None)[0] == whole
    chosen = random.Random(4)
    for _ in range(12):
        first, last = sorted(chosen.sample(times, 2))
        for start, end in ((first, last), (first + 1, last + 1), (None, last), (first, None)):
            size, by_destination = totals(path, start, end)
            low, high = start or 0, end or 1 << 62
            during = "epoch_ns(ts) >= ? AND epoch_ns(ts) < ?"
            with rustnet.open(path) as s:
                expected: dict[str, int] = dict(s.sql(
                    "SELECT dst_ip, sum(length)::BIGINT FROM packets JOIN flows USING (flow_id) WHERE dst_ip IS NOT "
                    f"NULL AND protocol <> 'arp' AND {during} GROUP BY 1", [low, high]).rows)  # fmt: skip
                (all_bytes,) = s.sql(
                    "SELECT coalesce(sum(length), 0)::BIGINT FROM packets WHERE flow_id IS NOT NULL AND "
                    f"{during}", [low, high]).rows[0]  # fmt: skip
            assert {ip: n for ip, n in by_destination.items() if n} == expected
            assert size == all_bytes


def test_the_edges_of_a_range_are_exact(tmp_path: Path) -> None:
    """FROM belongs to the range, TO does not."""
    one, two = udp_frame((CLIENT, 50_000), (SHOP, 6000), b"1"), udp_frame((CLIENT, 50_001), (BANK, 6001), b"2")
    path = session(tmp_path, "s", [[one], [two]], step=SECOND)
    edge = START + SECOND

    def destinations(start: int | None, end: int | None) -> set[str]:
        return set(totals(path, start, end)[1])

    assert destinations(None, edge) == {SHOP}
    assert destinations(None, edge + 1) == {SHOP, BANK}
    assert destinations(edge, None) == {BANK}
    assert destinations(edge + 1, None) == set()
    assert destinations(START, START + 1) == {SHOP}
    found = diff(f"{path}@..{edge // SECOND}", f"{path}@{edge // SECOND}..")
    assert items(found, "new")["destination"] == {BANK}
    assert items(found, "gone")["destination"] == {SHOP}
    assert found.before.end == found.after.start == edge


def test_messages_of_a_range(tmp_path: Path) -> None:
    path = session(tmp_path, "s", [dns_flow(50000, "a.example"), dns_flow(50001, "b.example")], step=SECOND)
    cut = (START + 2 * SECOND) // SECOND
    found = diff(f"{path}@..{cut}", f"{path}@{cut}..", kinds=["dns", "app"])
    assert items(found, "new") == {"dns": {"b.example"}}
    assert items(found, "gone") == {"dns": {"a.example"}}


def test_a_range_without_packets(planted: tuple[Path, Path]) -> None:
    found = diff(planted[0], f"{planted[0]}@2001..2002", kinds=["destination"])
    assert found.after.flows == 0
    assert found.after.first is None
    assert "'after' has no flows" in found.notes
    assert "volumes are not compared: a side covers no time" in found.notes
    assert {row[0] for row in found.rows} == {"gone"}


# ---- choices, bounds and hostile text ------------------------------------------------------------------------------


def test_filters_kinds_and_changes(planted: tuple[Path, Path]) -> None:
    found = diff(*planted, filter=f"dst:{EVIL}", kinds=["destination", "dns", "user_agent"])
    assert items(found, "new") == {"destination": {EVIL}, "user_agent": {"odd/2"}}
    assert list(found.counts) == ["destination", "dns", "user_agent"]
    assert diff(*planted, only=["gone"]).rows == []
    assert diff(*planted, only=["gone"]).counts["destination"]["new"] == 2
    assert len(diff(*planted, limit=3).rows) == 3
    assert diff(*planted, limit=3).truncated
    for wrong in ({"kinds": ["colour"]}, {"only": ["newest"]}, {"factor": 1}, {"factor": float("nan")}):
        with pytest.raises(UsageError):
            diff(*planted, **wrong)


def test_only_the_most_surprising_are_kept_and_all_are_counted(
    planted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = diff(*planted)
    monkeypatch.setattr(diff_module, "KEPT", 1)
    found = diff(*planted)
    assert found.counts == whole.counts
    assert found.truncated
    assert "destination, new: the 1 most surprising of 2 are listed" in found.notes
    best = next(row for row in whole.rows if row[1] == "destination")
    assert [row for row in found.rows if row[1] == "destination"] == [best]


def test_long_texts_do_not_fill_the_memory(planted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff_module, "MOST_CHARACTERS", len(f"{EVIL}evil.example"))
    found = diff(*planted, kinds=["destination"])
    assert found.counts["destination"]["new"] == 2
    assert len(found.rows) == 1
    assert found.truncated
    kept = diff_module._Kept()
    for number in range(1000):
        kept.add(number % 7, ("new", "dns", "x" * number, None))
        assert kept.characters <= 1000 + diff_module.MOST_CHARACTERS
    assert kept.number == 1000


def test_frames_of_a_difference(planted: tuple[Path, Path]) -> None:
    found = diff(*planted)
    pytest.importorskip("pandas")
    frame = found.df()
    assert list(frame.columns) == list(COLUMNS)
    assert str(frame["first_seen"].dtype) == "datetime64[ns, UTC]"
    assert len(frame) == len(found.rows)
    assert len(found.kinds) == len(found.types) == len(COLUMNS)


def test_a_session_that_is_being_written(planted: tuple[Path, Path], tmp_path: Path) -> None:
    """The reader asks the writer's process, and notes that the capture has not ended."""
    found: list[Difference] = []
    path = tmp_path / "growing.duckdb"
    frames = [frame for flow in [*BASE, *MORE] for frame in flow]
    capture = tmp_path / "growing.pcap"
    capture.write_bytes(pcap_file([Captured(START + i * 100_000_000, f) for i, f in enumerate(frames)], magic="ns"))

    def watch(_progress: object) -> None:
        if not found and path.with_name("growing.duckdb.sock").exists():
            made = diff(planted[0], path)
            found.extend([made] if made.after.flows else [])

    ingest([str(capture)], str(path), Options(speed=2.0), watch)
    assert found
    assert found[0].after.growing
    assert not diff(planted[0], path).after.growing


HOSTILE = '\x1b[31mred\u202eevil\nline,"q"|`x`<b>'


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    label = b"".join(bytes([len(part)]) + part for part in (HOSTILE.encode(), b"example")) + b"\0"
    question = b"\0\7\1\0\0\1\0\0\0\0\0\0" + label + b"\0\1\0\1"
    query = [udp_frame((CLIENT, 50_001), (RESOLVER, 53), question)]
    agent = web(40_400, (EVIL, 80), "evil.example", "odd\x1b[2J\x07\u202e")
    return session(folder, "a", BASE), session(folder, "b", [*BASE, query, agent])


@pytest.mark.parametrize("form", ["table", "markdown", "json", "jsonl", "--json", "screen"])
def test_hostile_text_is_printed_safely(hostile: tuple[Path, Path], form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    words = {"--json": ["--json"], "screen": ["--no-color"]}.get(form, ["--format", form])
    done = run("diff", *hostile, *words, tty=form == "screen", columns=200)
    assert done.code == 0
    assert "evil" in done.out
    for text in (done.out, done.err):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


# ---- the command ---------------------------------------------------------------------------------------------------

SIDE = {
    "type": "object", "additionalProperties": False,
    "required": ["session", "from", "to", "first", "last", "seconds", "flows", "flows_owned", "bytes", "incomplete"],
    "properties": {
        "session": {"type": "string"}, "from": {"type": ["string", "null"]}, "to": {"type": ["string", "null"]},
        "first": {"type": ["string", "null"]}, "last": {"type": ["string", "null"]}, "seconds": {"type": "number"},
        "flows": {"type": "integer"}, "flows_owned": {"type": "integer"}, "bytes": {"type": "integer"},
        "incomplete": {"type": "boolean"},
    },
}  # fmt: skip
TEXT, COUNT = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
ROW = {
    "type": "object", "additionalProperties": False, "required": list(COLUMNS),
    "properties": {
        "change": {"enum": ["new", "gone", "changed"]}, "kind": {"enum": list(KINDS)}, "item": {"type": "string"},
        "detail": TEXT, "surprise": {"type": "number"},
        "reasons": {"type": "array", "items": {"enum": ["external", "unowned", "new_process", "gone_process"]}},
        "processes": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "attribute": TEXT, "before": TEXT, "after": TEXT, "factor": {"type": ["number", "null"]},
        "counted": {"enum": ["flows", "messages"]}, "count_before": COUNT, "count_after": COUNT, "bytes_before": COUNT,
        "bytes_after": COUNT, "first_seen": TEXT, "last_seen": TEXT, "flow_id": {"type": "integer"},
    },
}  # fmt: skip
COUNTS = {
    "type": "object", "additionalProperties": False, "required": ["new", "gone", "changed", "same"],
    "properties": {name: {"type": "integer"} for name in ("new", "gone", "changed", "same")},
}  # fmt: skip
RULES = {
    "type": "object", "additionalProperties": False,
    "required": ["filter", "kinds", "only", "factor", "least_bytes", "least_number"],
    "properties": {
        "filter": {"type": "string"}, "kinds": {"type": "array", "items": {"enum": list(KINDS)}},
        "only": {"type": "array"}, "factor": {"type": "number"}, "least_bytes": {"type": "integer"},
        "least_number": {"type": "integer"},
    },
}  # fmt: skip
SCHEMA = {
    "type": "object", "additionalProperties": False,
    "required": ["before", "after", "rules", "counts", "not_compared", "notes", "truncated", "rows"],
    "properties": {
        "before": SIDE, "after": SIDE, "rules": RULES,
        "counts": {"type": "object", "additionalProperties": COUNTS},
        "not_compared": {"type": "object", "additionalProperties": {"type": "string"}},
        "notes": {"type": "array", "items": {"type": "string"}}, "truncated": {"type": "boolean"},
        "rows": {"type": "array", "items": ROW},
    },
}  # fmt: skip
"""What scripts rely on: keys may be added, never renamed; then this and docs/diff.md change."""


def keys(schema: dict[str, Any]) -> set[str]:
    found = set(schema.get("properties", ()))
    for inner in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            found |= keys(inner)
    return found


def test_json_keeps_its_schema(planted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    check = fastjsonschema.compile(SCHEMA)
    for words in (planted, planted[::-1], (planted[0], f"{planted[0]}@2001..")):
        done = run("diff", *words, "--json")
        assert done.code == 0
        check(json.loads(done.out))
    assert json.loads(run("diff", *planted, "--json").out)["before"]["session"] == str(planted[0])


def test_the_page_describes_every_key_and_kind() -> None:
    page = (ROOT / "docs" / "diff.md").read_text("utf-8")
    for name in {*keys(SCHEMA), *KINDS}:
        assert f"`{name}`" in page, name
    for kind in KINDS.values():
        assert f"| `{kind.name}` | {kind.text} | {kind.detail} | {kind.counted} | {kind.weight:g} |" in page
    for constant in (
        diff_module.LEAST_BYTES,
        diff_module.LEAST_NUMBER,
        diff_module.KEPT,
        diff_module.MOST_CHARACTERS,
        diff_module.MOST_PROCESSES,
    ):
        assert f"{constant:,}" in page


def test_formats_and_exit_codes(planted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = Run(monkeypatch)
    expected = len(diff(*planted).rows)
    assert len(json.loads(run("diff", *planted, "--format", "json").out)) == expected
    assert len(run("diff", *planted, "--format", "jsonl").out.splitlines()) == expected
    assert len(run("diff", *planted, "--format", "csv").out.splitlines()) == expected + 1
    assert len(run("diff", *planted, "--format", "markdown").out.splitlines()) == expected + 2
    target = tmp_path / "d.parquet"
    assert run("diff", *planted, "-o", target).code == 0
    with duckdb.connect() as con:
        rows = con.execute("SELECT change, kind, item, reasons FROM read_parquet(?)", [str(target)]).fetchall()
    assert rows == [(r[0], r[1], r[2], r[5]) for r in diff(*planted).rows]
    assert run("diff", *planted).code == 0
    assert run("diff", *planted, "--exit-code").code == 1
    assert run("diff", planted[0], planted[0], "--exit-code").code == 0
    assert "no differences" in run("diff", planted[0], planted[0]).err
    assert run("diff", *planted, "--only", "gone", "--exit-code").code == 0
    assert run("diff", *planted, "--kind", "destination,app", "--kind", "dns", "--format", "jsonl").out.count("\n") == 4
    assert "unknown kind 'colour'" in run("diff", *planted, "-k", "colour").err
    assert run("diff", *planted, "--json", "--format", "csv").code == 2
    assert run("diff", planted[0], tmp_path / "none.duckdb").code == 1
    assert run("diff", *planted, "-o", planted[1], "--format", "csv").code == 2


def test_the_screen(planted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    done = run("diff", *planted, "--no-color", tty=True, columns=160)
    assert any(line.startswith("+  destination") and EVIL in line for line in done.out.splitlines())
    assert f"before: {planted[0]}: " in done.err
    assert "per second" in done.err
    assert max(map(len, done.out.splitlines())) <= 160
    few = run("diff", *planted, "--no-color", "-n", "2", tty=True, columns=80)
    assert len(few.out.splitlines()) == 3
    assert "; --all shows more" in few.err
    with rustnet.open(planted[1]) as s:
        assert s.diff(planted[0], only=["gone"]).rows == diff(planted[1], planted[0], only=["gone"]).rows


def test_a_change_on_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    flow = [udp_frame((CLIENT, 50_000), (SHOP, 6000), b"x" * 1000)] * 40
    once = session(tmp_path, "once", [flow])
    more = session(tmp_path, "more", [flow * 4], step=10_000_000 * 39 // 159)
    done = run("diff", once, more, "--no-color", "-k", "destination", tty=True, columns=160)
    assert "bytes: 41.7 kB → 166.7 kB (x4 per second)" in done.out
