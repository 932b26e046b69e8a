"""``eve.json``: every line is as Suricata's schema has it, and says what the session says."""

import json
from pathlib import Path

import duckdb
import pytest

import rustnet
from rustnet.export.eve import write_eve
from rustnet.export.eve.header import stamp
from rustnet.export.eve.messages import distinguished, octets
from rustnet.query.session import Session
from tests.export.eve_fields import faults
from tests.export.exported import Event, lines, rows, written
from tests.query.conftest import BEGIN, SECOND, Rows

TIME = "strftime(make_timestamp(epoch_ns({}) // 1000), '%Y-%m-%dT%H:%M:%S.%f') || '+0000'"
LOW = (1 << 32) - 1


def events(session: Session, target: Path) -> list[Event]:
    return lines(written(write_eve, session, target)[0])


def of_type(made: list[Event], name: str) -> list[Event]:
    return [event for event in made if event["event_type"] == name]


def test_every_line_is_valid_and_in_order(sample: Session, tmp_path: Path) -> None:
    text = written(write_eve, sample, tmp_path / "o")[0]
    made = lines(text)
    assert made
    assert [fault for event in made for fault in faults(event)] == []
    times = [event["timestamp"] for event in made]
    assert times == sorted(times)
    assert all(line.startswith('{"timestamp":"') for line in text.splitlines())  # compact, as Suricata writes
    for event in made:
        assert event.get("flow_id", 0) < 1 << 53


def test_flows_are_those_of_the_session(sample: Session, tmp_path: Path) -> None:
    wanted = rows(
        sample,
        f"""SELECT flow_id, {TIME.format("ended_at")} AS timestamp, src_ip, src_port, dst_ip AS dest_ip,
            dst_port AS dest_port, community_id,
            CASE protocol WHEN 'icmpv6' THEN 'IPv6-ICMP' ELSE upper(protocol) END AS proto,
            CASE WHEN app_source <> 'port' AND app NOT IN ('icmp', 'icmpv6') THEN replace(app, 'ipsec', 'ike') END
                AS app_proto,
            {{'pkts_toserver': src_packets, 'pkts_toclient': dst_packets, 'bytes_toserver': src_bytes,
            'bytes_toclient': dst_bytes, 'start': {TIME.format("started_at")}, 'end': {TIME.format("ended_at")},
            'age': epoch_ns(ended_at) // 1000000000
                - epoch_ns(started_at) // 1000000000}} AS flow,
            lpad(to_hex(src_flags | dst_flags), 2, '0') AS flags, state
        FROM flows WHERE protocol <> 'arp' ORDER BY flow_id""",
    )
    made = sorted(of_type(events(sample, tmp_path / "o"), "flow"), key=lambda event: event["flow_id"])
    assert [event["flow_id"] & LOW for event in made] == [row["flow_id"] for row in wanted]
    for event, row in zip(made, wanted, strict=True):
        del row["flow_id"]
        state, flags = row.pop("state", None), row.pop("flags")
        flow = row.pop("flow")
        assert {name: event.get(name) for name in row} == row
        assert ("app_proto" in event) == ("app_proto" in row)
        assert {name: event["flow"][name] for name in flow} == flow
        if row["proto"] == "TCP":
            assert event["tcp"]["tcp_flags"] == flags.lower().lstrip("0").rjust(2, "0")
            assert event["tcp"].get("state") == (state and state.lower())
        else:
            assert "tcp" not in event


