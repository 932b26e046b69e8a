"""Databases of the user on the command line, what commands show of places, and old sessions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from rustnet.cli.main import main
from rustnet.dissect import registry
from rustnet.enrich import geofiles
from rustnet.store.removal import remove_captures
from rustnet.store.session import close, create_or_open
from tests.support.command_line import Run
from tests.support.mmdb import place, system, write
from tests.support.packets import udp_frame
from tests.support.paths import ROOT
from tests.support.pcap import write_pcap

ENDS = ("8.8.8.8", "1.1.1.1", "192.168.1.1")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No database is found."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(geofiles, "SYSTEM", ())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(monkeypatch)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    frames = [udp_frame(("10.0.0.1", 40000 + i), (address, 53), b"x") for i, address in enumerate(ENDS)]
    return write_pcap(tmp_path / "x.pcap", frames)


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return write(tmp_path / "city.mmdb", "GeoLite2-City", {"8.8.8.0/24": place("DE", "Köln")})


def places(session: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(session), read_only=True) as con:
        return con.execute("SELECT dst_country, dst_city, dst_asn FROM flows ORDER BY flow_id").fetchall()


SHIPPED = [("US", None, 15169), ("AU", None, 13335), (None, None, None)]
OWN = [("DE", "Köln", 15169), ("AU", None, 13335), (None, None, None)]
NOTHING = [(None, None, None)] * 3


def test_replay_and_refresh_use_the_databases_given(run: Run, tmp_path: Path, capture: Path, city: Path) -> None:
    session = tmp_path / "s.duckdb"
    assert run("replay", capture, "--db", session, "--json").code == 0
    assert places(session) == SHIPPED
    done = run("refresh", session, "enrichment", "--geoip-city", city)
    assert (done.code, done.out) == (0, "enrichment: 2 rows changed\n")
    assert places(session) == OWN
    assert run("refresh", session).code == 0
    assert places(session) == SHIPPED
    assert run("refresh", session, "--no-geoip").code == 0
    assert places(session) == NOTHING
    with duckdb.connect(str(session), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM data_sources").fetchall() == [(0,)]
        assert con.execute("SELECT scope FROM addresses ORDER BY num").fetchall() == [
            ("global",), ("global",), ("private",), ("private",),
        ]  # fmt: skip
    other = tmp_path / "t.duckdb"
    assert run("replay", capture, "--db", other, "--geoip-city", city, "--json").code == 0
    assert places(other) == OWN
    last = tmp_path / "u.duckdb"
    assert run("replay", capture, "--db", last, "--no-geoip", "--json").code == 0
    assert places(last) == NOTHING


def test_a_paced_replay_has_the_same_rows(run: Run, tmp_path: Path, capture: Path, city: Path) -> None:
    session = tmp_path / "s.duckdb"
    assert run("replay", capture, "--db", session, "--geoip-city", city, "--speed", "10", "--json").code == 0
    assert places(session) == OWN


def test_the_configuration_names_databases(run: Run, tmp_path: Path, capture: Path, city: Path) -> None:
    asn = write(tmp_path / "asn.mmdb", "GeoLite2-ASN", {"8.8.8.0/24": system(64500, "Example")})
    config = tmp_path / "config.toml"
    config.write_text(f'[geo]\ncity = "{city}"\nasn = "none.mmdb"\n')
    config.chmod(0o600)
    session = tmp_path / "s.duckdb"
    wrong = run("replay", capture, "--db", session, "--config", config)
    assert (wrong.code, wrong.err) == (
        3,
        f"rustnet: error: {tmp_path}/none.mmdb: cannot be read: No such file or directory\n",
    )
    assert not session.exists()
    assert run("replay", capture, "--db", session, "--config", config, "--geoip-asn", asn, "--json").code == 0
    assert places(session)[0] == ("DE", "Köln", 64500)


def test_a_database_that_is_none_ends_the_command_before_anything_is_read(
    run: Run, tmp_path: Path, capture: Path, city: Path
) -> None:
    bad = tmp_path / "bad.mmdb"
    bad.write_bytes(b"no database" * 1000)
    session = tmp_path / "s.duckdb"
    for option, file, words in (
        ("--geoip-city", bad, "is not a database in MaxMind's format, or is damaged"),
        ("--geoip-asn", city, "is a database of the type GeoLite2-City, and states no autonomous systems"),
        ("--geoip-country", tmp_path, "cannot be read"),
    ):
        done = run("replay", capture, "--db", session, option, file)
        assert done.code == 3
        assert words in done.err
        assert done.err.count("\n") == 1
        assert not session.exists()
    assert run("replay", capture, "--db", session, "--json").code == 0
    done = run("refresh", session, "--geoip-city", bad)
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert places(session) == SHIPPED


def test_the_session_must_not_be_the_database(run: Run, capture: Path, city: Path) -> None:
    before = city.read_bytes()
    done = run("replay", capture, "--db", city, "--geoip-city", city)
    assert done.code != 0
    assert city.read_bytes() == before


def test_a_damaged_database_that_was_found_is_one_line(
    run: Run, tmp_path: Path, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geofiles, "SYSTEM", (str(tmp_path),))
    (tmp_path / "GeoLite2-City.mmdb").write_bytes(b"x")
    session = tmp_path / "s.duckdb"
    done = run("replay", capture, "--db", session, "--json")
    assert done.code == 0
    assert "GeoLite2-City.mmdb: is not a database in MaxMind's format" in done.err
    assert places(session) == SHIPPED


def test_commands_show_places(run: Run, tmp_path: Path, capture: Path, city: Path) -> None:
    session = tmp_path / "s.duckdb"
    assert run("replay", capture, "--db", session, "--geoip-city", city, "--json").code == 0
    page = run("show", session, "1").out
    assert "Köln, DE" in page
    assert "AS15169 Google LLC" in page
    assert "AS13335" not in page
    flow = json.loads(run("show", session, "1", "--json").out)["flow"]
    assert (flow["dst_country"], flow["dst_city"], flow["src_country"]) == ("DE", "Köln", None)
    rows = json.loads(run("stats", session, "--by", "country", "-f", "json").out)
    assert [(row["country"], row["flows"]) for row in rows] == [("AU", 1), ("DE", 1), (None, 1)]
    rows = json.loads(run("stats", session, "--by", "as", "-f", "json").out)
    assert [(row["asn"], row["as_name"]) for row in rows] == [
        (13335, "Cloudflare, Inc."), (15169, "Google LLC"), (None, None),
    ]  # fmt: skip
    rows = json.loads(run("flows", session, "country:de asn:google scope:global", "-f", "json").out)
    assert [row["flow_id"] for row in rows] == [1]


def test_countries_of_both_ends_count_once_each(run: Run, tmp_path: Path) -> None:
    ends = [("8.8.8.8", "1.1.1.1"), ("8.8.8.8", "9.9.9.9"), ("10.0.0.1", "8.8.4.4")]
    frames = [udp_frame((src, 40000), (dst, 53), b"x" * 10) for src, dst in ends]
    session = tmp_path / "s.duckdb"
    assert run("replay", write_pcap(tmp_path / "x.pcap", frames), "--db", session, "--json").code == 0
    rows = json.loads(run("stats", session, "--by", "country", "-f", "json").out)
    assert [(row["country"], row["flows"], row["bytes_sent"], row["bytes_received"]) for row in rows] == [
        ("US", 3, 104, 52), ("AU", 1, 0, 52),
    ]  # fmt: skip


def test_a_session_of_an_older_program_gets_the_columns(run: Run, tmp_path: Path, capture: Path) -> None:
    session = tmp_path / "s.duckdb"
    assert run("replay", capture, "--db", session, "--json").code == 0
    with duckdb.connect(str(session)) as con:
        con.execute("DROP VIEW hosts; DROP VIEW activity; DROP VIEW talkers; DROP VIEW connections; DROP VIEW flows")
        con.execute("DROP MACRO TABLE flows_at; DROP TABLE addresses; DROP TABLE data_sources")
        for table in ("flows_ended", "flows_open"):
            for side in ("src", "dst"):
                for name in ("country", "city", "asn", "as_name"):
                    con.execute(f"ALTER TABLE {table} DROP COLUMN {side}_{name}")
    done = run("flows", session)
    assert done.code == 1
    assert "written by an older rustnet; 'rustnet refresh" in done.err
    assert run("refresh", session).code == 0
    assert places(session) == SHIPPED
    assert run("flows", session, "country:AU").code == 0


def test_captures_that_are_read_again_leave_no_addresses(tmp_path: Path, capture: Path) -> None:
    """The rows of a partial capture are removed before it is read again."""
    session = tmp_path / "s.duckdb"
    other = write_pcap(tmp_path / "y.pcap", [udp_frame(("10.0.0.1", 40000), ("9.9.9.9", 53), b"y")])
    assert main(["replay", str(capture), str(other), "--join", "never", "--db", str(session), "--json"]) == 0
    con = create_or_open(session, registry.tables())
    remove_captures(con, [1])
    assert con.execute("SELECT ip FROM addresses ORDER BY num").fetchall() == [("9.9.9.9",), ("10.0.0.1",)]
    close(con)


def test_a_wheel_has_the_tables(tmp_path: Path) -> None:
    """Package data of setup.py, without compiling anything."""
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path / "lib"), "egg_info", "--egg-base",
         str(tmp_path)],
        cwd=ROOT, env={**os.environ, "RUSTNET_PURE": "1"}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = ROOT / "rustnet" / "enrich" / "data"
    built = tmp_path / "lib" / "rustnet" / "enrich" / "data"
    assert sorted(path.name for path in built.iterdir()) == sorted(path.name for path in data.iterdir())
    assert (built.parent / "services.tsv").is_file()
