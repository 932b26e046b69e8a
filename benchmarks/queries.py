"""Measure every saved query on a large session: ``python -m benchmarks.queries``.

The session is made here, the same on every machine, by SQL into the real tables: by default a million flows of an hour
between 2,000 clients and 60,000 servers, ten million packets in the index, and the messages, names, claims and facts
that belong to such flows. Each query runs as a reader of the file runs it, with the reader's limit of memory, and all
its rows are fetched. Processor time is that of all threads: on a machine that does something else it says more than
the seconds.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rustnet.dissect import registry
from rustnet.errors import RustnetError
from rustnet.query.catalogue import SavedQuery, load
from rustnet.query.session import FileSession
from rustnet.records import Kind, columns, table_name
from rustnet.store.schema import LEADING
from rustnet.store.session import close, create_or_open
from rustnet.store.tables import CORE_TABLES, FLOWS_ENDED

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

GOAL_SECONDS = 2.0
SPAN_NS = 3_600 * 10**9
T0_NS = 1_780_000_000 * 10**9
MESSAGES = 2_000
"""Rows of each protocol's table that has none of its own here."""

DRAW = "hash({0}::BIGINT * 1000 + {1})"
"""A number that depends on two others and looks random."""

REQUIRED = {table_name(cls): [c for c in columns(cls) if not c.nullable] for cls in CORE_TABLES}


def draw(of: str, salt: int, below: int) -> str:
    """Expression of a number below another one that looks random."""
    return f"({DRAW.format(of, salt)} % {below})::BIGINT"


SERVER = f"(({draw('f', 1, 60_000)} * {draw('f', 2, 60_000)}) // 60000)"
"""A server of flow ``f``; a few are much more frequent than the others."""

