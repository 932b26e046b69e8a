"""enrich, and the comments of extract: the owners of a session on the packets of its capture."""

import gzip
import json
import re
import shutil
import struct
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

import duckdb
import pytest

from rustnet.query import comments as query_comments
from rustnet.query.comments import Comments
from rustnet.query.session import FileSession
from rustnet.sources.files import reread
from tests.support.command_line import Run, child
from tests.support.conversations import CLIENT, RESOLVER, SERVER, dns_flow, http_flow
from tests.support.packets import START, ip_frame, udp_frame
from tests.support.paths import SAMPLES
from tests.support.pcap import pcap

needs_tshark = pytest.mark.skipif(which("tshark") is None, reason="tshark is not here")
KEYS = [
    "process", "pid", "ppid", "uid", "attr", "pod", "ns", "pod_uid", "container", "container_id", "direction", "app",
    "sni", "country", "asn",
]  # fmt: skip


def fields_of(comment: str) -> dict[str, str]:
    """Read a comment of RustNet's form as it is specified."""
    head, *parts = comment.split(" ")
    assert head == "rustnet"
    made = dict(part.split("=", 1) for part in parts)
    assert list(made) == [key for key in KEYS if key in made]
    assert not any(c.isspace() or not c.isprintable() for value in made.values() for c in value)
    return made


def frames_of(path: Path) -> list[tuple[int, bytes, int, int]]:
    return [
        (f.ts[i], f.frame(i), f.length[i], f.link[i]) for f in reread(str(path)).batches() for i in range(f.count)
    ]  # fmt: skip


def comments_of(path: Path) -> dict[int, list[str]]:
    """Comments of the packets that have some."""
    return {
        f.first_number + i: note.comments
        for f in reread(str(path)).batches() for i, note in f.notes.items() if note.comments
    }  # fmt: skip


