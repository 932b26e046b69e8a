"""Ownership that stands on packets: comments, PKTAP headers, Apple's blocks; claims checked field by field."""

import struct
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from rustnet.attribute import packets as module
from rustnet.attribute.formats.apple import pktap_v1, pktap_v2, v1_core, v2_core
from rustnet.attribute.packets import COMMENTS, PacketClaims
from tests.support import pcap as classic
from tests.support import pcapng, sessions
from tests.support.packets import SECOND, paced, udp_frame
from tests.support.paths import CORPUS
from tests.support.pcapng import block

PTCPDUMP_CAPTURES = CORPUS / "ptcpdump"
real = pytest.mark.skipif(not PTCPDUMP_CAPTURES.is_dir(), reason="the public captures are not here")
T0 = 1_780_000_000


def option(code: int, value: bytes | str) -> bytes:
    return pcapng.option(code, value.encode() if isinstance(value, str) else value)


def section(*options: bytes) -> bytes:
    return pcapng.shb(options=b"".join(options))


def interface(link: int = 1) -> bytes:
    return pcapng.idb(link)


def epb(data: bytes, at: float = 0.0, *options: bytes) -> bytes:
    """A packet so many seconds after `T0`."""
    ended = b"".join(options) + pcapng.end() if options else b""
    return pcapng.epb(data, round((T0 + at) * 1_000_000), options=ended)


def comment(text: str | bytes) -> bytes:
    return option(1, text)


def flags(value: int) -> bytes:
    return option(2, struct.pack("<I", value))


def process(pid: int, name: str | None = None, *options: bytes) -> bytes:
    """Apple's process information block."""
    return block(0x80000001, struct.pack("<I", pid) + (option(2, name) if name else b"") + b"".join(options))


def udp(src: str = "10.0.0.1:45000", dst: str = "10.9.9.9:6000") -> bytes:
    (a, ap), (b, bp) = (end.split(":") for end in (src, dst))
    return udp_frame((a, int(ap)), (b, int(bp)), b"\1\2\3\4")


def pcap(link: int, *frames: bytes) -> bytes:
    """Packets a second apart."""
    return classic.pcap_file(paced(frames, T0 * SECOND, SECOND), link=link)


def replay(folder: Path, data: bytes | Path, name: str = "x.pcapng", **options: Any) -> sessions.ReplayedSession:
    path = data if isinstance(data, Path) else folder / name
    if isinstance(data, bytes):
        path.write_bytes(data)
    return sessions.replay(folder / "s.duckdb", path, **options)


OUT, BACK = udp(), udp("10.9.9.9:6000", "10.0.0.1:45000")
RUSTNET = (
    "rustnet process=Web_Helper pid=4242 ppid=1 uid=1000 attr=exact-tuple pod=web-1 ns=shop pod_uid=u-1 container=c "
    "container_id=abc direction=incoming app=HTTPS_(x=y) sni=x.org country=US asn=15169"
)


def test_rustnet_comments(tmp_path: Path) -> None:
    """The first packets of a flow may lack the comment: it is lifted to the flow."""
    made = replay(
        tmp_path,
        section() + interface() + epb(OUT) + epb(BACK, 1, comment(RUSTNET)) + epb(OUT, 3, comment(RUSTNET)),
    )
    assert made.claims() == [
        (1, 4242, "Web_Helper", "rustnet-comment", "exact-tuple", 24, True, "packet", "x.pcapng:2")
    ]
    assert made.ask("SELECT epoch_ns(window_start), epoch_ns(window_end), distance_ms FROM claims") == [
        ((T0 + 1) * 10**9, (T0 + 3) * 10**9, 0.0)
    ]
    assert made.process(4242) == {
        "pid": 4242, "ppid": 1, "name": "Web_Helper", "uid": 1000, "pod": "web-1", "namespace": "shop",
        "pod_uid": "u-1", "container_name": "c", "container_id": "abc",
    }  # fmt: skip
    assert made.verdicts() == [(4242, "Web_Helper", "rustnet-comment", False, None)]