FLOW: dict[str, str] = {
    "flow_id": "f",
    "capture_id": "1",
    "started_at": f"make_timestamp_ns({T0_NS} + f * ({SPAN_NS} // $flows))",
    "ended_at": f"make_timestamp_ns({T0_NS} + f * ({SPAN_NS} // $flows) + {draw('f', 3, 20_000)} * {draw('f', 4, 1_000_000)})",
    "protocol": "CASE WHEN kind IN ('dns', 'quic', 'ntp') THEN 'udp' WHEN kind IN ('icmp', 'arp') THEN kind ELSE 'tcp' END",
    "src_ip": f"'10.0.' || {draw('f', 5, 8)} || '.' || {draw('f', 6, 250)}",
    "src_port": f"CASE WHEN kind NOT IN ('icmp', 'arp') THEN 20000 + {draw('f', 7, 40_000)} END",
    "dst_ip": "CASE WHEN kind = 'dns' THEN '10.0.0.53' WHEN kind IN ('smb', 'ssh', 'arp') THEN '10.0.9.' || server % 200 "
    "ELSE (93 + server // 65536) || '.' || server % 200 || '.' || server // 256 % 256 || '.' || server % 256 END",
    "dst_port": "CASE kind WHEN 'dns' THEN 53 WHEN 'tls' THEN 443 WHEN 'quic' THEN 443 WHEN 'http' THEN 80 WHEN 'ssh' THEN 22 "
    "WHEN 'smb' THEN 445 WHEN 'ntp' THEN 123 WHEN 'other' THEN 1024 + server END",
    "src_mac": "printf('02:00:00:00:%02x:%02x', (f % 8)::INT, (f % 250)::INT)",
    "dst_mac": "'02:00:00:00:ff:01'",
    "direction": "CASE WHEN kind IN ('dns', 'smb', 'ssh', 'arp') THEN 'internal' ELSE 'outbound' END",
    "conn_state": f"CASE WHEN {draw('f', 8, 20)} = 0 THEN 'S0' WHEN {draw('f', 8, 20)} = 1 THEN 'REJ' ELSE 'SF' END",
    "history": "'ShADadFf'",
    "end_reason": "'fin'",
    "src_packets": f"1 + {draw('f', 9, 10)}",
    "dst_packets": f"CASE WHEN {draw('f', 8, 20)} = 0 THEN 0 ELSE 1 + {draw('f', 10, 12)} END",
    "src_bytes": f"80 + {draw('f', 9, 10)} * {draw('f', 11, 900)}",
    "dst_bytes": f"{draw('f', 10, 12)} * {draw('f', 12, 1_400)}",
    "src_payload": f"{draw('f', 9, 10)} * {draw('f', 11, 850)}",
    "dst_payload": f"{draw('f', 10, 12)} * {draw('f', 12, 1_350)}",
    "src_num": "281470681743360 + 167772160 + f % 2000",
    "dst_num": "281470681743360 + 1560281088 + server",
    "service": "CASE kind WHEN 'dns' THEN 'domain' WHEN 'tls' THEN 'https' WHEN 'quic' THEN 'https' WHEN 'http' THEN 'www-http' "
    "WHEN 'ssh' THEN 'ssh' WHEN 'smb' THEN 'microsoft-ds' WHEN 'ntp' THEN 'ntp' END",
    "app": "nullif(kind, 'other')",
    "app_source": "CASE WHEN kind = 'other' THEN NULL WHEN f % 50 = 0 THEN 'port' ELSE 'payload' END",
    "hostname": "CASE WHEN kind IN ('tls', 'quic', 'http') THEN 'host' || server // 3 || '.site' || server % 4000 || '.example' END",
    "hostname_source": "CASE WHEN kind IN ('tls', 'quic') THEN 'sni' WHEN kind = 'http' THEN 'http' END",
    "rtt_ms": f"CASE WHEN kind IN ('tls', 'http', 'ssh', 'smb') THEN 1 + {draw('f', 13, 200)} / 3.0 END",
    "min_rtt_ms": f"CASE WHEN kind IN ('tls', 'http', 'ssh', 'smb') THEN 1 + {draw('f', 13, 200)} / 4.0 END",
    "handshake_rtt_ms": f"CASE WHEN kind IN ('tls', 'http', 'ssh', 'smb') THEN 1 + {draw('f', 13, 200)} / 2.0 END",
    "open_ms": f"CASE WHEN kind IN ('tls', 'http', 'ssh', 'smb') THEN 1 + {draw('f', 13, 200)} / 2.0 END",
    "syn_tries": "CASE WHEN kind IN ('tls', 'http', 'ssh', 'smb', 'other') THEN 1 + (f % 40 = 0)::INT END",
    "src_retransmissions": f"CASE WHEN {draw('f', 14, 30)} = 0 THEN {draw('f', 15, 5)} ELSE 0 END",
    "src_missed_bytes": "CASE WHEN f % 500 = 0 THEN 1400 ELSE 0 END",
    "src_zero_windows": "(f % 300 = 0)::INT",
    "src_flags": "27",
    "dst_flags": "27",
    "dst_country": "CASE WHEN kind NOT IN ('dns', 'smb', 'ssh', 'arp') THEN chr(65 + (server % 13)::INT) || chr(65 + (server % 17)::INT) END",
    "dst_asn": "CASE WHEN kind NOT IN ('dns', 'smb', 'ssh', 'arp') THEN 1000 + server % 3000 END",
    "dst_as_name": "CASE WHEN kind NOT IN ('dns', 'smb', 'ssh', 'arp') THEN 'Network ' || server % 3000 END",
    "icmp_type": "CASE WHEN kind = 'icmp' THEN 8 END",
    "first_packet": "f * 10",
    "process_id": "CASE WHEN f % 10 < 8 THEN 1 + f % 400 END",
    "process_source": "CASE WHEN f % 10 < 8 THEN 'rustnet-sidecar' END",
    "process_contested": "f % 100 = 0",
    "unowned_reason": "CASE WHEN f % 10 >= 8 THEN 'no_claim' END",
}  # fmt: skip
"""Columns of flows by expressions over the number of the flow ``f``, its ``server`` and its ``kind``."""

