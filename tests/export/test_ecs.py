"""JSON lines of the Elastic Common Schema: fields and types are the schema's, values the session's."""

import ipaddress
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

import rustnet
from rustnet.export.ecs import ECS_VERSION, write_ecs
from rustnet.query.session import Session
from tests.export.exported import Event, lines, rows, written
from tests.query.conftest import BEGIN, SECOND, Rows

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
ADDRESS = ipaddress.ip_address
MAC = re.compile(r"[0-9A-F]{2}(-[0-9A-F]{2}){5}")
_END = {
    "address": str, "ip": ADDRESS, "port": int, "mac": MAC, "bytes": int, "packets": int, "domain": str,
    "geo": {"country_iso_code": str, "city_name": str}, "as": {"number": int, "organization": {"name": str}},
}  # fmt: skip
_USER = {"id": str, "name": str}
_VALID = {"not_before": DATE, "not_after": DATE}
FIELDS: dict[str, Any] = {
    "@timestamp": DATE, "ecs": {"version": str},
    "labels": dict.fromkeys(("flow_id", "capture_id", "state", "conn_state", "process_contested"), str),
    "event": {"kind": ("event",), "category": [("network", "web")], "module": str, "dataset": str, "start": DATE,
              "type": [("access", "connection", "end", "protocol", "start")], "end": DATE, "duration": int,
              "reason": str, "outcome": ("success", "failure")},
    "network": {"transport": str, "iana_number": str, "type": str, "protocol": str, "community_id": str, "bytes": int,
                "direction": ("inbound", "outbound", "internal", "external", "unknown"), "packets": int,
                "vlan": {"id": str}, "inner": {"vlan": {"id": str}}},
    "source": _END, "destination": _END,
    "observer": {"product": str, "version": str, "type": str, "hostname": str,
                 "ingress": {"interface": {"id": str, "name": str}}},
    "related": {"ip": [ADDRESS], "hosts": [str], "user": [str]},
    "process": {"pid": int, "name": str, "executable": str, "command_line": str, "working_directory": str,
                "start": DATE, "hash": {"sha256": str}, "user": _USER,
                "parent": {"pid": int, "executable": str, "command_line": str}},
    "user": _USER, "host": {"name": str},
    "container": {"id": str, "name": str, "runtime": str, "image": {"name": str}},
    "orchestrator": {"namespace": str, "resource": {"name": str, "type": str}},
    "dns": {"type": ("query", "answer"), "id": str, "op_code": str, "response_code": str, "resolved_ip": [ADDRESS],
            "question": {"name": str, "type": str, "class": str},
            "header_flags": [("AA", "TC", "RD", "RA", "AD", "CD", "DO")],
            "answers": [{"name": str, "type": str, "ttl": int, "data": str}]},
    "http": {"version": str, "request": {"method": str, "referrer": str, "body": {"bytes": int}},
             "response": {"status_code": int, "body": {"bytes": int}}},
    "url": {"original": str, "full": str, "scheme": str, "domain": str, "port": int, "path": str, "query": str,
            "fragment": str},
    "user_agent": {"original": str},
    "tls": {"version": str, "version_protocol": str, "cipher": str, "curve": str, "next_protocol": str,
            "resumed": bool, "established": bool,
            "client": {"server_name": str, "ja3": str, "subject": str, "hash": {"sha256": str}},
            "server": {"ja3s": str, "subject": str, "issuer": str, "hash": {"sha256": str},
                       "x509": {"serial_number": str, "signature_algorithm": str, "public_key_algorithm": str,
                                "public_key_size": int, "alternative_names": [str]} | _VALID} | _VALID},
}  # fmt: skip
"""The schema's fields that are written: types, forms, or the values that it allows."""