@pytest.mark.parametrize(
    ("text", "pid", "name"),
    [
        ("Loc:US City:Mountain View ZIP:94043 AS15169 PID:77 Process:Web Helper (GPU)", 77, "Web Helper (GPU)"),
        ("AS1 Process:a", None, "a"),
        ("PID:5", 5, None),
        ("City:Paris PID:12", 12, None),
    ],
)
def test_comments_of_rustnets_script(tmp_path: Path, text: str, pid: int | None, name: str | None) -> None:
    made = replay(tmp_path, section() + interface() + epb(OUT, 0, comment(text)))
    assert made.claims() == [(1, pid, name, "rustnet-script-comment", "unstated", 66, False, "packet", "x.pcapng:1")]


@pytest.mark.parametrize(
    "text",
    [
        "look at this", "rustnet", "rustnet ", "rustnet app=DNS", "rustnet pid=x process=", "Loc:US City:PID: 5", "PID",
        "PID: \nCmd:", "PID:99999999999999", "PID=x TID=1", "PID=0 TID=1", "pid x svc BE", "Loc:US", "\ufffd\n",
        "PID:-1",
        "Process:", "PID: 0", "City:" + "PID:1 Process:" * 400,
    ],
)  # fmt: skip
def test_other_comments_are_ignored(tmp_path: Path, text: str) -> None:
    made = replay(tmp_path, section() + interface() + epb(OUT, 0, comment(text)))
    assert made.ask("SELECT count(*) FROM claims") == [(0,)]
    assert made.ask("SELECT count(*) FROM processes") == [(0,)]
    assert made.verdicts() == [(None, None, None, None, "no_sidecar")]


PTCPDUMP = (
    "PID: 122\nCmd: /usr/bin/curl\nArgs: curl kernel.com\nwith a second line: yes ...",
    "ThreadId: 123\nThreadName: worker",
    "UserId: 1000",
    "ParentPID: 53\nParentCmd: /usr/bin/bash\nParentArgs: -bash",
    'ContainerName: web\nContainerId: 0123abc\nContainerImage: nginx:1\nContainerLabels: {"a":"b: c"}',
    'PodName: web-1\nPodNamespace: shop\nPodUID: u-1\nPodLabels: {"x":"y"}\nPodAnnotations: {"token":"hidden"}',
)


def test_ptcpdump_comments(tmp_path: Path) -> None:
    """Several comments are one statement; a thread of the same process is no other owner."""
    other = tuple(text.replace("ThreadId: 123", "ThreadId: 124") for text in PTCPDUMP)
    made = replay(
        tmp_path,
        section(option(4, "ptcpdump v0.32.0")) + interface()
        + epb(OUT, 0, *map(comment, PTCPDUMP), flags(2)) + epb(BACK, 1, *map(comment, other), flags(1)) + epb(BACK, 2),
    )  # fmt: skip
    assert made.claims() == [(1, 122, "curl", "ptcpdump", "comment", 12, False, "packet", "x.pcapng:1")]
    assert made.process(122) == {
        "pid": 122, "ppid": 53, "name": "curl", "exe": "/usr/bin/curl",
        "cmdline": "curl kernel.com\nwith a second line: yes ...", "uid": 1000, "lineage": ["bash(53)"],
        "parent_exe": "/usr/bin/bash", "parent_cmdline": "-bash", "container_name": "web", "container_id": "0123abc",
        "container_image": "nginx:1", "container_labels": '{"a":"b: c"}', "pod": "web-1", "namespace": "shop",
        "pod_uid": "u-1", "pod_labels": '{"x":"y"}',
    }  # fmt: skip
    assert made.ask("SELECT count(*) FROM processes p WHERE p::VARCHAR LIKE '%hidden%'") == [(0,)]


def test_both_ends_of_a_connection_on_one_host(tmp_path: Path) -> None:
    """On a loopback interface sender and receiver are each right about their end."""
    server = "PID: 7\nCmd: /usr/bin/python3"
    made = replay(
        tmp_path,
        section() + interface() + epb(OUT, 0, comment("PID: 5\nCommand: /bin/nc"), flags(2))
        + epb(OUT, 0.1, comment(server), flags(1)) + epb(BACK, 0.2, comment(server), flags(2)),
    )  # fmt: skip
    assert [claim[1:7] for claim in made.claims()] == [
        (5, "nc", "ptcpdump", "comment", 12, False),
        (7, "python3", "ptcpdump", "comment", 12, True),
    ]