KIND = (
    f"CASE WHEN {draw('f', 20, 100)} < 35 THEN 'dns' WHEN {draw('f', 20, 100)} < 70 THEN 'tls' "
    f"WHEN {draw('f', 20, 100)} < 76 THEN 'quic' WHEN {draw('f', 20, 100)} < 88 THEN 'http' "
    f"WHEN {draw('f', 20, 100)} < 89 THEN 'ssh' WHEN {draw('f', 20, 100)} < 91 THEN 'smb' "
    f"WHEN {draw('f', 20, 100)} < 93 THEN 'icmp' WHEN {draw('f', 20, 100)} < 95 THEN 'arp' "
    f"WHEN {draw('f', 20, 100)} < 97 THEN 'ntp' ELSE 'other' END"
)

MINE = "SELECT flow_id, started_at, first_packet, src_ip, dst_ip, hostname, app, flow_id AS f FROM flows WHERE app = "

OWN_ROWS: dict[str, tuple[str, dict[str, str]]] = {
    "dns": (
        "SELECT *, unnest([false, true]) AS answered, 'n' || f % 30000 || '.site' || f % 4000 || '.example' AS asked "
        f"FROM ({MINE}'dns')",
        {"query": "asked", "qtype": "['A', 'AAAA', 'HTTPS', 'TXT'][1 + f % 4]", "qclass": "'IN'", "response": "answered",
         "rcode": "CASE WHEN answered THEN ['NOERROR', 'NOERROR', 'NOERROR', 'NXDOMAIN', 'SERVFAIL'][1 + f % 5] END",
         "answers": "CASE WHEN answered AND f % 5 < 3 THEN ['93.1.' || f % 200 || '.' || f % 250, '93.2.2.' || f % 90] END",
         "answer_types": "CASE WHEN answered AND f % 5 < 3 THEN ['A', 'A'] END",
         "answer_count": "CASE WHEN answered AND f % 5 < 3 THEN 2 ELSE 0 END", "transport": "'dns'", "txid": "f % 65536",
         "tries": "1", "rtt_ms": "CASE WHEN answered THEN f % 90 END", "answer_ms": "CASE WHEN answered THEN f % 90 END",
         "authoritative": "answered AND f % 3 = 0", "ttl": "300"},
    ),
    "tls": (
        f"{MINE}'tls'",
        {"sni": "hostname", "version": "['TLS 1.3', 'TLS 1.3', 'TLS 1.2', 'TLS 1.0'][1 + f % 4]", "cipher": "'TLS_' || f % 9",
         "ja3": "md5((f % 300)::VARCHAR)", "ja3s": "md5((f % 90)::VARCHAR)", "ja4": "'t13d1516h2_' || f % 900",
         "offered_versions": "['TLS 1.3', 'TLS 1.2']", "offered_alpn": "['h2', 'http/1.1']", "established": "f % 30 > 0",
         "alert": "CASE WHEN f % 30 = 0 THEN 'handshake_failure' END", "server_hello_ms": "f % 70",
         "subject": "CASE WHEN f % 4 = 2 THEN 'CN=' || hostname END", "issuer": "CASE WHEN f % 4 = 2 THEN 'CN=CA ' || f % 20 END",
         "sans": "CASE WHEN f % 4 = 2 THEN [hostname, '*.other.example'] END", "self_signed": "CASE WHEN f % 4 = 2 THEN f % 50 = 2 END",
         "not_before": f"make_timestamp_ns({T0_NS - SPAN_NS * 900})", "not_after": f"make_timestamp_ns({T0_NS} + f % 9000 * 1000000000)",
         "cert_sha256": "CASE WHEN f % 4 = 2 THEN sha256(hostname) END", "cert_key_type": "'RSA'", "cert_key_bits": "2048",
         "cert_signature": "'sha256WithRSAEncryption'"},
    ),
    "quic": (
        f"{MINE}'quic'",
        {"sni": "hostname", "version": "'1'", "alpn": "'h3'", "offered_alpn": "['h3']", "ja4": "'q13d0312h3_' || f % 50",
         "established": "true", "server_hello_ms": "f % 40"},
    ),
    "http": (
        f"SELECT *, unnest([1, 2]) AS time FROM ({MINE}'http')",
        {"method": "CASE WHEN f % 20 = 0 THEN 'POST' ELSE 'GET' END", "host": "hostname", "uri": "'/path/' || f % 50000 || '?q=' || time",
         "version": "'HTTP/1.1'", "user_agent": "'Agent/' || f % 400", "status": "[200, 200, 200, 304, 404, 500][1 + f % 6]",
         "content_type": "['text/html', 'application/json', 'application/zip'][1 + f % 3]", "server": "'nginx'",
         "request_bytes": "CASE WHEN f % 20 = 0 THEN f % 900000 END", "response_bytes": "f % 90000", "response_ms": "f % 300",
         "has_authorization": "f % 50 = 0"},
    ),
    "ssh": (
        f"{MINE}'ssh'",
        {"client_software": "'OpenSSH_9.' || f % 8", "server_software": "'OpenSSH_9.2'", "hassh": "md5((f % 20)::VARCHAR)",
         "hassh_server": "md5((f % 9)::VARCHAR)", "kex": "'curve25519-sha256'", "host_key": "'ssh-ed25519'", "established": "true"},
    ),
    "smb": (
        f"SELECT *, unnest(['SESSION_SETUP', 'CREATE', 'CLOSE']) AS command FROM ({MINE}'smb')",
        {"command": "command", "filename": "'dir\\\\file' || f % 5000", "share": "'\\\\\\\\server\\\\data'",
         "username": "CASE WHEN command = 'SESSION_SETUP' THEN 'user' || f % 300 END", "domain": "'CORP'",
         "result": "CASE WHEN f % 20 = 0 THEN 'LOGON_FAILURE' ELSE 'SUCCESS' END", "bytes_read": "f % 90000", "rtt_ms": "f % 9"},
    ),
    "icmp": (
        f"{MINE}'icmp'",
        {"protocol": "'icmp'", "icmp_type": "CASE WHEN f % 3 = 0 THEN 3 ELSE 8 END",
         "message": "CASE WHEN f % 3 = 0 THEN 'destination_unreachable' ELSE 'echo_request' END",
         "reason": "CASE WHEN f % 3 = 0 THEN 'port_unreachable' END", "quoted_dst_ip": "CASE WHEN f % 3 = 0 THEN dst_ip END",
         "quoted_src_ip": "CASE WHEN f % 3 = 0 THEN src_ip END", "quoted_protocol": "CASE WHEN f % 3 = 0 THEN 'udp' END",
         "quoted_dst_port": "CASE WHEN f % 3 = 0 THEN f % 60000 END", "about_flow_id": "CASE WHEN f % 3 = 0 THEN f - 1 END"},
    ),
}  # fmt: skip
"""Rows of protocols' tables: what they are made from, with the flow's columns and number ``f``, and their columns."""

