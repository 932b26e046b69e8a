"""Logs of all samples say, field by field, what their sessions say."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rustnet.enrich.scope import scope_of
from tests.export.zeek.reading import Rows, ask, export, exported, read
from tests.support.paths import SAMPLES
from tests.support.sessions import replay

CAPTURES = sorted(path for path in SAMPLES.iterdir() if path.name.endswith((".pcap", ".pcapng", ".pcap.zst")))
BELOW_IP = {"arp", "lldp", "cdp", "lacp", "stp"}
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "sctp": 132, "gre": 47, "igmp": 2}
SERVICES = {"tls": "ssl", "icmp": None, "icmpv6": None, "ipsec": None, "tftp": None}  # None: Zeek has no such service
"""Zeek's names of services, where they are not the session's."""
REPLIES = {8: 0, 0: 8, 128: 129, 129: 128, 133: 134, 135: 136, 136: 135, 134: 133}


@dataclass
class Sample:
    """A sample's session and its logs."""

    session: Path
    folder: Path
    logs: dict[str, Rows]
    remarks: list[str]

    def rows(self, name: str) -> Rows:
        """Rows of a log, none if it was not written."""
        return self.logs.get(name, [])


@pytest.fixture(scope="module", params=CAPTURES, ids=[path.name for path in CAPTURES])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("zeek")
    session = folder / "session.duckdb"
    replay(session, request.param).con.close()
    remarks = export(session, folder / "tsv")
    return Sample(session, folder, read(folder / "tsv"), remarks)


def seconds(ns: int) -> float:
    """Time as Zeek writes it: without what is smaller than a microsecond."""
    return float(f"{ns // 1_000_000_000}.{ns % 1_000_000_000 // 1000:06d}")


def known(**values: Any) -> dict[str, Any]:
    """Fields that are set."""
    return {name.replace("__", "."): value for name, value in values.items() if value is not None}


def is_local(address: str) -> bool:
    return scope_of(address) not in {"global", "multicast"}


def ports(flow: dict[str, Any]) -> tuple[int, int]:
    if not flow["protocol"].startswith("icmp"):
        return flow["src_port"] or 0, flow["dst_port"] or 0
    return flow["icmp_type"] or 0, REPLIES.get(flow["icmp_type"], flow["icmp_code"]) or 0


def ends(flow: dict[str, Any], uid: str) -> dict[str, Any]:
    src, dst = ports(flow)
    return {"uid": uid, "id.orig_h": flow["src_ip"], "id.orig_p": src, "id.resp_h": flow["dst_ip"], "id.resp_p": dst}


def flows_by_uid(sample: Sample) -> dict[str, dict[str, Any]]:
    """Flows of a sample by the uids that conn.log gives them: both are in order of time."""
    flows = ask(
        sample.session,
        "SELECT *, epoch_ns(started_at) AS began, epoch_ns(ended_at) AS ended FROM flows ORDER BY started_at, flow_id",
    )
    above = [flow for flow in flows if flow["protocol"] not in BELOW_IP]
    return {row["uid"]: flow for row, flow in zip(sample.rows("conn"), above, strict=True)}


def test_json_says_the_same(sample: Sample) -> None:
    assert exported(sample.session, sample.folder / "json", as_json=True) == sample.logs


def test_the_same_session_gives_the_same_logs(sample: Sample) -> None:
    export(sample.session, sample.folder / "again")
    for path in (sample.folder / "tsv/zeek").iterdir():
        assert path.read_bytes() == (sample.folder / "again/zeek" / path.name).read_bytes(), path.name


def test_uids(sample: Sample) -> None:
    uids = [row["uid"] for row in sample.rows("conn")]
    assert len(set(uids)) == len(uids) > 0
    assert all(re.fullmatch("C[0-9A-Za-z]{17}", uid) for uid in uids)
    connections = {row["uid"]: row for row in sample.rows("conn")}
    for name, rows in sample.logs.items():
        for row in rows:
            if name not in {"conn", "x509"} and "uid" in row:
                end = {key: value for key, value in connections[row["uid"]].items() if key.startswith("id.")}
                assert {key: value for key, value in row.items() if key.startswith("id.")} == end, name


def payload(flow: dict[str, Any], side: str) -> int | None:
    """Payload as Zeek counts it."""
    if not flow["protocol"].startswith("icmp"):
        return int(flow[f"{side}_payload"] + flow[f"{side}_missed_bytes"])
    return None if flow["fragments"] else int(flow[f"{side}_payload"] - 8 * flow[f"{side}_packets"])