def tshark(path: Path, *options: str) -> str:
    done = subprocess.run(
        ["tshark", "-r", str(path), *options], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def instant(ns: int) -> dict[str, int]:
    return {"secs_since_epoch": ns // 10**9, "nanos_since_epoch": ns % 10**9}


def said(local: str, remote: str, protocol: str = "TCP", **more: object) -> str:
    """One line of a sidecar, valid for a second from `START` on."""
    made = {
        "timestamp": "2023-11-14T22:13:21Z", "protocol": protocol, "local_addr": local, "remote_addr": remote,
        "first_seen": instant(START), "last_seen": instant(START + 10**9), "bytes_sent": 1, "bytes_received": 1,
        "state": "ESTABLISHED", "attribution_match": "exact-tuple", **more,
    }  # fmt: skip
    return json.dumps(made) + "\n"


CURL: dict[str, Any] = {"pid": 42, "process_name": "curl", "process_ppid": 41, "process_uid": 1000}
RESOLVED: dict[str, Any] = {"pid": 7, "process_name": "systemd-resolve", "attribution_match": "wildcard-local-address"}


@pytest.fixture
def sidecar(tmp_path: Path) -> Path:
    """Owners of the conversations of `capture`."""
    path = tmp_path / "owners.jsonl"
    path.write_text(
        said(f"{CLIENT}:40000", f"{SERVER}:80", **CURL) + said(f"{CLIENT}:50000", f"{RESOLVER}:53", "UDP", **RESOLVED)
    )
    return path


def test_packets_get_their_owners(run: Run, capture: Path, sidecar: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    made = run("enrich", capture, "--sidecar", sidecar, "-o", out)
    assert made.code == 0, made.err
    assert made.err == f"10 packets written to {out}, 10 with a process comment\n"
    assert not made.out
    assert frames_of(out) == frames_of(capture)
    dns = (
        "rustnet process=systemd-resolve pid=7 attr=wildcard-local-address direction=outgoing app=dns sni=shop.example"
    )
    http = "rustnet process=curl pid=42 ppid=41 uid=1000 attr=exact-tuple direction=outgoing app=http sni=shop.example"
    assert comments_of(out) == {n: [dns if n <= 2 else http] for n in range(1, 11)}


def test_the_owner_may_be_the_other_end(run: Run, capture: Path, tmp_path: Path) -> None:
    beside = Path(f"{capture}.connections.jsonl")
    beside.write_text(said(f"{SERVER}:80", f"{CLIENT}:40000", pid=80, process_name="httpd"))
    out = tmp_path / "out.pcapng"
    made = run("enrich", capture, "-o", out)
    assert "10 packets written" in made.err
    assert "8 with a process comment" in made.err
    assert list(comments_of(out)) == list(range(3, 11))  # nobody owns the DNS packets, and they are there
    assert {fields_of(c)["direction"] for (c,) in comments_of(out).values()} == {"incoming"}
    assert frames_of(out) == frames_of(capture)


def test_hostile_values_stay_fields(run: Run, capture: Path, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    cube = {"pod_name": " po\td ", "pod_namespace": "a=b", "pod_uid": "\u2028", "container_id": "\x00\x85c",
            "container_name": "näme\u3000🐳"}  # fmt: skip
    path.write_text(
        said(f"{CLIENT}:40000", f"{SERVER}:80", pid=1, process_name="_a b\n\u00a0c_", kubernetes=cube)
        + said(f"{CLIENT}:50000", f"{RESOLVER}:53", "UDP", pid=2, process_name="x" * 300)
    )
    out = tmp_path / "out.pcapng"
    assert run("enrich", capture, "--sidecar", path, "-o", out).code == 0
    made = fields_of(comments_of(out)[3][0])
    assert made.pop("container_id").endswith("c")
    assert made == {
        "process": "a_b__c", "pid": "1", "attr": "exact-tuple", "pod": "po_d", "ns": "a=b", "container": "näme_🐳",
        "direction": "outgoing", "app": "http", "sni": "shop.example",
    }  # fmt: skip
    assert len(fields_of(comments_of(out)[1][0])["process"]) == 255


def test_ipv6_and_echoes(run: Run, tmp_path: Path) -> None:
    a, b = "2001:db8::1", "2001:db8::2"
    echo = [struct.pack(">BBHHH", kind, 0, 0, 77, 1) + b"ping" for kind in (128, 129)]
    path, owners, out = tmp_path / "six.pcap", tmp_path / "o.jsonl", tmp_path / "out.pcapng"
    path.write_bytes(
        pcap([udp_frame((a, 5000), (b, 6000), b"abcd"), ip_frame(a, b, 58, echo[0]), ip_frame(b, a, 58, echo[1])])
    )
    owners.write_text(
        said("[2001:db8::1]:5000", "[2001:db8::2]:6000", "UDP", pid=5, process_name="six")
        + said("[2001:db8::1]:0", "[2001:db8::2]:0", "ICMP", pid=6, process_name="ping")
    )
    assert run("enrich", path, "--sidecar", owners, "-o", out).code == 0
    assert [fields_of(c)["process"] for (c,) in comments_of(out).values()] == ["six", "ping", "ping"]


@pytest.mark.parametrize(
    "name",
    ["web.pcap", "network.pcapng", "contested.pcap", "damaged.pcap", "dns.pcap", "scan.pcap.zst", "slow-link.pcap"],
)
@needs_tshark
def test_tshark_shows_the_owners_of_real_programs(run: Run, tmp_path: Path, name: str) -> None:
    """Real recordings: comments on the packets whose flow has an owner, all else as tshark sees it in the original."""
    original, session, out = SAMPLES / name, tmp_path / "s.duckdb", tmp_path / "out.pcapng"
    run("replay", original, "--db", session)
    made = run("enrich", original, "-o", out)
    assert made.code == 0, made.err
    with duckdb.connect(str(session), read_only=True) as con:
        owners = con.execute(
            "SELECT number, pid, name FROM packets LEFT JOIN flows USING (flow_id) "
            "LEFT JOIN processes USING (process_id) ORDER BY number"
        ).fetchall()
    lines = tshark(out, "-T", "fields", "-e", "frame.number", "-e", "frame.comment").splitlines()
    assert len(lines) == len(owners)
    assert any(pid for _, pid, _ in owners)
    for line, (number, pid, process) in zip(lines, owners, strict=True):
        shown, _, comment = line.partition("\t")
        assert int(shown) == number
        if pid is None:
            assert not comment
        else:
            fields = fields_of(comment)
            assert (fields["pid"], fields["process"]) == (str(pid), process)
    times = ("-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len")
    plain = original if not name.startswith("damaged") else whole_part(original, tmp_path)
    assert tshark(out, *times) == tshark(plain, *times)
    assert tshark(out, "-x") == tshark(plain, "-x")


def whole_part(path: Path, folder: Path) -> Path:
    """A cut capture without its cut packet: tshark fails at that."""
    data = path.read_bytes()
    at = 24
    while at + 16 <= len(data) and at + 16 + int.from_bytes(data[at + 8 : at + 12], "little") <= len(data):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
    made = folder / "whole.pcap"
    made.write_bytes(data[:at])
    return made


@pytest.mark.parametrize("name", ["web.pcap", "network.pcapng", "contested.pcap"])
def test_the_way_back(run: Run, tmp_path: Path, name: str) -> None:
    """The annotated file alone, without a sidecar, has the owners that the sidecar gave."""
    out, first, second = tmp_path / "out.pcapng", tmp_path / "1.duckdb", tmp_path / "2.duckdb"
    run("replay", SAMPLES / name, "--db", first)
    assert run("enrich", "--db", first, SAMPLES / name, "-o", out).code == 0
    assert run("replay", out, "--db", second).code == 0
    owners = (
        "SELECT f.first_packet, f.src_ip, f.dst_ip, p.pid, p.name FROM flows f LEFT JOIN processes p "
        "USING (process_id) ORDER BY ALL"
    )
    with duckdb.connect(str(second), read_only=True) as con:
        if not con.execute("SELECT count(*) FROM claims").fetchall()[0][0]:
            pytest.skip("owners on packets are not read yet")
        after = con.execute(owners).fetchall()
    with duckdb.connect(str(first), read_only=True) as con:
        assert after == con.execute(owners).fetchall()


def test_packed_captures_and_pipes(run: Run, capture: Path, sidecar: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    assert run("enrich", capture, "--sidecar", sidecar, "--force", "-o", out).code == 0
    whole = out.read_bytes()
    packed = tmp_path / "packed.pcap.gz"
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    Path(f"{capture.with_name('packed.pcap')}.connections.jsonl").write_bytes(sidecar.read_bytes())
    assert run("enrich", packed, "--force", "-o", out).code == 0
    assert out.read_bytes() == whole
    for stdin in (capture, packed):
        made = child("enrich", "-", "--sidecar", sidecar, "-o", "-", stdin=stdin.read_bytes())
        assert made.returncode == 0, made.stderr
        assert made.stdout == whole


def test_a_session_knows_the_owners(run: Run, capture: Path, sidecar: Path, tmp_path: Path) -> None:
    session, out, other = tmp_path / "s.duckdb", tmp_path / "out.pcapng", tmp_path / "other.pcap"
    other.write_bytes(pcap(http_flow(port=40001)))
    beside = Path(f"{other}.connections.jsonl")
    beside.write_text(said(f"{CLIENT}:40001", f"{SERVER}:80", pid=43, process_name="wget"))
    run("replay", other, "--db", session)
    run("replay", capture, "--sidecar", sidecar, "--db", session)
    before = session.read_bytes()
    made = run("enrich", "--db", session, capture, "--force", "-o", out)
    assert made.code == 0, made.err
    assert {fields_of(c)["process"] for (c,) in comments_of(out).values()} == {"curl", "systemd-resolve"}
    assert run("enrich", "--db", session, other, "--force", "-o", out).code == 0
    assert {fields_of(c)["process"] for (c,) in comments_of(out).values()} == {"wget"}
    assert session.read_bytes() == before
    kept = out.read_bytes()
    other.write_bytes(pcap(http_flow(port=40002)))
    made = run("enrich", "--db", session, other, "--force", "-o", out)
    assert made.code == 1
    assert "SHA-256" in made.err
    assert out.read_bytes() == kept


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["web.pcap", "-o", "out.pcap"], 2),
        (["web.pcap", "-o", "nowhere/out.pcapng"], 2),
        (["web.pcap", "-o", "out.pcapng", "--sidecar", "o.jsonl", "--db", "s.duckdb"], 2),
        (["web.pcap", "-o", "out.pcapng", "--sidecar", "missing.jsonl"], 3),
        (["web.pcap", "-o", "out.pcapng", "--sidecar", "empty.jsonl"], 3),
        (["web.pcap", "-o", "out.pcapng", "--db", "missing.duckdb"], 1),
        (["web.pcap", "-o", "out.pcapng"], 1),
        (["missing.pcap", "-o", "out.pcapng"], 3),
        (["o.jsonl", "-o", "out.pcapng"], 3),
        (["web.pcap"], 2),
    ],
)
def test_mistakes(
    run: Run,
    capture: Path,
    sidecar: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(sidecar, "o.jsonl")
    Path("empty.jsonl").write_bytes(b"")
    made = run("enrich", *arguments)
    assert made.code == code
    assert made.err.count("\n") == 1
    assert not list(tmp_path.glob("*out.*"))


def test_inputs_are_never_written_over(
    run: Run, capture: Path, sidecar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotated = tmp_path / "a.pcapng"
    assert run("enrich", capture, "--sidecar", sidecar, "-o", annotated).code == 0
    before = annotated.read_bytes()
    link = tmp_path / "link.pcapng"
    link.symlink_to(annotated)
    monkeypatch.chdir(tmp_path)
    for place in (annotated, link, "a.pcapng"):
        made = run("enrich", annotated, "--sidecar", sidecar, "-o", place)
        assert made.code == 2
        assert "is an input" in made.err
    assert annotated.read_bytes() == before
    assert run("enrich", annotated, "--sidecar", annotated, "-o", annotated).code == 2


def test_an_annotated_capture_stays_as_it_is(run: Run, capture: Path, sidecar: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1.pcapng", tmp_path / "2.pcapng"
    run("enrich", capture, "--sidecar", sidecar, "-o", first)
    made = run("enrich", first, "--sidecar", sidecar, "-o", second)
    assert made.code == 0
    assert "0 with a process comment, 10 already had one" in made.err
    assert second.read_bytes() == first.read_bytes()


def test_cut_captures_are_written_as_far_as_they_go(run: Run, capture: Path, sidecar: Path, tmp_path: Path) -> None:
    cut, out = tmp_path / "cut.pcap", tmp_path / "out.pcapng"
    cut.write_bytes(capture.read_bytes()[:-10])
    made = run("enrich", cut, "--sidecar", sidecar, "--force", "-o", out)
    assert made.code == 0
    assert "the file ends within a record" in made.err
    assert "not read to a clean end" in made.err
    assert frames_of(out) == frames_of(capture)[:-1]
    assert len(comments_of(out)) == 9
    assert run("enrich", cut, "--sidecar", sidecar, "--force", "-o", out, "--strict").code == 4
    assert run("enrich", capture, "--sidecar", sidecar, "--force", "-o", out, "--strict").code == 0


def test_one_bad_sidecar_does_not_stop_another(run: Run, capture: Path, sidecar: Path, tmp_path: Path) -> None:
    bad, out = tmp_path / "bad.connections.jsonl", tmp_path / "out.pcapng"
    bad.write_text("{}\n")
    made = run("enrich", capture, "--sidecar", bad, "--sidecar", sidecar, "-o", out)
    assert made.code == 3
    assert "bad.connections.jsonl" in made.err
    assert len(comments_of(out)) == 10


def test_a_sidecar_that_fits_nothing(run: Run, capture: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "o.jsonl", tmp_path / "out.pcapng"
    path.write_text(said("1.2.3.4:5", "6.7.8.9:10", pid=1, process_name="x"))
    made = run("enrich", capture, "--sidecar", path, "-o", out)
    assert made.code == 0
    assert "no flow has an owner" in made.err
    assert frames_of(out) == frames_of(capture)


def test_extract_says_it_too(run: Run, capture: Path, sidecar: Path, tmp_path: Path) -> None:
    annotated, session = tmp_path / "annotated.pcapng", tmp_path / "s.duckdb"
    out = tmp_path / "out.pcapng"
    marked = tmp_path / "marked.pcapng"
    run("enrich", capture, "--sidecar", sidecar, "-o", annotated)
    marked.write_bytes(re.sub(rb"pid=42 ", b"pid=99 ", annotated.read_bytes()))  # somebody else's comments
    run("replay", marked, "--sidecar", sidecar, "--db", session)
    assert run("extract", session, "app:http", "--force", "-o", out).code == 0
    found = comments_of(out)
    assert len(found) == 8
    for ours, theirs in found.values():
        assert (fields_of(ours)["pid"], fields_of(theirs)["pid"]) == ("42", "99")
    assert frames_of(out) == frames_of(capture)[2:]
    assert run("extract", session, "--force", "-o", out, "--no-comments").code == 0
    assert comments_of(out) == comments_of(marked)
    assert run("extract", session, "app:dns", "--force", "-o", out).code == 0
    assert [len(c) for c in comments_of(out).values()] == [1, 1]  # who is named already is not named again
    assert run("extract", session, "-o", tmp_path / "out.pcap").code == 0
    assert frames_of(tmp_path / "out.pcap") == frames_of(capture)


def test_chunks(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments are looked up a few packets at a time, from any packet on."""
    path, owners, session = tmp_path / "a.pcap", tmp_path / "o.jsonl", tmp_path / "s.duckdb"
    ports = range(40000, 40006)
    frames = [f for p in ports for f in http_flow(p)] + dns_flow()
    path.write_bytes(pcap(frames))
    owners.write_text("".join(said(f"{CLIENT}:{p}", f"{SERVER}:80", pid=p, process_name="c") for p in ports))
    run("replay", path, "--sidecar", owners, "--db", session)
    monkeypatch.setattr(query_comments, "CHUNK", 5)
    con = FileSession(session)
    try:
        comments = Comments(con, 1)
        numbers = list(range(1, len(frames) + 1))
        expected = [str(ports[(n - 1) // 8]) if n <= 48 else None for n in numbers]
        for order in (numbers, numbers[::-1], numbers[::3]):
            texts = [comments.text(n) for n in order]
            pids = [fields_of(t)["pid"] if t else None for t in texts]
            assert pids == [expected[n - 1] for n in order]
        for first in numbers[:-4]:
            places = comments.which(first, 4).tolist()
            pids = [fields_of(comments.texts[k].decode())["pid"] if k >= 0 else None for k in places]
            assert pids == expected[first - 1 : first + 3]
        assert comments.text(10**12) == ""
        assert comments.owned_flows() == 6
        assert comments.asked()
    finally:
        con.close()