CORE_ROWS: dict[str, tuple[str, dict[str, str]]] = {
    "captures": (
        "SELECT 1",
        {"capture_id": "1", "source": "'large.pcap'", "kind": "'file'", "format": "'pcap'", "packets": "$packets",
         "complete": "true", "finished": "true", "rustnet_version": "'0'"},
    ),
    "interfaces": ("SELECT 1", {"capture_id": "1", "name": "''", "description": "''", "link_type": "1", "packets": "$packets"}),
    "processes": (
        "SELECT range + 1 AS n FROM range(400)",
        {"process_id": "n", "host": "'pc' || n % 40", "pid": "1000 + n", "name": "'program' || n % 60", "username": "'user' || n % 50",
         "exe": "'/usr/bin/program' || n % 60", "lineage": "['systemd(1)', 'bash(' || n || ')']"},
    ),
    "claims": (
        "SELECT flow_id, process_id, unnest(CASE WHEN process_contested THEN [1, 2] ELSE [1] END) AS rank FROM flows "
        "WHERE process_id IS NOT NULL",
        {"flow_id": "flow_id", "process_id": "process_id", "source": "'rustnet-sidecar'", "quality": "'exact-tuple'",
         "rank": "rank", "evidence": "'large.jsonl:' || flow_id", "match": "'tuple'"},
    ),
    "names": (
        "SELECT DISTINCT ON (hostname, dst_ip, src_ip) hostname, dst_ip, src_ip, started_at FROM flows "
        "WHERE hostname IS NOT NULL AND flow_id % 3 = 0",
        {"capture_id": "1", "ip": "dst_ip", "name": "hostname", "source": "'dns'", "ts": "started_at", "ttl": "300", "client": "src_ip"},
    ),
    "host_facts": (
        "SELECT DISTINCT src_ip AS ip, unnest(['mac', 'hostname', 'os']) AS fact FROM flows",
        {"capture_id": "1", "ip": "ip", "mac": "'02:00:00:' || substr(md5(ip), 1, 2) || ':00:01'", "fact": "fact",
         "value": "fact || ip", "source": "'arp'", "count": "1"},
    ),
    "anomalies": (
        "SELECT range AS n FROM range(5000)",
        {"capture_id": "1", "kind": "'malformed_' || n % 9", "detail": "'detail ' || n % 90", "count": "1", "flow_id": "n + 1",
         "packet": "n", "ts": f"make_timestamp_ns({T0_NS} + n)"},
    ),
}  # fmt: skip