def test_conn(sample: Sample) -> None:
    for row, (uid, flow) in zip(sample.rows("conn"), flows_by_uid(sample).items(), strict=True):
        kind = flow["protocol"]
        both, icmp = kind in {"tcp", "udp"}, kind.startswith("icmp")
        lasted = round(seconds(flow["ended"]) * 1e6 - seconds(flow["began"]) * 1e6) / 1e6
        confirmed = flow["app"] if flow["app_source"] == "payload" else None
        assert row == {
            **ends(flow, uid),
            **known(
                ts=seconds(flow["began"]),
                proto=kind if both else "icmp" if icmp else "unknown_transport",
                service=SERVICES.get(confirmed or "", confirmed),
                duration=lasted or None,
                orig_bytes=payload(flow, "src") if lasted else None,
                resp_bytes=payload(flow, "dst") if lasted else None,
                conn_state=flow["conn_state"] if both else "OTH",
                local_orig=is_local(flow["src_ip"]),
                local_resp=is_local(flow["dst_ip"]),
                missed_bytes=flow["src_missed_bytes"] + flow["dst_missed_bytes"],
                history=flow["history"] if both else None,
                orig_pkts=flow["src_packets"],
                resp_pkts=flow["dst_packets"],
                ip_proto=NUMBERS[kind],
                orig_l2_addr=flow["src_mac"],
                resp_l2_addr=flow["dst_mac"],
                vlan=flow["vlan_id"] if flow["outer_vlan_id"] is None else flow["outer_vlan_id"],
                inner_vlan=None if flow["outer_vlan_id"] is None else flow["vlan_id"],
                community_id=flow["community_id"],
            ),
        }


def test_dns(sample: Sample) -> None:
    flows = flows_by_uid(sample)
    messages = ask(sample.session, "SELECT *, epoch_ns(ts) AS at FROM dns WHERE opcode = 'QUERY' ORDER BY ts, packet")
    answered = [message for message in messages if message["response"] and message["rtt_ms"] is not None]
    rows = sample.rows("dns")
    assert len(rows) == len(messages) - len(answered)
    for message in answered:
        [row] = [
            row
            for row in rows
            if flows[row["uid"]]["flow_id"] == message["flow_id"]
            and row["trans_id"] == message["txid"]
            and (row["query"], row["qtype_name"]) == (message["query"], message["qtype"])
            and row["ts"] + row.get("rtt", 0) == pytest.approx(seconds(message["at"]), abs=2e-6)
        ]
        assert row["rtt"] * 1000 == pytest.approx(message["rtt_ms"], abs=0.002)
        assert row["rcode_name"] == message["rcode"]
        assert (row["AA"], row["TC"]) == (message["authoritative"], message["truncated"])
        assert row["qclass_name"] == {"IN": "C_INTERNET", "CH": "C_CHAOS"}[message["qclass"]]
        shown, kinds, data = row.get("answers", []), message["answer_types"] or [], message["answers"] or []
        assert len(shown) == min(message["answer_count"], len(data))
        for one, kind, text in zip(shown, kinds, data, strict=False):
            assert one == text or (kind in {"MX", "SOA", "SRV", "TXT"} and set(one.split()) & set(text.split())), kind
        assert row.get("TTLs", []) == ([float(message["ttl"])] if message["answer_count"] == 1 else [])
    for row in rows:
        if "rtt" not in row:
            assert "rcode" not in row  # no sample has an answer without a question
            assert (row["AA"], row["RA"], row["rejected"]) == (False, False, False)


def test_http(sample: Sample) -> None:
    flows = flows_by_uid(sample)
    messages = ask(sample.session, "SELECT *, epoch_ns(ts) AS at FROM http ORDER BY ts, packet, flow_id")
    depth: Counter[str] = Counter()
    files = {row["fuid"]: row for row in sample.rows("files")}
    for row, message in zip(sample.rows("http"), messages, strict=True):
        depth[row["uid"]] += 1
        assert flows[row["uid"]]["flow_id"] == message["flow_id"]
        bodies = [row[f"{side}_fuids"][0] for side in ("orig", "resp") if f"{side}_fuids" in row]
        sizes = [size for size in (message["request_bytes"], message["response_bytes"]) if size]
        assert [files.pop(fuid)["total_bytes"] for fuid in bodies] == sizes
        assert {key: value for key, value in row.items() if not key.endswith("fuids") and key[:2] != "id"} == known(
            ts=seconds(message["at"]),
            uid=row["uid"],
            trans_depth=depth[row["uid"]],
            method=message["method"],
            host=message["host"],
            uri=message["uri"],
            referrer=message["referer"],
            user_agent=message["user_agent"],
            request_body_len=message["request_bytes"] or 0,
            response_body_len=(message["response_bytes"] or 0) if message["status"] else None,
            status_code=message["status"],
            status_msg=message["reason"],
            tags=[],
        )
    assert not files


