"""Logs of other tools and RustNet's events: recognised by content, read by declared fields, claims checked."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from rustnet.attribute.discover import FORMATS, open_sidecar
from rustnet.attribute.formats.log_syntax import as_utf8, audit_records, encoding, json_records, zeek_records
from rustnet.attribute.formats.log_table import LOGS
from rustnet.attribute.formats.process_logs import moment
from rustnet.attribute.match import Sidecar, attribute
from rustnet.attribute.observation import Faults, Observation, ProcessFacts
from rustnet.attribute.values import BadValue, parse_address
from rustnet.errors import InputError, UsageError
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.policy.ownership import ANY, RANKS
from tests.support.paths import ROOT

T0 = 1_780_000_000
S = 10**9
AT = "2026-05-28 20:26:40.500"  # T0 + 0.5 s
LOCAL, REMOTE = parse_address("10.0.0.1"), parse_address("93.184.216.34")


def put(folder: Path, content: str | bytes | list[Any], name: str = "some.log") -> Path:
    path = folder / name
    if isinstance(content, list):
        content = "".join(json.dumps(line) + "\n" for line in content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, form: str | None = None) -> tuple[list[Observation], Faults, str]:
    reader = open_sidecar(path, None, form)
    return [said for batch in reader.batches() for said in batch], reader.faults, reader.source


def only(path: Path) -> Observation:
    said, faults, _ = read(path)
    assert (faults.bad, faults.values, len(said)) == (0, 0, 1)
    return said[0]


SYSMON = {
    "RuleName": "-", "UtcTime": AT, "ProcessGuid": "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}", "ProcessId": 4242,
    "Image": "C:\\Program Files\\App\\app.exe", "User": "DESK\\ann", "Protocol": "tcp", "Initiated": True,
    "SourceIsIpv6": False, "SourceIp": "10.0.0.1", "SourceHostname": "DESK", "SourcePort": 40000,
    "DestinationIsIpv6": False, "DestinationIp": "93.184.216.34", "DestinationHostname": "-", "DestinationPort": 443,
}  # fmt: skip
TEXTS = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in SYSMON.items()}
LOWER = {key[0].lower() + key[1:]: value for key, value in TEXTS.items()}
APP = ProcessFacts(
    host="DESK", pid=4242, name="app.exe", exe="C:\\Program Files\\App\\app.exe", username="DESK\\ann"
)  # fmt: skip


@pytest.mark.parametrize(
    "record",
    [
        {"Event": {"EventData": SYSMON, "System": {"EventID": 3, "Computer": "DESK",
                   "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}}}}},
        {"Event": {"EventData": TEXTS, "System": {"EventID": {"#text": "3"}, "Computer": "DESK",
                   "Provider": {"Name": "Microsoft-Windows-Sysmon"}}}},
        {"@timestamp": "2026-05-28T20:26:40.500Z", "event": {"code": "3"}, "host": {"name": "x"},
         "winlog": {"provider_name": "Microsoft-Windows-Sysmon", "event_id": "3", "computer_name": "DESK",
                    "event_data": {k: v for k, v in TEXTS.items() if k != "UtcTime"}}},
        {"data": {"win": {"system": {"providerName": "Microsoft-Windows-Sysmon", "eventID": "3", "computer": "DESK"},
                          "eventdata": LOWER}}},
        SYSMON | {"EventID": 3, "Hostname": "DESK", "Channel": "Microsoft-Windows-Sysmon/Operational"},
        SYSMON | {"Id": 3, "Computer": "DESK"},
    ],
    ids=["evtx_dump", "evtx_dump attributes", "winlogbeat", "wazuh", "nxlog", "flat"],
)  # fmt: skip
def test_sysmon(tmp_path: Path, record: dict[str, Any]) -> None:
    said = only(put(tmp_path, [record]))
    assert said == Observation(
        "tcp",
        LOCAL,
        40000,
        REMOTE,
        443,
        T0 * S + S // 2,
        T0 * S + S // 2,
        T0 * S + S // 2,
        APP,
        "event-3",
        1,
        host="DESK",
    )


def test_other_events_of_sysmon_are_ignored_and_inbound_ones_swapped(tmp_path: Path) -> None:
    start = {"Event": {"EventData": {"Image": "a"}, "System": {"EventID": 1, "P": "Microsoft-Windows-Sysmon"}}}
    answer = SYSMON | {"Initiated": "false", "Id": 3, "ProcessId": "0x1092"}
    said = only(put(tmp_path, [start, answer]))
    assert (said.local, said.local_port, said.remote, said.remote_port) == (REMOTE, 443, LOCAL, 40000)
    assert (said.position, said.process and said.process.pid) == (2, 4242)
    with pytest.raises(InputError, match="no sysmon record of a connection"):
        read(put(tmp_path, [start]))


@pytest.mark.parametrize("form", ["array", "pretty", "utf-16", "bom", "commas"])
def test_json_in_any_layout(tmp_path: Path, form: str) -> None:
    rows = [SYSMON | {"Id": 3, "SourcePort": 40000 + n} for n in range(3)]
    text = {
        "array": json.dumps(rows), "pretty": json.dumps(rows, indent=2), "utf-16": json.dumps(rows),
        "bom": "\n".join(map(json.dumps, rows)), "commas": "[\n  " + ",\n  ".join(map(json.dumps, rows)) + "\n]\n",
    }[form]  # fmt: skip
    coded = {"utf-16": "utf-16", "bom": "utf-8-sig"}.get(form, "utf-8")
    said, faults, source = read(put(tmp_path, text.encode(coded)))
    assert ([o.local_port for o in said], faults.bad, source) == ([40000, 40001, 40002], 0, "sysmon")


EVENT = {
    "action": "connect", "pid": "77", "path": "/usr/bin/curl", "fd": "5", "auid": "1000", "status": "succeeded",
    "family": "2", "protocol": "6", "local_address": "", "remote_address": "93.184.216.34", "local_port": "0",
    "remote_port": "443", "socket": "", "time": str(T0), "uptime": "9", "eid": "0001",
}  # fmt: skip
CURL = ProcessFacts(pid=77, name="curl", exe="/usr/bin/curl")


@pytest.mark.parametrize(
    ("wrapped", "host"),
    [
        (EVENT, None),
        ({"name": "pack_net", "hostIdentifier": "box", "unixTime": 5, "columns": EVENT, "action": "added"}, "box"),
        ({"name": "q", "hostIdentifier": "box", "snapshot": [EVENT], "action": "snapshot"}, "box"),
        ({"name": "q", "hostIdentifier": "box", "diffResults": {"added": [EVENT], "removed": []}}, "box"),
    ],
)
def test_osquery_socket_events(tmp_path: Path, wrapped: dict[str, Any], host: str | None) -> None:
    """When connect is called, the local end is not known yet."""
    said = only(put(tmp_path, [wrapped]))
    assert said == Observation(
        "tcp", None, None, REMOTE, 443, T0 * S, T0 * S, T0 * S, CURL._replace(host=host), "connect", 1, host=host
    )


def test_osquery_of_the_kernels_own_events(tmp_path: Path) -> None:
    bpf = EVENT | {
        "syscall": "accept", "parent": "1", "uid": "33", "gid": "34", "protocol": "17", "local_address": "10.0.0.1",
        "local_port": "40000", "remote_port": "443", "cmdline": "nc -l",
    }  # fmt: skip
    del bpf["action"], bpf["auid"]
    said = only(put(tmp_path, [bpf]))
    assert (said.protocol, said.local, said.local_port, said.quality) == ("udp", LOCAL, 40000, "accept")
    assert said.process == CURL._replace(ppid=1, uid=33, gid=34, cmdline="nc -l")


def test_osquery_open_sockets(tmp_path: Path) -> None:
    row = {"pid": 77, "name": "curl", "fd": 3, "family": 2, "protocol": 6, "local_address": "10.0.0.1",
           "local_port": 40000, "remote_address": "93.184.216.34", "remote_port": 443,
           "state": "ESTABLISHED", "path": ""}  # fmt: skip
    listener = row | {
        "local_address": "0.0.0.0",
        "local_port": 22,
        "remote_address": "0.0.0.0",
        "remote_port": 0,
        "pid": 5,
    }
    any6 = listener | {"local_address": "::", "remote_address": "::", "family": 10}
    local = row | {"family": 1, "path": "/run/x.sock", "protocol": 0, "remote_address": "", "local_address": ""}
    raw = listener | {"protocol": 255, "local_port": 0}
    whole = {"name": "q", "hostIdentifier": "box", "unixTime": T0, "snapshot": [row, listener, any6, local, raw]}
    said, faults, source = read(put(tmp_path, [whole]))
    assert source == "osquery-open-sockets"
    assert [(o.protocol, o.local, o.local_port, o.remote, o.remote_port, o.family) for o in said] == [
        ("tcp", LOCAL, 40000, REMOTE, 443, 0), ("tcp", None, 22, None, None, 4), ("tcp", None, 22, None, None, 0)
    ]  # fmt: skip
    assert said[0].process == ProcessFacts(host="box", pid=77, name="curl")
    assert (said[0].window_start, said[0].quality, said[0].host) == (T0 * S, "snapshot", "box")
    assert (faults.bad, faults.unsupported) == (0, 1)
    untimed = only(put(tmp_path, json.dumps([row], indent=1)))
    assert (untimed.window_start, untimed.window_end, untimed.observed_at) == (None, None, None)


AUDIT = """\
node=box type=SYSCALL msg=audit(1780000000.500:100): arch=c000003e syscall=42 success=no exit=-115 a0=3 \
a1=7ff items=0 ppid=50 pid=77 auid=1000 uid=1000 gid=100 euid=0 tty=pts0 ses=1 comm="curl" \
exe="/usr/bin/curl" key="net"\x1d\
ARCH=x86_64 SYSCALL=connect AUID="ann" UID="ann" GID="users"
node=box type=SYSCALL msg=audit(1780000000.600:101): arch=c000003e syscall=49 success=yes exit=0 ppid=1 pid=9 comm="x"
node=box type=SOCKADDR msg=audit(1780000000.500:100): saddr=020001BB5DB8D8220000000000000000\x1dSADDR={ fam=inet }
node=box type=CWD msg=audit(1780000000.500:100): cwd="/home/ann"
node=box type=PROCTITLE msg=audit(1780000000.500:100): proctitle=6375726C002D730068747470733A2F2F782E6F7267
node=box type=EOE msg=audit(1780000000.500:100):
type=SOCKADDR msg=audit(1780000000.600:101): saddr=020001BB5DB8D8220000000000000000
type=SYSCALL msg=audit(1780000001.000:102): arch=c00000b7 syscall=203 success=no exit=-111 ppid=1 pid=78 \
uid=4294967295 comm=6120622063 exe="/bin/a b c"
type=SOCKADDR msg=audit(1780000001.000:102): saddr=0A000035000000002001486048600000000000000000888800000000
type=SYSCALL msg=audit(1780000002.000:103): arch=40000003 syscall=102 success=yes exit=0 a0=3 ppid=1 pid=79 comm="old"
type=SOCKADDR msg=audit(1780000002.000:103): saddr=0002005001020304
type=SYSCALL msg=audit(1780000003.000:104): arch=c000003e syscall=42 success=yes exit=0 ppid=1 pid=80 comm="local"
type=SOCKADDR msg=audit(1780000003.000:104): saddr=01002F72756E2F782E736F636B00
type=DAEMON_START msg=audit(nonsense
"""


def test_auditd(tmp_path: Path) -> None:
    """The socket's protocol is not in the log, nor its local end: both protocols are looked for."""
    said, faults, source = read(put(tmp_path, AUDIT, "audit.log"))
    assert (source, faults.bad) == ("auditd", 1)
    curl = ProcessFacts(
        host="box", pid=77, ppid=50, name="curl", exe="/usr/bin/curl", cmdline="curl -s https://x.org", cwd="/home/ann",
        uid=1000, gid=100, username="ann",
    )  # fmt: skip
    first = T0 * S + S // 2
    for n, protocol in enumerate(("tcp", "udp")):
        assert said[n] == Observation(
            protocol, None, None, REMOTE, 443, first, first, first, curl, "connect", 1, host="box"
        )  # fmt: skip
    rest = [(o.protocol, o.remote, o.remote_port, o.quality, o.process and o.process[1:7]) for o in said[2::2]]
    assert rest == [
        (
            "tcp",
            parse_address("2001:4860:4860::8888"),
            53,
            "connect-failed",
            (78, 1, "a b c", "/bin/a b c", None, None),
        ),
        ("tcp", parse_address("1.2.3.4"), 80, "connect", (79, 1, "old", None, None, None)),
    ]
    assert said[2].process is not None
    assert said[2].process.uid is None


def test_calls_of_connect_match_the_flow_that_began_then(session: Any, tmp_path: Path) -> None:
    mine = session.flow("10.0.0.1:40000", "93.184.216.34:443", 0.51, 9)
    old = session.flow("10.0.0.1:40001", "93.184.216.34:443", -60, 60)
    inward = session.flow("93.184.216.34:443", "10.0.0.1:40002", 0.51, 9)
    other = session.flow("10.0.0.1:40003", "93.184.216.34:444", 0.51, 9)
    report = attribute(session.con, 1, [put(tmp_path, AUDIT, "audit.log")])
    assert session.verdict(mine) == (77, "auditd", False, None)
    assert session.verdict(old)[0] is None
    assert session.verdict(inward) == (None, None, None, "no_claim")
    assert session.verdict(other) == (None, None, None, "no_claim")
    assert session.ask(
        "SELECT match, rank, reversed, round(distance_ms), evidence FROM claims WHERE flow_id = ?", mine
    ) == [("remote", 55, False, 10.0, "audit.log:1")]
    assert report.bad_records == 1


def test_of_two_calls_the_nearer_one_wins(session: Any, tmp_path: Path) -> None:
    line = (
        "type=SYSCALL msg=audit({0}:{1}): arch=c000003e syscall=42 success=yes exit=0 ppid=1 pid={1} comm=\"p\"\n"
        "type=SOCKADDR msg=audit({0}:{1}): saddr=020001BB5DB8D8220000000000000000\n"
    )  # fmt: skip
    text = "".join(line.format(f"{T0 + n // 10}.{n % 10}00", 500 + n) for n in range(200))
    flows = [session.flow(f"10.0.0.1:{40000 + n}", begin=n / 10 + 0.002, end=100) for n in range(200)]
    attribute(session.con, 1, [put(tmp_path, text)])
    assert [session.verdict(flow) for flow in flows] == [(500 + n, "auditd", False, None) for n in range(200)]


ZEEK = """\
#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\tconn
#open\t2026-05-28-20-26-40
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tconn_state
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tstring
1780000000.250001\tCabc1\t10.0.0.1\t40000\t93.184.216.34\t443\ttcp\tssl\t3.000000\t517\tSF
1780000100.000000\tCabc2\t93.184.216.34\t443\t10.0.0.1\t40000\ttcp\t-\t-\t-\tOTH
1780000000.000000\tCicmp\t10.0.0.1\t8\t1.1.1.1\t0\ticmp\t-\t1.5\t56\tOTH
broken\tline
1780000000.000000\tCudp\t10.0.0.1\t5353\t224.0.0.251\t5353\tudp\tdns\\x2cmdns\t-\t-\tS0
#close\t2026-05-28-20-30-00
"""
ZEEK_JSON = [
    {"ts": T0 + 0.250001, "uid": "Cabc1", "id.orig_h": "10.0.0.1", "id.orig_p": 40000, "id.resp_h": "93.184.216.34",
     "id.resp_p": 443, "proto": "tcp", "service": "ssl", "duration": 3.0, "conn_state": "SF"},
    {"ts": "2026-05-28T20:28:20.000000Z", "uid": "Cabc2", "id": {"orig_h": "93.184.216.34", "orig_p": 443,
     "resp_h": "10.0.0.1", "resp_p": 40000}, "proto": "tcp", "conn_state": "OTH"},
]  # fmt: skip


def test_zeek_in_both_forms(tmp_path: Path) -> None:
    said, faults, source = read(put(tmp_path, ZEEK, "conn.log"))
    assert (source, faults.bad, faults.kept[0][0]) == ("zeek", 1, 12)
    assert said[0] == Observation(
        "tcp", LOCAL, 40000, REMOTE, 443, T0 * S + 250_001_000, (T0 + 3) * S + 250_001_000, T0 * S + 250_001_000, None,
        "conn", 9, alias="Cabc1", service="ssl",
    )  # fmt: skip
    assert (said[2].protocol, said[2].local_port, said[2].remote_port) == ("icmp", None, None)
    assert said[3].service == "dns,mdns"
    other, faults, source = read(put(tmp_path, ZEEK_JSON, "conn.json"))
    assert (source, faults.bad) == ("zeek", 0)
    assert [o._replace(position=0) for o in other] == [o._replace(position=0) for o in said[:2]]


def test_zeeks_names_do_not_change_unowned_reason(session: Any, tmp_path: Path) -> None:
    flow = session.flow(begin=0.25, end=3)
    later = session.flow(begin=99, end=200)
    icmp = session.flow("10.0.0.1:0", "1.1.1.1:0", 0, 2, protocol="icmp")
    none = session.flow("10.0.0.9:1", "10.0.0.8:2")
    path = put(tmp_path, ZEEK, "conn.log")
    report = attribute(session.con, 1, [path])
    assert session.ask("SELECT * FROM aliases ORDER BY flow_id") == [
        (flow, "zeek", "Cabc1", "ssl", 0.0, False, "conn.log:9"),
        (later, "zeek", "Cabc2", None, 0.0, True, "conn.log:10"),
        (icmp, "zeek", "Cicmp", None, 0.0, False, "conn.log:11"),
    ]
    assert {session.verdict(f)[3] for f in (flow, later, icmp, none)} == {"no_sidecar"}
    assert (report.claims, report.processes, report.records) == (0, 0, 4)
    owner = session.sidecar({"timestamp": "2026-06-01T12:00:00Z", "protocol": "TCP", "local_addr": "10.0.0.1:40000",
                             "remote_addr": "93.184.216.34:443", "pid": 1, "process_name": "a"})  # fmt: skip
    attribute(session.con, 1, [owner, path])
    assert session.verdict(flow)[:2] == (1, "rustnet-sidecar")
    assert session.verdict(none)[3] == "no_claim"


def event(kind: str, at: str, **more: Any) -> dict[str, Any]:
    made = {"timestamp": at, "event": kind, "protocol": "TCP", "source_ip": "10.0.0.1", "source_port": 40000,
            "destination_ip": "93.184.216.34", "destination_port": 443, "dpi_protocol": "HTTPS (x.org)"}  # fmt: skip
    return made | more


OWNED = {
    "pid": 77, "process_name": "curl", "process_ppid": 5, "process_uid": 0, "process_gid": 1,
    "process_executable": "/bin/curl", "attribution_match": "exact-tuple",
    "process_lineage": {"ancestors": [{"pid": 1, "name": "init"}], "truncated": False},
    "kubernetes": {"pod_name": "p", "pod_namespace": "n", "pod_uid": "u", "container_id": "c", "container_name": "cn",
                   "cgroup_path": "/k"},
}  # fmt: skip


def test_rustnets_events(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        [
            event("new_connection", "2026-05-28T20:26:40.500Z"),
            {"event": "started", "timestamp": "2026-05-28T20:26:40Z"},
            event("connection_closed", "2026-05-28T20:26:50Z", duration_secs=9, bytes_sent=5, **OWNED),
            event("connection_closed", "2026-05-28T20:26:50Z", source_ip="2001:db8::1", destination_ip="::1"),
            event("connection_closed", "2026-05-28T20:26:50Z", source_ip=5),
        ],
    )
    said, faults, source = read(path)
    assert (source, faults.bad, faults.unsupported, len(said)) == ("rustnet-json-log", 1, 1, 3)
    moment_ = T0 * S + S // 2
    assert said[0] == Observation(
        "tcp", LOCAL, 40000, REMOTE, 443, moment_, moment_, moment_, None, "unstated", 1
    )  # fmt: skip
    facts = ProcessFacts(
        pid=77, ppid=5, name="curl", exe="/bin/curl", uid=0, gid=1, lineage=("init(1)",), container_id="c",
        container_name="cn", pod="p", pod_uid="u", namespace="n", cgroup="/k",
    )  # fmt: skip
    assert said[1] == Observation(
        "tcp", LOCAL, 40000, REMOTE, 443, T0 * S, (T0 + 10) * S, (T0 + 10) * S, facts, "exact-tuple", 3
    )  # fmt: skip
    assert said[2].local == parse_address("2001:db8::1")


def test_an_event_without_a_process_makes_a_flow_ownerless(session: Any, tmp_path: Path) -> None:
    flow, other = session.flow(end=3), session.flow("10.0.0.1:40001")
    at = "2026-05-28T20:26:40.500Z"
    log = [event("new_connection", at), event("new_connection", at, source_port=40001),
           event("connection_closed", "2026-05-28T20:26:50Z", duration_secs=9, **OWNED)]  # fmt: skip
    attribute(session.con, 1, [put(tmp_path, log)])
    assert session.verdict(flow) == (77, "rustnet-json-log", False, None)
    assert session.verdict(other) == (None, None, None, "ownerless")
    assert session.ask("SELECT rank, match, evidence FROM claims") == [(22, "tuple", "some.log:3")]


def test_a_format_can_be_named(session: Any, tmp_path: Path) -> None:
    path = put(tmp_path, [SYSMON | {"Id": 3}])
    with pytest.raises(InputError, match="no zeek record"):
        read(path, "zeek")
    with pytest.raises(UsageError, match=r"known formats: auditd, .*zeek"):
        read(path, "nonsense")
    with pytest.raises(UsageError):
        ingest([str(path)], str(tmp_path / "s.duckdb"), Options(sidecar_format="nonsense"))
    assert not (tmp_path / "s.duckdb").exists()
    session.flow()
    attribute(session.con, 1, [Sidecar(path, format="sysmon")])
    assert session.ask("SELECT source, quality, rank FROM claims") == [("sysmon", "event-3", 14)]


def test_every_format_has_a_name_of_its_own_and_ranks() -> None:
    names = [known.name for known in FORMATS]
    assert len(set(names)) == len(names)
    assert all((log.name, ANY) in RANKS for log in LOGS if not log.names_only)


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ('{"a":1}\n{"a":\n{"a":2}', 1), ('{"a":1} garbage\n{"a":2}\n', 1), ("[1, 2]\n" + '{"a":1}\n{"a":2}', 1),
        ('{"a":1}{"a":2}', 0), ('{"a":1},\x1e{"a":2}\n{"b', 1), ('{"a":1}\n{"a":2}\n' + '{"x":' * 99_999, 1),
        ('{"a":1}\n{"x":"' + "y" * 3_000_000 + '"}\n{"a":2}', 1), ('{"a":1}\n{"x":1e999999999}\n{"a":2}', 0),
        ('{"a":1}\n{"x":' + "9" * 9999 + '}\n{"a":2}', 1),
    ],
)  # fmt: skip
def test_malformed_json_affects_only_its_own_record(text: str, bad: int) -> None:
    faults = Faults()
    found = [record for _, record in json_records(io.BytesIO(text.encode()), faults)]
    assert [r["a"] for r in found if "a" in r] == [1, 2]
    assert faults.bad == bad


