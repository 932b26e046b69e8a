"""What is right for captures of known situations: `truth` compares sessions with it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One question about a session, and the right answer."""

    question: str
    query: str
    """SQL, or the name of a saved query."""
    right: Any
    """Rows of the columns wanted; the first ones of a saved query."""
    columns: tuple[str, ...] = ()
    """Columns of a saved query that are compared."""
    whole: bool = False
    """The saved query has no other rows."""


@dataclass(frozen=True)
class Case:
    """Files that are replayed together, and what is right for them."""

    files: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    options: tuple[str, ...] = ()
    sidecar: str | None = None
    summary: tuple[str, ...] = ()
    """Texts that the summary contains."""
    same_as: str | None = None
    """A capture whose flows and messages are the same."""
    secret: str | None = None
    """A text that no file of the session contains."""


def sql(question: str, text: str, *rows: tuple[Any, ...]) -> Check:
    """Compare the rows of a statement."""
    return Check(question, text, [list(row) for row in rows])


def saved(query: str, columns: str, *rows: tuple[Any, ...]) -> Check:
    """Compare the first rows of a saved query, all of them if ``columns`` end with an asterisk."""
    names = columns.rstrip("*").split()
    return Check(f"{query}: {columns}", query, [list(row) for row in rows], tuple(names), columns.endswith("*"))


RETRANSMITTED = "SELECT sum(src_retransmissions + dst_retransmissions)::BIGINT, sum(duplicates)::BIGINT FROM flows"
PAIRS = "SELECT uri, status FROM http ORDER BY uri"
YEARS = "SELECT DISTINCT year(ts) FROM packets"
DNS = "SELECT DISTINCT query FROM dns ORDER BY query"
SNI = "SELECT sni FROM tls"
ADDRESSES = "SELECT DISTINCT src_ip, dst_ip FROM flows WHERE app = 'dns'"
OWNED = "SELECT count(*) FILTER (process_id IS NOT NULL) FROM flows"
HTTP2 = "SELECT method, host, uri, status FROM http WHERE version = '2' ORDER BY ts, uri"
ONE = "SELECT count(*), min(conn_state), max(conn_state) FROM flows"