@real
@pytest.mark.parametrize(
    ("name", "packets", "facts"),
    [
        ("curl-thread", 10, {"pid": 122868, "exe": "/usr/bin/curl", "cmdline": "curl kernel.com", "ppid": 53229}),
        ("curl-user", 5, {"pid": 99722, "exe": "/usr/bin/curl", "cmdline": "curl https://kernel.org", "uid": 1000,
                          "ppid": 18840}),
        ("dns", 2, {"pid": 380281, "exe": "/usr/bin/dig", "cmdline": "dig example.com", "ppid": 45198}),
        ("icmp", 4, {"pid": 459141, "exe": "/usr/bin/ping", "cmdline": "ping -w 10 -c 2 1.1.1.1", "ppid": 45198}),
    ],
)  # fmt: skip
def test_real_captures_of_ptcpdump(tmp_path: Path, name: str, packets: int, facts: dict[str, object]) -> None:
    made = replay(tmp_path, PTCPDUMP_CAPTURES / f"{name}.pcapng")
    pid, short = facts["pid"], str(facts["exe"]).rpartition("/")[2]
    assert made.claims() == [(1, pid, short, "ptcpdump", "comment", 12, False, "packet", f"{name}.pcapng:1")]
    shell = {
        "name": short,
        "lineage": [f"bash({facts['ppid']})"],
        "parent_exe": "/usr/bin/bash",
        "parent_cmdline": "-bash",
    }
    assert made.process(int(str(pid))) == facts | shell
    assert made.verdicts() == [(pid, short, "ptcpdump", False, None)]
    assert made.ask("SELECT count(*) FROM packets") == [(packets,)]
    assert made.ask("SELECT count(*) FROM claims c JOIN flows f USING (flow_id) WHERE window_start = started_at") == [
        (1,)
    ]


@real
def test_a_real_capture_of_both_ends(tmp_path: Path) -> None:
    made = replay(tmp_path, PTCPDUMP_CAPTURES / "tcp.pcapng")
    assert {claim[1:4] for claim in made.claims()} >= {(345650, "curl", "ptcpdump")}
    assert made.process(345650)["parent_cmdline"] == "ptcpdump -- curl http://127.0.0.1:8000/notfound"
    assert made.process(345650)["lineage"] == ["ptcpdump(345626)"]


UUID_A, UUID_B = UUID(int=0xA << 100), UUID(int=0xB << 100)


def v1(pid: int, comm: str, epid: int = -1, ecomm: str = "", flag: int = 2, size: int = 156, flow: int = 0) -> bytes:
    """A PKTAP header of version 1, by Apple's pktap.h."""
    made = struct.pack("<III24sIIII", size, 1, 1, b"en0", flag, 2, 14, 4)
    made += struct.pack("<i17s3xIHHi17s3x", pid, comm.encode(), 100, 6, 0, epid, ecomm.encode())
    made += struct.pack("<IIii16s16s", flow, 17, T0, 5, UUID_A.bytes, UUID_B.bytes if epid > 0 else bytes(16))
    assert len(made) == 156
    return made[:size]


def v2(pid: int, comm: str, epid: int = -1, ecomm: str = "", flag: int = 2, uuid: bool = True) -> bytes:
    """A PKTAP header of version 2: numbers, then what the offsets in its first bytes point at."""
    data, at = b"", {}
    for name, value in (("if", b"en0\0"), ("uuid", UUID_A.bytes if uuid else b""), ("comm", comm.encode()),
                        ("ecomm", ecomm.encode())):  # fmt: skip
        if value:
            at[name] = 40 + len(data)
            data += value + b"\0"
    head = struct.pack("<6BHHHHHIIIiiI", 40 + len(data), at.get("uuid", 0), 0, at["if"], at.get("comm", 0),
                       at.get("ecomm", 0), 1, 14, 4, 6, 17, 2, 0, 77, pid, epid, flag | 0x80000)  # fmt: skip
    assert len(head) == 40
    return head + data