def _zero(sql_type: str) -> str:
    """An expression for a column that must not be NULL."""
    if sql_type == "TIMESTAMP_NS":
        return f"make_timestamp_ns({T0_NS})"
    return "''" if sql_type == "VARCHAR" else "false" if sql_type == "BOOLEAN" else "0"


def _insert(con: "Connection", table: str, given: dict[str, str], source: str, values: dict[str, int]) -> None:
    """Insert rows: the columns that are given, and those that may not be NULL."""
    name = "flows" if table == FLOWS_ENDED else table
    whole = {**{c.name: _zero(c.sql_type) for c in REQUIRED.get(name, [])}, **given}
    shown = ", ".join(f'"{column}"' for column in whole)
    used = {key: value for key, value in values.items() if f"${key}" in " ".join((source, *whole.values()))}
    con.execute(f"INSERT INTO {table}({shown}) SELECT {', '.join(whole.values())} FROM ({source})", used).fetchall()


def _plain(name: str, sql_type: str, kind: Kind) -> str:
    """An expression over ``f`` for a column of a protocol that has no rows of its own here."""
    if sql_type == "BOOLEAN":
        return "f % 3 = 0"
    if sql_type == "TIMESTAMP_NS":
        return f"make_timestamp_ns({T0_NS} + f)"
    text = "'192.0.2.' || f % 250" if kind is Kind.ADDRESS else f"'{name}' || f % 100"
    if sql_type.startswith("VARCHAR"):
        return f"[{text}]" if sql_type.endswith("[]") else text
    return "NULL" if sql_type.endswith("[]") else "f % 100"