def test_json_line_numbers_across_chunks() -> None:
    rows = [{"n": n, "t": "x" * (n % 300), "v": [True, None, -1.5e3]} for n in range(9000)]
    found = list(json_records(io.BytesIO("\n".join(map(json.dumps, rows)).encode()), Faults()))
    assert found == [(n + 1, row) for n, row in enumerate(rows)]


def test_invalid_text_is_replaced() -> None:
    found = list(json_records(io.BytesIO(b'{"a":"\xff\xfe"}'), Faults()))
    assert found == [(1, {"a": "\ufffd\ufffd"})]
    assert (encoding(b"\xff\xfea\0"), as_utf8("a".encode("utf-16"))) == ("utf-16", b"a")


def test_audit_events_that_never_end_are_bounded() -> None:
    head = "type=SYSCALL msg=audit(1.0:{0}): arch=c000003e syscall=42 success=yes pid={0}\n"
    tail = "type=SOCKADDR msg=audit(1.0:{0}): saddr=0200005001020304\n"
    text = "".join(head.format(n) for n in range(2000)) + "".join(tail.format(n) for n in range(1488, 2000))
    found = list(audit_records(io.BytesIO(text.encode()), Faults()))
    assert [record["pid"] for _, record in found] == [str(n) for n in range(1488, 2000)]