@pytest.mark.parametrize("link", [149, 258])
@pytest.mark.parametrize("header", [v1, v2])
def test_pktap_headers(tmp_path: Path, link: int, header: object) -> None:
    make = v1 if header is v1 else v2
    frames = (make(200, "Safari") + OUT, make(200, "Safari", flag=1) + BACK, make(-1, "", flag=2) + OUT)
    made = replay(tmp_path, pcap(link, *frames), "x.pcap")
    assert made.claims() == [(1, 200, "Safari", "pktap", "process", 11, False, "packet", "x.pcap:1")]
    assert made.process(200) == {"pid": 200, "name": "Safari", "exe_uuid": str(UUID_A)}
    assert made.ask("SELECT epoch_ns(window_start), epoch_ns(window_end) FROM claims") == [
        (T0 * 10**9, (T0 + 1) * 10**9)
    ]
    assert made.verdicts() == [(200, "Safari", "pktap", False, None)]


@pytest.mark.parametrize("header", [v1, v2])
def test_the_effective_process_of_pktap_owns_and_the_other_is_kept(tmp_path: Path, header: object) -> None:
    make = v1 if header is v1 else v2
    made = replay(tmp_path, pcap(258, make(90, "nsurlsessiond", 200, "App Store") + OUT), "x.pcap")
    assert made.claims() == [
        (1, 200, "App Store", "pktap", "effective-process", 10, False, "packet", "x.pcap:1"),
        (1, 90, "nsurlsessiond", "pktap", "delegate", 70, False, "packet", "x.pcap:1"),
    ]
    assert made.verdicts() == [(200, "App Store", "pktap", False, None)]


def test_a_short_header_of_pktap_has_names_and_no_uuid(tmp_path: Path) -> None:
    made = replay(tmp_path, pcap(258, v1(200, "x" * 16, size=108) + OUT, v1(5, "a", size=107) + OUT), "x.pcap")
    assert made.process(200) == {"pid": 200, "name": "x" * 16}
    assert [claim[1] for claim in made.claims()] == [200]


@pytest.mark.parametrize(
    "data",
    [
        bytes(200), b"\xff" * 200, v2(5, "a")[:40] + b"\xff" * 40,
        bytes((60, 250, 250, 250, 250, 250)) + v2(5, "a")[6:],
        bytes((200,)) + v2(5, "a")[1:], v1(5, "a")[:108], v1(-2, "\udcff".encode("utf-8", "replace").decode()),
    ],
)  # fmt: skip
def test_hostile_headers_of_pktap_break_nothing(tmp_path: Path, data: bytes) -> None:
    made = replay(tmp_path, pcap(258, data, data + OUT, v1(200, "ok") + OUT), "x.pcap")
    assert (200, "ok") in [claim[1:3] for claim in made.claims()]


def test_headers_differ_by_their_processes_only() -> None:
    one, other = v1(200, "a", 300, "b", flow=1), v1(200, "a", 300, "b", flow=2)
    assert one != other
    assert v1_core(one) == v1_core(other)
    assert pktap_v1(v1_core(one)) == pktap_v1(one)
    assert pktap_v2(v2_core(v2(200, "a", 300, "b"))) == pktap_v2(v2(200, "a", 300, "b"))


def index(code: int, value: int) -> bytes:
    return option(code, struct.pack("<I", value))