def write_session(path: Path, flows: int, packets: int) -> None:
    """Make the session."""
    con = create_or_open(path, registry.tables())
    values = {"flows": flows, "packets": packets}
    source = f"SELECT *, {KIND} AS kind, {SERVER} AS server FROM (SELECT range + 1 AS f FROM range($flows))"
    _insert(con, FLOWS_ENDED, FLOW, source, values)
    ago = "(-ln(({draw} + 1) / 1000001.0) * 2000)::BIGINT".format(draw=draw("n", 1, 1_000_000))
    _insert(con, "packets", {
        "capture_id": "1", "number": "n", "ts": f"make_timestamp_ns({T0_NS} + n * ({SPAN_NS} // $packets))",
        "flow_id": f"greatest(1, n * $flows // $packets - {ago})", "from_src": "n % 2 = 0",
        "length": f"60 + {draw('n', 2, 1400)}", "captured": f"60 + {draw('n', 2, 1400)}", "payload": draw("n", 2, 1400),
        "tcp_flags": f"CASE WHEN {draw('n', 3, 20)} = 0 THEN 2 ELSE 16 END", "file_offset": "24 + n * 800",
    }, "SELECT range + 1 AS n FROM range($packets)", values)  # fmt: skip
    for table, (source, given) in CORE_ROWS.items():
        _insert(con, table, given, source, values)
    leading = {"capture_id": "1", "flow_id": "flow_id", "ts": "started_at", "packet": "first_packet"}
    for cls in dict.fromkeys(registry.tables()):
        name = table_name(cls)
        if name in OWN_ROWS:
            source, given = OWN_ROWS[name]
        else:
            source = f"SELECT flow_id, started_at, first_packet, flow_id AS f FROM flows WHERE flow_id <= {MESSAGES}"
            given = {c.name: _plain(c.name, c.sql_type, c.kind) for c in columns(cls)}
        _insert(con, name, {**leading, **given}, source, values)
    con.execute("CHECKPOINT").fetchall()
    close(con)


def measured(session: FileSession, query: SavedQuery) -> tuple[float, float, int]:
    """Run a query: seconds, processor seconds of all threads, rows."""
    gc.collect()
    begun, busy, rows = time.perf_counter(), time.process_time(), 0
    with query.stream(session, {}) as stream:
        for batch in stream.batches():
            rows += len(batch)
    return time.perf_counter() - begun, time.process_time() - busy, rows


def main() -> int:
    """Make the session, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--packets", type=int, default=10_000_000)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measure these queries")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each query, of which the best counts")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="make the session here if it is not there, and leave it"
    )
    chosen = parser.parse_args()
    assert len(LEADING) == 4
    with tempfile.TemporaryDirectory(prefix="rustnet-bench-") as folder:
        path = chosen.keep or Path(folder) / "large.duckdb"
        if not path.exists():
            begun = time.perf_counter()
            write_session(path, chosen.flows, chosen.packets)
            size = path.stat().st_size / 2**20
            sys.stdout.write(f"session: {size:,.0f} MiB, made in {time.perf_counter() - begun:.0f} s\n")
        return report(path, chosen.only, chosen.repeats)


def report(path: Path, only: list[str] | None, repeats: int) -> int:
    """Print a line for each query, the slowest first, and return how many take longer than the goal."""
    found, failed = [], []
    session = FileSession(path)
    try:
        for name, query in load().items():
            if only and name not in only:
                continue
            try:
                found.append((name, *min(measured(session, query) for _ in range(repeats))))
            except RustnetError as error:
                failed.append(f"{name}: {error}")
    finally:
        session.close()
    found.sort(key=lambda line: -line[1])
    sys.stdout.write(f"{'query':<28}{'seconds':>9}{'CPU s':>9}{'rows':>9}\n")
    for name, seconds, busy, rows in found:
        slow = "  slow" if seconds > GOAL_SECONDS else ""
        sys.stdout.write(f"{name:<28}{seconds:>9.2f}{busy:>9.2f}{rows:>9,}{slow}\n")
    sys.stdout.write("".join(f"{line}\n" for line in failed))
    slow = [name for name, seconds, *_ in found if seconds > GOAL_SECONDS]
    sys.stdout.write(f"goal: each within {GOAL_SECONDS:g} s: {'met' if not slow and not failed else 'NOT met'}\n")
    return len(slow) + len(failed)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