def test_messages_are_those_of_the_session(sample: Session, tmp_path: Path) -> None:
    made = events(sample, tmp_path / "o")
    common = f"flow_id, packet AS pcap_cnt, {TIME.format('ts')} AS timestamp"
    for name, sql in {
        "dns": "txid AS id, query AS rrname, qtype AS rrtype, rcode, CASE WHEN response THEN 'answer' ELSE 'query' END "
        "AS type, CASE WHEN response THEN lower(to_hex(flags)) END AS flags",
        "http": "host AS hostname, uri AS url, method AS http_method, status, version AS protocol, "
        "user_agent AS http_user_agent, content_type AS http_content_type, location AS redirect, "
        "CASE WHEN status IS NOT NULL THEN response_bytes END AS length",
        "tls": "sni, ja4, {'hash': ja3} AS ja3, {'hash': ja3s} AS ja3s, version",
        "ssh": "{'hash': hassh} AS client_hassh, client_software, server_software",
        "ftp": "command, argument AS command_data",
        "snmp": "community, objects AS vars",
    }.items():
        wanted = rows(sample, f"SELECT {common}, {sql} FROM {name} ORDER BY ts, packet, flow_id")
        mine = of_type(made, name)
        assert len(mine) == len(wanted)
        for event, row in zip(mine, wanted, strict=True):
            assert (event["flow_id"] & LOW, event["pcap_cnt"], event["timestamp"]) == (
                row.pop("flow_id"), row.pop("pcap_cnt"), row.pop("timestamp"))  # fmt: skip
            own = event[name]
            if name == "ssh":
                own = {"client_hassh": {"hash": own["client"]["hassh"]["hash"]},
                       "client_software": own["client"]["software_version"],
                       "server_software": own["server"]["software_version"]}  # fmt: skip
            if name == "http" and "http_port" in own:
                own = own | {"hostname": f"{own['hostname']}:{own['http_port']}"}
            assert {key: own.get(key) for key, value in row.items() if value != ""} == {
                key: value for key, value in row.items() if value != ""
            }


def test_answers_have_only_what_is_known_of_them(writable: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(writable)) as con:
        new = Rows(con)
        answer = {"query": "a.example", "qtype": "A", "response": True, "transport": "dns", "txid": 1, "flags": 0x8180}
        for number, row in enumerate(
            (
                {"answers": ["192.0.2.1"], "answer_types": ["A"], "answer_count": 1, "ttl": 60},
                {"answers": ["192.0.2.1", "192.0.2.2", "192.0.2.9"], "answer_types": ["A", "A", "A"], "ttl": 5,
                 "answer_count": 2},
                {"answers": ["b.example", "192.0.2.1"], "answer_types": ["CNAME", "A"], "cnames": ["b.example"],
                 "answer_count": 2, "ttl": 5},
            )
        ):  # fmt: skip
            new.insert("dns", capture_id=1, flow_id=2, ts=BEGIN + (100 + number) * SECOND, packet=900 + number,
                       **answer, **row)  # fmt: skip
    with rustnet.open(writable) as session:
        made = {event.get("pcap_cnt"): event["dns"] for event in of_type(events(session, tmp_path / "o"), "dns")}
    one = {"rrname": "a.example", "rrtype": "A", "ttl": 60, "rdata": "192.0.2.1"}
    assert made[900]["answers"] == [one]
    assert made[900] | {"answers": 0} == {
        "version": 2, "type": "answer", "id": 1, "flags": "8180", "qr": True, "rd": True, "ra": True,
        "rrname": "a.example", "rrtype": "A", "answers": 0, "grouped": {"A": ["192.0.2.1"]},
    }  # fmt: skip
    # The third address is of another section; the smallest TTL of two is that of neither for sure.
    assert made[901]["answers"] == [
        {"rrname": "a.example", "rrtype": "A", "rdata": "192.0.2.1"},
        {"rrname": "a.example", "rrtype": "A", "rdata": "192.0.2.2"},
    ]
    # Whether an address is of the name or of its alias is not stored.
    assert made[902]["answers"] == [
        {"rrtype": "CNAME", "rdata": "b.example"}, {"rrtype": "A", "rdata": "192.0.2.1"},
    ]  # fmt: skip


def test_hostile_text_stays_text(writable: Path, tmp_path: Path) -> None:
    path = writable
    hostile = 'x"\\\n\r\t\x00\x1b[31m\x7f\x85\u202e\u2028\ufeff\U0001f600</script>\ud7ff'
    with duckdb.connect(str(path)) as con:
        new = Rows(con)
        common = {"capture_id": 1, "flow_id": 1, "ts": BEGIN, "packet": 1}
        text = hostile.replace("\x00", "")
        new.insert("http", **common, method=text, host=text, uri=text, user_agent=text, status=200, server=text)
        new.insert("tls", **common, sni=text, subject=text, issuer="CN=" + text, version=text)
        new.insert("smb", **common, command=text, filename=text, share=text, dialect=text, result=text)
        new.insert("dns", **common, query=text, qtype=text, transport="dns", txid=1, response=True, answers=[text],
                   answer_types=[text], answer_count=1)  # fmt: skip
    with rustnet.open(writable) as session:
        whole = written(write_eve, session, tmp_path / "o")[0]
    assert not [char for char in whole if char != "\n" and (ord(char) < 0x20 or char in "\x7f\x85\u202e\u2028\ufeff")]
    made = lines(whole)
    assert [fault for event in made for fault in faults(event)] == []
    assert [event["http"]["url"] for event in made if event.get("http", {}).get("url") == text] == [text]
    assert text in [event["dns"]["rrname"] for event in of_type(made, "dns")]