def test_apples_blocks_are_numbered_from_0_in_each_section(tmp_path: Path) -> None:
    second = udp("10.0.0.1:45001", "10.9.9.9:6001")
    made = replay(
        tmp_path,
        section() + interface() + process(100, "first") + process(101, "second", option(4, UUID_A.bytes))
        + epb(OUT, 0, index(0x8001, 1), index(0x8002, 900), flags(2), index(0x8004, 1))
        + section() + interface() + process(200, "daemon", option(3, "/usr/libexec/daemon")) + process(201, "Mail")
        + epb(second, 1, index(0x8001, 0), index(0x8003, 1), flags(1)) + epb(second, 2, index(0x8001, 9)),
    )  # fmt: skip
    assert made.claims() == [
        (1, 101, "second", "apple-pcapng", "process", 11, False, "packet", "x.pcapng:1"),
        (2, 201, "Mail", "apple-pcapng", "effective-process", 10, True, "packet", "x.pcapng:2"),
        (2, 200, "daemon", "apple-pcapng", "delegate", 70, True, "packet", "x.pcapng:2"),
    ]
    assert made.process(101) == {"pid": 101, "name": "second", "exe_uuid": str(UUID_A)}
    assert made.process(200) == {"pid": 200, "name": "daemon", "exe": "/usr/libexec/daemon"}
    assert [row[:4] for row in made.verdicts()] == [
        (101, "second", "apple-pcapng", False), (201, "Mail", "apple-pcapng", False)
    ]  # fmt: skip
    assert made.ask("SELECT count FROM anomalies WHERE kind = 'packet_process_unknown'") == [(1,)]


def test_unknown_pids_of_apple_are_no_process(tmp_path: Path) -> None:
    made = replay(
        tmp_path,
        section() + interface() + process(0xFFFFFFFF) + process(0) + epb(OUT, 0, index(0x8001, 0), index(0x8003, 1)),
    )
    assert made.ask("SELECT count(*) FROM claims") == [(0,)]


def test_comments_of_apples_libpcap(tmp_path: Path) -> None:
    text = "pid com.apple.WebKit.123 svc BE pktflags 0x2"
    made = replay(tmp_path, section() + interface() + epb(OUT, 0, comment(text)))
    assert made.claims() == [
        (1, 123, "com.apple.WebKit", "apple-comment", "process", 13, False, "packet", "x.pcapng:1")
    ]


@pytest.mark.parametrize(
    ("pid", "flag", "quality", "rank", "name"),
    [
        (1234, 2, "outbound", 67, None), (1234, 1, "inbound", 82, None), (1234, 0, "direction-unknown", 80, None),
        (4, 2, "system", 84, "System"),
    ],
)  # fmt: skip
def test_etl2pcapng_comments(tmp_path: Path, pid: int, flag: int, quality: str, rank: int, name: str | None) -> None:
    text = f"PID={pid} TID=5678 VlanId=7"
    made = replay(tmp_path, section() + interface() + epb(OUT, 0, comment(text), flags(flag)))
    assert made.claims() == [(1, pid, name, "etl2pcapng", quality, rank, flag == 1, "packet", "x.pcapng:1")]


def test_an_unreliable_claim_does_not_contest_a_flow(tmp_path: Path) -> None:
    made = replay(
        tmp_path,
        section() + interface() + epb(OUT, 0, comment("PID=10 TID=1"), flags(2))
        + epb(BACK, 1, comment("PID=4 TID=2"), flags(1)) + epb(BACK, 2, comment("PID=99 TID=2"), flags(1)),
    )  # fmt: skip
    assert len(made.claims()) == 3
    assert made.verdicts() == [(10, None, "etl2pcapng", False, None)]