def test_ssl_and_x509(sample: Sample) -> None:
    messages = ask(sample.session, "SELECT *, epoch_ns(ts) AS at FROM tls ORDER BY ts, packet")
    for row, message in zip(sample.rows("ssl"), messages, strict=True):
        assert {key: value for key, value in row.items() if key[:2] != "id" and key != "uid"} == known(
            ts=seconds(message["at"]),
            version={"TLS 1.2": "TLSv12", "TLS 1.3": "TLSv13"}[message["version"]],
            cipher=message["cipher"],
            curve=message["key_group"],
            server_name=message["sni"],
            resumed=message["resumed"],
            next_protocol=message["alpn"],
            established=message["established"],
            cert_chain_fps=[message["cert_sha256"]] if message["cert_sha256"] else None,
            ja3=message["ja3"],
            ja3s=message["ja3s"],
        )
    certificates = {message["cert_sha256"]: message for message in messages if message["cert_sha256"]}
    assert {row["fingerprint"] for row in sample.rows("x509")} == set(certificates)
    for row in sample.rows("x509"):
        message = certificates[row["fingerprint"]]
        assert row["certificate.subject"] == message["subject"]
        assert row["certificate.issuer"] == message["issuer"]
        assert row["certificate.serial"] == message["cert_serial"].upper()
        assert row["certificate.not_valid_before"] == message["not_before"].replace(tzinfo=None).timestamp()
        assert (row["certificate.key_type"], row["certificate.key_length"]) == ("ecdsa", message["cert_key_bits"])
        assert row["san.dns"] == message["sans"]
        assert (row["host_cert"], row["client_cert"]) == (True, False)


def test_ssh(sample: Sample) -> None:
    messages = ask(sample.session, "SELECT *, epoch_ns(ts) AS at FROM ssh ORDER BY ts, packet")
    for row, message in zip(sample.rows("ssh"), messages, strict=True):
        assert {key: value for key, value in row.items() if key[:2] != "id" and key != "uid"} == known(
            ts=seconds(message["at"]),
            version=2,
            client=message["client_banner"],
            server=message["server_banner"],
            cipher_alg=message["cipher"],
            mac_alg=message["mac"],
            compression_alg=message["compression"],
            kex_alg=message["kex"],
            host_key_alg=message["host_key"],
            hassh=message["hassh"],
            hasshServer=message["hassh_server"],
        )


def test_weird(sample: Sample) -> None:
    anomalies = ask(sample.session, "SELECT kind, detail FROM anomalies WHERE ts IS NOT NULL ORDER BY ts, packet")
    assert [(row["name"], row["addl"]) for row in sample.rows("weird")] == [
        (anomaly["kind"], anomaly["detail"]) for anomaly in anomalies
    ]


def test_ftp_and_smtp(sample: Sample) -> None:
    logged = ask(
        sample.session,
        """SELECT * FROM ftp WHERE command IN ('RETR', 'STOR', 'DELE', 'PASV', 'EPSV', 'PORT', 'EPRT', 'APPE')
        ORDER BY ts, packet""",
    )
    for row, message in zip(sample.rows("ftp"), logged, strict=True):
        assert (row["command"], row.get("reply_code")) == (message["command"], message["reply_code"])
        assert (row.get("arg"), row["user"]) == (message["argument"], message["user"])
        if message["replies"]:
            assert f"{row['reply_code']} {row['reply_msg']}" == message["replies"][-1]
        opened = (row.get("data_channel.resp_h"), row.get("data_channel.resp_p"))
        assert opened == (message["data_ip"], message["data_port"])
        if message["data_ip"]:
            passive = message["command"] in {"PASV", "EPSV"}
            assert row["data_channel.passive"] is passive
            assert row["data_channel.orig_h"] == row["id.orig_h" if passive else "id.resp_h"]
    mails = ask(sample.session, "SELECT * FROM smtp WHERE command = 'MAIL' ORDER BY ts, packet")
    assert [row["mailfrom"] for row in sample.rows("smtp")] == [mail["mail_from"] for mail in mails]


def test_remarks(sample: Sample) -> None:
    [counts] = ask(
        sample.session,
        """SELECT count(*) FILTER (src_mac IS NOT NULL AND protocol = 'arp') AS arp,
            count(*) FILTER (protocol = 'tcp' AND src_retransmissions + dst_retransmissions > 0) AS resent
            FROM flows""",
    )
    assert any(remark.startswith(f"{counts['arp']} flow") for remark in sample.remarks)
    assert any("retransmitted" in remark for remark in sample.remarks) == (counts["resent"] > 0)