def faults(value: Any, wanted: Any = FIELDS, path: str = "") -> list[str]:
    """What of an event is not as the schema has it."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict) or not value:
            return [f"{path}: no object, or an empty one"]
        return [
            fault
            for name, inner in value.items()
            for fault in (
                faults(inner, wanted[name], f"{path}.{name}") if name in wanted else [f"{path}.{name}: unknown"]
            )
        ]
    if isinstance(wanted, list):
        if not isinstance(value, list) or not value:
            return [f"{path}: no list, or an empty one"]
        return [fault for each in value for fault in faults(each, wanted[0], path)]
    if isinstance(wanted, tuple):
        valid = value in wanted
    elif isinstance(wanted, re.Pattern):
        valid = isinstance(value, str) and wanted.fullmatch(value) is not None
    elif wanted is ADDRESS:
        valid = isinstance(value, str) and ADDRESS(value) is not None
    else:
        valid = type(value) is wanted
    return [] if valid else [f"{path}: {value!r}"]


def events(session: Session, target: Path) -> list[Event]:
    return lines(written(write_ecs, session, target)[0])


def of(made: list[Event], dataset: str) -> list[Event]:
    return [event for event in made if event["event"]["dataset"] == f"rustnet.{dataset}"]


def test_every_line_is_valid_and_in_order(sample: Session, tmp_path: Path) -> None:
    made = events(sample, tmp_path / "o")
    assert made
    assert [fault for event in made for fault in faults(event)] == []
    times = [event["@timestamp"] for event in made]
    assert times == sorted(times)
    assert {event["ecs"]["version"] for event in made} == {ECS_VERSION}


def test_flows_are_those_of_the_session(sample: Session, tmp_path: Path) -> None:
    wanted = rows(
        sample,
        """SELECT f.*, epoch_ns(f.started_at) AS began, epoch_ns(f.ended_at) - epoch_ns(f.started_at) AS lasted,
            p.pid, p.name AS process, p.exe, p.username
        FROM flows AS f LEFT JOIN processes AS p USING (process_id) ORDER BY flow_id""",
    )
    made = sorted(of(events(sample, tmp_path / "o"), "flow"), key=lambda event: int(event["labels"]["flow_id"]))
    assert len(made) == len(wanted)
    for event, row in zip(made, wanted, strict=True):
        assert event["labels"]["flow_id"] == str(row["flow_id"])
        assert event["event"]["start"] == event["@timestamp"]
        assert event["event"]["start"].endswith(f".{row['began'] % SECOND:09d}Z")
        assert event["event"]["duration"] == row["lasted"]
        assert event["event"]["reason"] == row["end_reason"]
        assert ("start" in event["event"]["type"]) == ("syn_tries" in row)
        assert ("end" in event["event"]["type"]) == (row["end_reason"] in {"fin", "rst", "idle", "reused"})
        for name, side in (("source", "src"), ("destination", "dst")):
            end = event[name]
            columns = {"ip": "ip", "port": "port", "packets": "packets", "bytes": "bytes"}
            assert {key: end.get(key) for key in columns} == {
                key: row.get(f"{side}_{each}") for key, each in columns.items()
            }
            assert end.get("mac", "").replace("-", ":").lower() == row.get(f"{side}_mac", "")
        network = event["network"]
        assert network["bytes"] == row["src_bytes"] + row["dst_bytes"]
        assert network["packets"] == row["src_packets"] + row["dst_packets"]
        assert network.get("community_id") == row.get("community_id")
        assert network.get("transport") == {"arp": None, "icmpv6": "ipv6-icmp"}.get(row["protocol"], row["protocol"])
        assert network["type"] == ("arp" if row["protocol"] == "arp" else "ipv6" if ":" in row["src_ip"] else "ipv4")
        assert ("protocol" in network) == (row.get("app_source", "port") != "port" and row["app"] != row["protocol"])
        process = event.get("process", {})
        assert (process.get("pid"), process.get("name"), process.get("executable")) == (
            row.get("pid"), row.get("process"), row.get("exe"))  # fmt: skip
        assert event.get("user", {}).get("name") == row.get("username")


def test_messages_are_those_of_the_session(sample: Session, tmp_path: Path) -> None:
    made = events(sample, tmp_path / "o")
    for name in ("dns", "http", "tls"):
        wanted = rows(sample, f"SELECT *, epoch_ns(ts) AS ns FROM {name} ORDER BY ts, packet, flow_id")
        mine = of(made, name)
        assert len(mine) == len(wanted)
        for event, row in zip(mine, wanted, strict=True):
            assert event["@timestamp"].endswith(f".{row['ns'] % SECOND:09d}Z")
            assert event["labels"]["flow_id"] == str(row["flow_id"])
            own = event[name]
            if name == "dns":
                question = {"name": row.get("query"), "type": row.get("qtype"), "class": row.get("qclass")}
                assert own.get("question", {}) == {key: value for key, value in question.items() if value}
                assert own["id"] == str(row["txid"])
                assert own["type"] == ("answer" if row["response"] else "query")
                assert own.get("response_code") == row.get("rcode")
                data = row.get("answers", [])[: row["answer_count"]]
                assert [each.get("data") for each in own.get("answers", [])] == data
            elif name == "http":
                assert own["request"]["method"] == row["method"]
                assert own.get("response", {}).get("status_code") == row.get("status")
                assert event["url"]["original"] == row["uri"]
                assert event["url"].get("domain", "") == row.get("host", "").partition(":")[0]
                assert event.get("user_agent", {}).get("original") == row.get("user_agent")
            else:
                assert own["client"]["server_name"] == row["sni"]
                assert (own["client"]["ja3"], own["server"]["ja3s"]) == (row["ja3"], row["ja3s"])
                assert f"TLS {own['version']}" == row["version"]
                assert own["server"].get("subject") == row.get("subject")
                assert own["server"].get("hash", {}).get("sha256", "").lower() == row.get("cert_sha256", "")


def test_all_of_a_flow_has_its_place(writable: Path, ids: dict[str, int], tmp_path: Path) -> None:
    with rustnet.open(writable) as session:
        made = events(session, tmp_path / "o")
    assert [fault for event in made for fault in faults(event)] == []
    (flow,) = (event for event in of(made, "flow") if event["labels"]["flow_id"] == str(ids["web"]))
    assert flow["destination"] | {"port": 443} == {
        "address": "192.0.2.1", "ip": "192.0.2.1", "port": 443, "domain": "www.example.com", "packets": 4,
        "bytes": 4000, "geo": {"country_iso_code": "DE", "city_name": "Köln"},
        "as": {"number": 64500, "organization": {"name": "Example Net"}},
    }  # fmt: skip
    assert flow["source"]["mac"] == "00-11-22-33-44-55"
    assert flow["process"]["command_line"] == "firefox --new-tab 100%"
    assert flow["user"] == flow["process"]["user"] == {"id": "1000", "name": "alice"}
    assert flow["related"] == {
        "ip": ["10.0.0.1", "192.0.2.1"], "hosts": ["www.example.com"], "user": ["alice"],
    }  # fmt: skip
    assert flow["container"] == {"name": "web"}
    assert flow["orchestrator"] == {"namespace": "default", "resource": {"name": "pod-1", "type": "pod"}}
    assert flow["labels"]["process_contested"] == "true"


def test_tags_and_what_is_no_address(writable: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(writable)) as con:
        new = Rows(con)
        new.ids = iter((900, 901))  # type: ignore[assignment]
        new.flow(vlan_id=5, outer_vlan_id=7, direction="multicast")
        new.flow(None, None, protocol="lldp")
        con.execute("UPDATE flows_ended SET src_ip = 'host-1' WHERE flow_id = 901")
    with rustnet.open(writable) as session:
        made = {event["labels"]["flow_id"]: event for event in of(events(session, tmp_path / "o"), "flow")}
    assert made["900"]["network"]["vlan"] == {"id": "7"}
    assert made["900"]["network"]["inner"] == {"vlan": {"id": "5"}}
    assert made["900"]["network"]["direction"] == "unknown"
    assert made["901"]["network"]["type"] == "lldp"
    assert "ip" not in made["901"]["source"]
    assert made["901"]["source"]["address"] == "host-1"


@pytest.mark.parametrize("text", ["x\u202e\x1b[0m", 'a"\\\n'])
def test_hostile_text_stays_text(writable: Path, tmp_path: Path, text: str) -> None:
    with duckdb.connect(str(writable)) as con:
        new = Rows(con)
        common = {"capture_id": 1, "flow_id": 1, "ts": BEGIN, "packet": 1}
        new.insert("http", **common, method=text, host=text, uri=text, user_agent=text)
        new.insert("tls", **common, sni=text, version=text, subject=text)
        con.execute("UPDATE processes SET name = ?, cmdline = ?", [text, text])
    with rustnet.open(writable) as session:
        whole = written(write_ecs, session, tmp_path / "o")[0]
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", whole)
    made = lines(whole)
    assert text in {event["url"]["original"] for event in of(made, "http") if "url" in event}
    assert text in {event["tls"].get("client", {}).get("server_name") for event in of(made, "tls")}
    assert text in {event.get("process", {}).get("name") for event in of(made, "flow")}


def test_the_checks_find_faults() -> None:
    event = {"@timestamp": "now", "source": {"mac": "00:11"}, "event": {"category": ["x"]}, "dns": {}, "x": 1}
    assert faults(event) == [
        ".@timestamp: 'now'", ".source.mac: '00:11'", ".event.category: 'x'", ".dns: no object, or an empty one",
        ".x: unknown",
    ]  # fmt: skip