def test_a_comment_on_every_packet_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often rows are added up and handed on, the claim is the same."""
    monkeypatch.setattr(module, "ROWS", 8)
    flows = [udp(f"10.0.0.1:{45000 + n}") for n in range(20)]
    texts = [f"PID: {n % 7 + 1}\nCmd: /bin/p{n % 7 + 1}" for n in range(20)]
    blocks = b"".join(epb(flows[i % 20], i / 1000, comment(texts[i % 20])) for i in range(200_000))
    made = replay(tmp_path, section() + interface() + blocks)
    assert made.ask("SELECT count(*), count(DISTINCT process_id) FROM claims") == [(20, 7)]
    assert made.ask("SELECT count(*) FROM claims JOIN flows USING (flow_id) WHERE window_start = started_at "
                    "AND window_end = ended_at AND evidence = 'x.pcapng:' || first_packet") == [(20,)]  # fmt: skip
    assert made.ask("SELECT f.src_port, p.pid FROM flows f JOIN processes p USING (process_id) "
                    "WHERE (f.src_port - 45000) % 7 + 1 <> p.pid") == []  # fmt: skip
    assert made.report.packet_claims == {}


def test_more_statements_than_are_kept_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STATEMENTS", 5)
    blocks = b"".join(epb(udp(f"10.0.0.1:{45000 + n}"), n, comment(f"PID: {n + 1}")) for n in range(9))
    made = replay(tmp_path, section() + interface() + blocks)
    assert sorted(claim[1] for claim in made.claims()) == [1, 2, 3, 4, 5]
    assert made.ask("SELECT count FROM anomalies WHERE kind = 'claims_left_out'") == [(4,)]


def test_hostile_comments_are_bounded(tmp_path: Path) -> None:
    texts: list[bytes | str] = [
        b"PID: 5\nCmd: /\xff\xfe" + b"x" * 9000,
        "PID: 6\n" + "Args: a\n" * 7000,
        "rustnet pid=7 process=" + "y" * 9000,
    ]
    made = replay(tmp_path, section() + interface() + b"".join(epb(OUT, i, comment(t)) for i, t in enumerate(texts)))
    assert sorted(claim[1] for claim in made.claims()) == [5, 6, 7]
    assert made.ask("SELECT max(length(exe)), max(length(name)), max(length(cmdline)) FROM processes")[0] <= (
        4096,
        256,
        4096,
    )


def test_packets_that_belong_to_no_flow_own_nothing(tmp_path: Path) -> None:
    made = replay(tmp_path, section() + interface(999) + epb(b"xyz", 0, comment("PID: 5")))
    assert made.claims() == []


def test_sidecar_and_comments_are_weighed_together(tmp_path: Path, record: object) -> None:
    import json  # noqa: PLC0415

    sidecar = tmp_path / "n.jsonl"
    line = record("10.0.0.1:45000", "10.9.9.9:6000", pid=900, name="other", protocol="UDP")  # type: ignore[operator]
    sidecar.write_text(json.dumps(line) + "\n")
    data = section() + interface() + epb(OUT, 0, comment("PID: 5\nCmd: /bin/nc")) + epb(OUT, 3, comment(RUSTNET))
    made = replay(tmp_path, data, sidecars=(str(sidecar),))
    assert [(c[1], c[3], c[5]) for c in made.claims()] == [
        (5, "ptcpdump", 12), (900, "rustnet-sidecar", 20), (4242, "rustnet-comment", 24)
    ]  # fmt: skip
    assert made.verdicts() == [(5, "nc", "ptcpdump", False, None)]
    assert "packets of" in made.report.sidecars[0]


def test_damaged_blocks_keep_their_index(tmp_path: Path) -> None:
    broken = block(0x80000001, struct.pack("<IHH", 55, 2, 9999))
    made = replay(tmp_path, section() + interface() + broken + process(56, "next") + epb(OUT, 0, index(0x8001, 1)))
    assert [claim[1:3] for claim in made.claims()] == [(56, "next")]


def test_every_comment_parser_ignores_other_formats() -> None:
    texts = [[RUSTNET], ["Loc:US PID:1 Process:p"], list(PTCPDUMP), ["pid a.1 svc BE"]]
    for n, reader in enumerate(COMMENTS):
        assert [bool(reader(text)) for text in texts] == [n == k for k in range(len(texts))]


def test_rows_are_merged_by_flow_statement_set_and_direction() -> None:
    rows = {
        "flow_id": np.array([2, 1, 2, 2]), "statement_set": np.array([1, 1, 1, 1]),
        "from_src": np.array([True, True, True, False]),
        "first": np.array([9, 5, 7, 8]), "last": np.array([9, 5, 12, 8]), "packets": np.array([1, 1, 3, 1]),
        "number": np.array([4, 1, 2, 3]),
    }  # fmt: skip
    made = module._merged(rows)
    assert {n: c.tolist() for n, c in made.items()} == {
        "flow_id": [1, 2, 2], "statement_set": [1, 1, 1], "from_src": [True, False, True], "first": [5, 8, 7],
        "last": [5, 8, 12], "packets": [1, 1, 4], "number": [1, 3, 2],
    }  # fmt: skip
    assert len(PacketClaims(1, "")) == 0