def test_a_zeek_log_without_a_header_is_malformed() -> None:
    faults = Faults()
    assert list(zeek_records(io.BufferedReader(io.BytesIO(b"a\tb\n\nc\td\n")), faults)) == []
    assert faults.bad == 2


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        (T0, T0 * S), (T0 * 1000 + 5, T0 * S + 5_000_000), (T0 * 10**6 + 5, T0 * S + 5000), (T0 * S + 5, T0 * S + 5),
        (f"{T0}.123456789", T0 * S + 123_456_789), (float(T0) + 0.25, T0 * S + S // 4), (str(T0), T0 * S),
        ("2026-05-28T22:26:40.5+0200", T0 * S + S // 2), (AT, T0 * S + S // 2), ("", None), (None, None),
        (float(T0 * 1000), T0 * S),
    ],
)  # fmt: skip
def test_times(value: object, ns: int | None) -> None:
    assert moment(value) == ns


@pytest.mark.parametrize("value", ["x", -1, 10**30, True, [], {}, float("nan"), float("inf"), "1.x", "9" * 30, "²"])
def test_invalid_times(value: object) -> None:
    with pytest.raises(BadValue):
        moment(value)


@pytest.mark.parametrize(
    "change",
    [
        {"SourceIp": "x"}, {"SourcePort": 99999}, {"SourcePort": "x"}, {"UtcTime": "x"}, {"DestinationIp": 5},
        {"SourceIp": "1" * 99}, {"DestinationPort": [1]}, {"UtcTime": True},
    ],
)  # fmt: skip
def test_invalid_records_are_faults(tmp_path: Path, change: dict[str, Any]) -> None:
    said, faults, _ = read(put(tmp_path, [SYSMON | {"Id": 3} | change, SYSMON | {"Id": 3}]))
    assert (len(said), faults.bad) == (1, 1)


def test_invalid_values_are_ignored(tmp_path: Path) -> None:
    odd = SYSMON | {"Id": 3, "ProcessId": "many", "Image": "C:\\a\0b" + "x" * 9999, "User": ["x"] * 500}
    said, faults, _ = read(put(tmp_path, [odd]))
    assert (faults.bad, faults.values) == (0, 1)
    assert said[0].process is not None
    assert said[0].process.pid is None
    assert len(said[0].process.exe or "") == 4096
    assert "\0" not in (said[0].process.exe or "")


def test_the_page_names_every_source() -> None:
    page = (ROOT / "docs" / "sidecars.md").read_text()
    missing = [
        name for name in {*(known.name for known in FORMATS), *(s for s, _ in RANKS)} - {ANY} if f"`{name}`" not in page
    ]
    assert missing == []
