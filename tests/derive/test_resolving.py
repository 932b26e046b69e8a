"""Names by reverse DNS: only for what was asked, within bounds, as the last choice of all names."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from rustnet.cli.main import main
from rustnet.derive import resolving
from rustnet.derive.enrichment import enrich_again, enrich_new
from rustnet.derive.names import name_flows
from rustnet.derive.passes import Span
from rustnet.derive.resolving import by_system, resolve, valid
from rustnet.store.schema import TALKERS_SQL
from tests.attribute.conftest import SECOND, T0, Session
from tests.derive import dns_server
from tests.support.packets import udp_frame
from tests.support.paths import ROOT
from tests.support.pcap import write_pcap

ADDRESSES = ("8.8.8.8", "1.1.1.1", "10.0.0.9", "224.0.0.251", "255.255.255.255", "9.9.9.9")


class Answers:
    """A resolver with fixed answers that remembers the questions."""

    def __init__(self, **names: str) -> None:
        self.names = {key.replace("_", "."): name for key, name in names.items()}
        self.asked: list[str] = []

    def __call__(self, ip: str) -> str | None:
        self.asked.append(ip)
        if ip == "9.9.9.9":
            raise OSError("no answer")
        return dns_server.NAMES.get(ip)


@pytest.fixture
def known(session: Session) -> Session:
    """A session with flows to `ADDRESSES`, enriched."""
    session.con.execute(TALKERS_SQL)
    for address in ADDRESSES:
        session.flow(dst=f"{address}:53", protocol="udp")
    enrich_new(session.con, Span((1,)))
    return session


def names(session: Session) -> list[tuple[str, str]]:
    return session.ask("SELECT ip, name FROM names WHERE source = 'ptr' ORDER BY ip")


def test_global_addresses_are_asked_for_and_no_others(known: Session) -> None:
    answers = Answers()
    before = time.time_ns()
    result = resolve(known.con, "global", answers)
    assert sorted(answers.asked) == ["1.1.1.1", "8.8.8.8", "9.9.9.9"]
    assert names(known) == [("1.1.1.1", "one.one.one.one"), ("8.8.8.8", "dns.google")]
    assert result.names == 2
    assert result.note == ("asked for the names of 3 addresses: 2 have one, 0 have none; no answer for 1")
    asked = known.ask("SELECT ip, epoch_ns(resolved_at) FROM addresses WHERE resolved_at IS NOT NULL ORDER BY ip")
    assert [ip for ip, _at in asked] == ["1.1.1.1", "8.8.8.8"]
    assert all(before <= at <= time.time_ns() for _ip, at in asked)
    assert known.ask("SELECT DISTINCT capture_id, epoch_ns(ts) = ? FROM names", asked[0][1]) == [(1, True)]


def test_all_means_local_networks_too_but_no_groups(known: Session) -> None:
    answers = Answers()
    resolve(known.con, "all", answers)
    assert sorted(answers.asked) == ["1.1.1.1", "10.0.0.1", "10.0.0.9", "8.8.8.8", "9.9.9.9"]
    assert ("10.0.0.9", "printer.lan") in names(known)


def test_an_answer_is_kept_for_a_day_also_if_there_is_no_name(known: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(known.con, "all", Answers())
    again = Answers()
    resolve(known.con, "all", again)
    assert again.asked == ["9.9.9.9"]  # there was no answer
    enrich_again(known.con)  # forgets nothing of it
    monkeypatch.setattr(resolving, "KEPT_SECONDS", 0)
    later = Answers()
    resolve(known.con, "all", later)
    assert sorted(later.asked) == ["1.1.1.1", "10.0.0.1", "10.0.0.9", "8.8.8.8", "9.9.9.9"]
    assert len(names(known)) == 3  # replaced, not added


def test_a_name_by_reverse_dns_is_the_last_choice(known: Session) -> None:
    known.con.execute(
        "INSERT INTO names (capture_id, ip, name, source, ts) "
        f"VALUES (1, '1.1.1.1', 'from.file', 'nrb', make_timestamp_ns({T0 * SECOND}))"
    )
    resolve(known.con, "global", Answers())
    assert name_flows(known.con, Span((1,))) == 2
    assert known.ask("SELECT dst_ip, hostname, hostname_source FROM flows WHERE hostname IS NOT NULL ORDER BY 1") == [
        ("1.1.1.1", "from.file", "nrb"), ("8.8.8.8", "dns.google", "ptr"),
    ]  # fmt: skip
    known.con.execute(
        "INSERT INTO names (capture_id, ip, name, source, ts, ttl, client) "
        f"VALUES (1, '8.8.8.8', 'asked.example', 'dns', make_timestamp_ns({T0 * SECOND}), 3600, '10.0.0.1')"
    )
    assert name_flows(known.con, Span((1,))) == 1
    assert known.ask("SELECT hostname FROM flows WHERE dst_ip = '8.8.8.8'") == [("asked.example",)]


def test_most_bytes_first_within_the_bound(known: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "MOST", 1)
    known.con.execute("UPDATE flows_ended SET src_bytes = 1, dst_bytes = CASE dst_ip WHEN '1.1.1.1' THEN 9 ELSE 1 END")
    answers = Answers()
    assert resolve(known.con, "global", answers).note.endswith("not asked for 2 with fewer bytes")
    assert answers.asked == ["1.1.1.1"]


def test_it_ends_in_time_whatever_the_name_servers_do(known: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "THREADS", 2)
    release = threading.Event()

    def slow(ip: str) -> str | None:
        if ip != "1.1.1.1":
            release.wait(30)
        return "x.example"

    began = time.monotonic()
    result = resolve(known.con, "all", slow, seconds=0.5)
    release.set()
    assert time.monotonic() - began < 10
    assert "seconds were over" in result.note
    assert result.names <= 1


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("dns.google", "dns.google"), ("Dns.Google.", "dns.google"), ("_x-1.example", "_x-1.example"),
        ("", None), (None, None), (".", None), ("a b", None), ("a..b", None), ("x\x1b[31m", None), ("ä.example", None),
        ("x" * 64 + ".example", None), (".".join(["x" * 60] * 5), None), ("a\nb", None), ("a\n", None),
    ],
)  # fmt: skip
def test_only_host_names_are_kept(name: str | None, kept: str | None) -> None:
    assert valid(name) == kept


def test_the_systems_resolver_is_asked() -> None:
    assert by_system("127.0.0.1") in {"localhost", "localhost.localdomain", None} or by_system("127.0.0.1")


def test_it_is_never_done_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a name server would have been asked")

    monkeypatch.setattr("socket.getnameinfo", refuse)
    capture = write_pcap(tmp_path / "x.pcap", [udp_frame(("10.0.0.1", 1), ("8.8.8.8", 2), b"x")])
    session = tmp_path / "s.duckdb"
    assert main(["replay", str(capture), "--db", str(session), "--json"]) == 0
    assert main(["refresh", str(session)]) == 0


def test_resolve_is_for_the_pass_enrichment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = write_pcap(tmp_path / "x.pcap", [udp_frame(("10.0.0.1", 1), ("10.0.0.2", 2), b"x")])
    session = str(tmp_path / "s.duckdb")
    assert main(["replay", str(capture), "--db", session, "--json"]) == 0
    assert main(["refresh", "--resolve", session, "names"]) == 2
    assert "--resolve is for the pass enrichment" in capsys.readouterr().err
    assert main(["refresh", session, "--resolve=some"]) == 2
    capsys.readouterr()
    assert main(["refresh", "--resolve", session, "enrichment"]) == 0  # none of these addresses is global
    assert "asked for the names of 0 addresses" in capsys.readouterr().out


def cannot() -> str:
    """Why there can be no system with a name server of its own here, or nothing."""
    if sys.platform != "linux" or os.geteuid():
        return "needs root on Linux"
    absent = [name for name in ("unshare", "ip", "mount") if shutil.which(name) is None]
    if absent:
        return f"needs {', '.join(absent)}"
    made = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)
    return "" if made.returncode == 0 else "namespaces cannot be made here"


@pytest.mark.root
@pytest.mark.skipif(bool(cannot()), reason=cannot() or "-")
def test_a_real_name_server_is_asked(tmp_path: Path) -> None:
    ends = ("8.8.8.8", "1.1.1.1", "9.9.9.9", "10.0.0.9", dns_server.REFUSED)
    frames = [udp_frame(("10.0.0.1", 40000), (address, 123), b"x") for address in ends]
    session = tmp_path / "s.duckdb"
    assert main(["replay", str(write_pcap(tmp_path / "x.pcap", frames)), "--db", str(session), "--json"]) == 0
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    refresh = [sys.executable, "-m", "rustnet", "refresh", str(session), "enrichment"]

    def asked(option: str) -> tuple[str, list[tuple[object, ...]]]:
        done = subprocess.run(
            ["unshare", "--net", "--mount", sys.executable, dns_server.__file__, str(conf), *refresh, option],
            capture_output=True, text=True, check=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        with duckdb.connect(str(session), read_only=True) as con:
            sql = "SELECT dst_ip, hostname, hostname_source FROM flows WHERE hostname IS NOT NULL ORDER BY dst_num"
            return done.stdout, con.execute(sql).fetchall()

    out, named = asked("--resolve")
    assert named == [("1.1.1.1", "one.one.one.one", "ptr"), ("8.8.8.8", "dns.google", "ptr")]
    assert "asked for the names of 4 addresses: 2 have one, 1 have none; no answer for 1" in out
    out, named = asked("--resolve=all")
    assert ("10.0.0.9", "printer.lan", "ptr") in named
    assert "asked for the names of 3 addresses: 1 have one, 1 have none; no answer for 1" in out