def test_flows_of_two_captures_have_different_numbers(samples: dict[str, Path], tmp_path: Path) -> None:
    numbers = []
    for name in ("web.pcap", "dns.pcap"):
        with rustnet.open(samples[name]) as session:
            numbers.append({event["flow_id"] for event in events(session, tmp_path / name)})
            assert {event["flow_id"] for event in events(session, tmp_path / f"{name}.2")} == numbers[-1]  # stable
    assert not numbers[0] & numbers[1]
    assert {number & LOW for number in numbers[0]} & {number & LOW for number in numbers[1]}


def test_what_has_no_place_is_said(samples: dict[str, Path], tmp_path: Path) -> None:
    with rustnet.open(samples["mail-ftp.pcap"]) as session:
        remarks = written(write_eve, session, tmp_path / "o")[1]
    assert remarks[0].startswith("6 flows below IP")
    assert remarks[1].endswith(": icmp, smtp")


def test_anomalies_of_no_packet_are_counted(writable: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(writable)) as con:
        con.execute("DELETE FROM anomalies")
        new = Rows(con)
        new.insert("anomalies", capture_id=1, ts=BEGIN, kind="joined_files", detail="x", count=1)
        new.insert("anomalies", capture_id=1, packet=3, kind="bad_timestamp", detail="x", count=1)
    with rustnet.open(writable) as session:
        text, remarks = written(write_eve, session, tmp_path / "o")
    assert "2 anomalies that are about no packet are left out" in remarks
    assert not of_type(lines(text), "anomaly")


def test_anomalies_of_packets(writable: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(writable)) as con:
        new = Rows(con)
        for number, (flow, kind) in enumerate(((None, "malformed_headers"), (1, "malformed_tls"))):
            new.insert("anomalies", capture_id=1, flow_id=flow, ts=BEGIN, packet=700 + number, kind=kind, detail="x",
                       count=1)  # fmt: skip
    with rustnet.open(writable) as session:
        made = {event["pcap_cnt"]: event for event in of_type(events(session, tmp_path / "o"), "anomaly")}
    assert made[700]["anomaly"] == {"type": "decode", "event": "malformed_headers"}
    assert made[700]["pcap_filename"] == "x.pcap"
    assert "flow_id" not in made[700]
    assert made[701]["anomaly"] == {
        "app_proto": "tls", "type": "applayer", "event": "malformed_tls", "layer": "proto_parser",
    }  # fmt: skip
    assert made[701]["src_ip"] == "10.0.0.1"
    assert all(not faults(event) for event in made.values())


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("CN=www.example.com,O=Example Shop", "O=Example Shop, CN=www.example.com"),
        ("CN=a\\, b,OU=x+OU=y,C=DE", "C=DE, OU=x + OU=y, CN=a, b"),
        ("CN=\\C3\\A4", "CN=\\C3\\A4"),
        ("no name\\", "no name\\"),
        ("", None),
        (None, None),
    ],
)
def test_distinguished_names(name: str | None, wanted: str | None) -> None:
    assert distinguished(name) == wanted


def test_forms() -> None:
    assert octets("a1b") == "0A:1B"
    assert stamp(1_714_557_605_250_000_999) == "2024-05-01T10:00:05.250000+0000"
    assert stamp(-1) == "1969-12-31T23:59:59.999999+0000"


def test_the_checks_find_faults() -> None:
    event = {"timestamp": "now", "dns": {"id": "7", "answers": [{"rrname": 1}]}, "pcap_cnt": True, "x": 1}
    assert faults(json.loads(json.dumps(event))) == [
        ".timestamp: no time", ".dns.id: str, not int", ".dns.answers[].rrname: int, not str",
        ".pcap_cnt: bool, not int", ".x: unknown",
    ]  # fmt: skip