CASES = (
    Case(("D4c_adjacent.pcap",), (sql("pairs", PAIRS, ("/1", 200), ("/2", 404), ("/3", 500)),)),
    Case(
        ("E0_cdn.pcap",),
        (
            saved("top-destinations", "hostname bytes", ("exfil.evil.example", 88_488)),
            saved("owners", "hostname bytes", ("exfil.evil.example", 88_488)),
            saved("process-timeline", "remote bytes", ("exfil.evil.example", 88_488)),
        ),
        sidecar="E0_audit.log",
    ),
    Case(
        ("70_owned.pcap",),
        (sql("flows with an owner", "SELECT count(process_id) FROM flows", (3,)),),
        sidecar="70_osquery_socket_events.log",
    ),
    Case(("01_vlan0_one_way.pcap",), (sql("conversations", ONE, (1, "SF", "SF")),)),
    Case(("01c_vlan_asym.pcap",), (sql("conversations", ONE, (1, "SF", "SF")),)),
    Case(("98_rot_00001.pcap", "98_rot_00002.pcap"), same_as="98_rot_whole.pcap", summary=("continue each other",)),
    Case(("D1_rx.pcap", "D1_tx.pcap"), (sql("conversations", ONE, (1, "SF", "SF")),), options=("--merge",)),
    Case(("13a_rtsp_userinfo.pcap",), secret="S3cretPw"),
    Case(("97_slow_open.pcap",), (saved("slow-handshakes", "took_ms", (7031.0,), (3031.0,), (1031.0,), (311.0,)),)),
    Case(
        ("99_seq_randomised.pcap",),
        (sql("missing bytes", "SELECT sum(src_missed_bytes + dst_missed_bytes)::BIGINT FROM flows", (0,)),),
    ),
    Case(("05_dns_0x20.pcap",), (saved("dns-queries", "query asked rtt_ms", ("www.example.com", 3, 20.0)),)),
    Case(("84_docker_any.pcap",), (sql("retransmissions, copies", RETRANSMITTED, (0, 13)),), summary=("cop",)),
    Case(
        ("84c_a.pcap", "84c_b.pcap"),
        (sql("retransmissions, copies", RETRANSMITTED, (0, 13)),),
        options=("--merge",),
        summary=("cop",),
    ),
    Case(("84c_a.pcap", "84c_b.pcap"), summary=("is counted twice",)),
    Case(("93c_fin.pcap",), (saved("scans", "src_ip scan width", ("192.0.2.66", "FIN", 300)),)),
    Case(
        ("97c_icmp_answers.pcap",),
        (
            saved("unanswered", "protocol outcome*", ("tcp", "answered by ICMP communication prohibited"),
                  ("udp", "answered by ICMP port unreachable")),
        ),
    ),
    Case(
        ("56_ns_in_us.pcap",),
        (sql("seconds that it spans", "SELECT (epoch_ns(max(ts)) - epoch_ns(min(ts))) // 1000000000 FROM packets",
             (0,)),
         sql("anomalies", "SELECT count(*) > 0 FROM anomalies", (True,))),
    ),
    Case(("58_cat.pcap",), (sql("years", YEARS, (2023,)),
                            sql("anomalies", "SELECT count(*) > 0 FROM anomalies", (True,)))),
    Case(("54d_zero_tail.pcap",), (sql("years", YEARS, (2023,)),
                                   sql("complete", "SELECT complete FROM captures", (False,)))),
    Case(
        ("C0_quarter_hour.pcap",),
        (sql("flows, named, inherited",
             "SELECT count(*), count(hostname), count(*) FILTER (hostname_source = 'inherited') FROM flows",
             (6, 6, 5)),),
    ),
    Case(("15_v1_tls_one.pcap",), (
        sql("server's name", SNI, ("px.example.net",)),
        sql("client by its PROXY header", "SELECT proxied_src_ip, proxied_src_port FROM flows",
            ("203.0.113.9", 51000)),
    )),
    Case(("81d_sip_tcp_ka_first.pcap",), (
        sql("messages", "SELECT method, status FROM sip ORDER BY ts", ("INVITE", None), (None, 200)),
    )),
    Case(("06_wlan_amsdu.pcap",), (sql("names asked", DNS, ("one.example.com",), ("two.example.com",)),)),
    *(Case((name,), (sql("names asked", DNS, ("six.example.com",)),
                     sql("addresses", ADDRESSES, ("192.0.2.10", "192.0.2.53"))))
      for name in ("66t_vntag.pcap", "66w_tzsp.pcap", "66i_vxlan_gpe.pcap", "66e_gre_wccp.pcap", "66y_lisp.pcap")),
    Case(("12l_sieve_starttls.pcap",), (
        sql("server's name", SNI, ("mx.example.net",)),
        sql("protocols", "SELECT count(*) FROM flows WHERE app = 'smtp'", (0,)),
    )),
    Case(("11_keepalive_first.pcap",), (sql("requests", PAIRS, ("/mid", 200)),)),
    Case(("10i_http_proxy_abs.pcap",), (sql("host", "SELECT host FROM http", ("web.example.net:8081",)),)),
    Case(("62_v6_frag_nh.pcap",), (sql("names asked", DNS, ("big6.example.com",)),)),
    *(Case((name,), (sql("names asked", DNS, ("one.example.com",)),
                     sql("addresses", ADDRESSES, ("192.0.2.10", "192.0.2.53"))))
      for name in ("07_pflog.pcap", "07c_ppp_with_dir.pcap", "07d_ipoib.pcap")),
    Case(("80a_h2c_grpc.pcap",), (sql("requests", HTTP2),)),
    Case(("80b_h2c_upgrade.pcap",), (sql("requests", HTTP2),)),
    Case(("90f_cert_rsa_split.pcap",), (sql("names", "SELECT len(sans) FROM tls", (300,)),)),
    Case(("40_dns_types.pcap",), (
        sql("in hexadecimal", "SELECT count(*) FROM dns WHERE array_to_string(answers, ' ') LIKE '%\\\\#%'", (0,)),
    )),
    Case(("70_owned.pcap",), (sql("flows with an owner", OWNED, (1,)),), sidecar="70_sysmon_linux.log"),
    Case(("20g_sni_dot.pcap",), (sql("hostname", "SELECT DISTINCT hostname FROM flows", ("www.example.com",)),)),
)  # fmt: skip
