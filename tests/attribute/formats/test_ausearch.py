"""Tables of ``ausearch --format csv``, as ausearch 3.0.9 writes them, and their siblings."""

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.attribute.discover import open_sidecar
from rustnet.attribute.formats.ausearch import ausearch_records
from rustnet.attribute.match import Sidecar, attribute
from rustnet.attribute.observation import Faults, Observation, ProcessFacts
from rustnet.attribute.values import parse_address
from rustnet.errors import InputError
from tests.support.effort import examples

T0 = 1_780_000_000
S = 10**9

TABLE = """\
NODE,EVENT,DATE,TIME,SERIAL_NUM,EVENT_KIND,SESSION,SUBJ_PRIME,SUBJ_SEC,SUBJ_KIND,ACTION,RESULT,OBJ_PRIME,OBJ_SEC,\
OBJ_KIND,HOW
box,SYSCALL,05/28/26,20:26:40,100,audit-rule,1,ann,ann,user-acct,connected-to,success,\
{ saddr_fam=inet laddr=93.184.216.34 lport=443 },,socket,/usr/bin/curl
,SYSCALL,05/28/26,20:26:41,102,audit-rule,1,ann,unknown(1001),user-acct,connected-to,failed,\
{ saddr_fam=inet6 laddr=2001:db8::7 lport=53 },,socket,python3
,SYSCALL,05/28/26,20:26:42,103,audit-rule,unset,system,root,privileged-acct,connected-to,success,\
{ saddr_fam=local path=/run/x.sock },,socket,/usr/bin/local
,SYSCALL,05/28/26,20:26:43,104,audit-rule,4,root,root,privileged-acct,connected-to,success,\
{ saddr_fam=inet laddr=203.0.113.7 lport=53 },,socket,/tmp/a,b c
,SYSCALL,05/28/26,20:26:44,105,audit-rule,4,root,root,privileged-acct,bound-socket,success,\
{ saddr_fam=inet sockaddr len too short },,socket,/usr/sbin/srv
,SYSCALL,05/28/26,20:26:47,108,audit-rule,4,root,root,privileged-acct,executed,success,,,file,/usr/bin/ls
,NETFILTER_CFG,05/28/26,20:26:48,109,,,,,,,,,,,
,SYSCALL,05/28/26,20:26:49,110,audit-rule,4,root
"""
TIMED = """\
NODE,EVENT,DATE,TIME,YEAR,MONTH,DAY,WEEKDAY,HOUR,MILLI,GMT_OFFSET,SERIAL_NUM,EVENT_KIND,SESSION,SUBJ_PRIME,SUBJ_SEC,\
SUBJ_KIND,ACTION,RESULT,OBJ_PRIME,OBJ_SEC,OBJ_KIND,HOW,KEY
box,SYSCALL,05/28/26,22:26:40,2026,05,28,4,22,500,+02:00,100,audit-rule,1,ann,ann,user-acct,connected-to,success,\
{ saddr_fam=inet laddr=93.184.216.34 lport=443 },,socket,/usr/bin/curl,net
box,SYSCALL,05/28/26,22:26:41,2026,05,28,4,22,7,+02:00,102,audit-rule,1,ann,ann,user-acct,connected-to,failed,\
{ saddr_fam=inet6 laddr=2001:db8::7 lport=53 },,socket,/tmp/a,b c,
"""
CURL = ProcessFacts(host="box", name="curl", exe="/usr/bin/curl", username="ann")


def put(folder: Path, text: str | bytes, name: str = "audit.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path: Path) -> tuple[list[Observation], Faults, str]:
    reader = open_sidecar(path)
    return [one for batch in reader.batches() for one in batch], reader.faults, reader.source


def called(address: str, port: int, ns: int, process: ProcessFacts, quality: str, position: int) -> list[Observation]:
    return [
        Observation(
            protocol, None, None, parse_address(address), port, ns, ns, ns, process, quality, position,
            host=process.host,
        )
        for protocol in ("tcp", "udp")
    ]  # fmt: skip


def test_a_table_without_a_zone(tmp_path: Path) -> None:
    said, faults, source = read(put(tmp_path, TABLE))
    assert source == "ausearch-csv"
    assert (faults.bad, faults.kept) == (1, [(9, "expected 16 columns as in the header")])
    assert sum(faults.skipped.values()) == 4
    assert said == [
        *called("93.184.216.34", 443, T0 * S, CURL, "zone-unknown", 2),
        *called("2001:db8::7", 53, (T0 + 1) * S, ProcessFacts(name="python3", uid=1001), "zone-unknown", 3),
        *called("203.0.113.7", 53, (T0 + 3) * S, ProcessFacts(name="a,b c", exe="/tmp/a,b c", username="root"),
                "zone-unknown", 5),
    ]  # fmt: skip


def test_a_table_with_a_zone(tmp_path: Path) -> None:
    said, faults, _ = read(put(tmp_path, TIMED))
    assert faults.bad == 0
    program = ProcessFacts(host="box", name="a,b c", exe="/tmp/a,b c", username="ann")
    assert said == [
        *called("93.184.216.34", 443, T0 * S + S // 2, CURL, "connect", 2),
        *called("2001:db8::7", 53, (T0 + 1) * S + 7_000_000, program, "connect-failed", 3),
    ]
    without, _, _ = read(put(tmp_path, TIMED.replace("MILLI,", "").replace(",500,+", ",+").replace(",7,+", ",+")))
    unset, _, _ = read(put(tmp_path, TIMED.replace("ann,ann", "ann,unset")))
    assert unset[0].process == CURL._replace(username=None)
    assert [o.window_start for o in without[::2]] == [T0 * S, (T0 + 1) * S]


@pytest.mark.parametrize(
    ("date", "day"),
    [("05/28/26", 28), ("05/28/2026", 28), ("28.05.2026", 28), ("28.5.26", 28), ("2026-05-28", 28), ("28-05-26", 28),
     ("28/05/26", 28), ("05/04/26", 4)],
)  # fmt: skip
def test_dates_of_locales(tmp_path: Path, date: str, day: int) -> None:
    said, faults, _ = read(put(tmp_path, TABLE.replace("05/28/26", date)))
    assert (faults.bad, said[0].window_start) == (1, (T0 - (28 - day) * 86400) * S)


def test_after_a_date_with_the_day_first_all_are_read_so(tmp_path: Path) -> None:
    text = TABLE.replace("05/28/26,20:26:40", "28/05/26,20:26:40").replace("05/28/26,20:26:41", "01/06/26,20:26:41")
    said, _, _ = read(put(tmp_path, text))
    assert said[2].window_start == (T0 + 1 + 4 * 86400) * S


def test_older_forms_and_a_lost_header(tmp_path: Path) -> None:
    for old in (
        TABLE.replace("saddr_fam=", "fam="),
        TABLE.replace("{ saddr_fam=inet laddr=93.184.216.34 lport=443 }", "inet host:93.184.216.34 serv:443"),
        TABLE.partition("\n")[2],
        "\ufeff" + TABLE.replace("\n", "\r\n"),
    ):
        said, faults, source = read(put(tmp_path, old))
        assert (source, faults.bad, len(said)) == ("ausearch-csv", 1, 6)
        assert said[0]._replace(position=0) == called("93.184.216.34", 443, T0 * S, CURL, "zone-unknown", 0)[0]


def test_claims(session: Any, tmp_path: Path) -> None:
    """With its zone a call names the program of the flow that it begins; without one the claim is unreliable."""
    mine = session.flow("10.0.0.1:40000", "93.184.216.34:443", 0.51, 9)
    old = session.flow("10.0.0.1:40001", "93.184.216.34:443", -60, 60)
    inward = session.flow("93.184.216.34:443", "10.0.0.1:40002", 0.51, 9)
    attribute(session.con, 1, [put(tmp_path, TIMED)])
    assert session.ask(
        "SELECT p.pid, p.name, p.exe, p.username, c.match, c.rank, c.evidence FROM claims c JOIN processes p "
        "ON p.process_id = c.process_id WHERE c.flow_id = ?", mine
    ) == [(None, "curl", "/usr/bin/curl", "ann", "remote", 55, "audit.csv:2")]  # fmt: skip
    assert session.verdict(mine)[1] == "ausearch-csv"
    assert [session.verdict(flow)[1] for flow in (old, inward)] == [None, None]


@pytest.mark.parametrize(
    ("correction", "owner", "why", "seconds"),
    [(None, None, "outside_window", 7199.0), (-7200, "ausearch-csv", None, 1.0)],
)
def test_a_local_time_is_corrected_on_request(
    session: Any, tmp_path: Path, correction: int | None, owner: str | None, why: str | None, seconds: float
) -> None:
    mine = session.flow("10.0.0.1:40000", "93.184.216.34:443", 0.51, 9)
    path = put(tmp_path, TABLE.replace("20:26:", "22:26:"))
    attribute(session.con, 1, [Sidecar(path)], correction=correction)
    assert (session.verdict(mine)[1], session.verdict(mine)[3]) == (owner, why)
    assert session.ask("SELECT quality, rank, round(distance_ms / 1000) FROM claims") == [("zone-unknown", 86, seconds)]


def test_a_table_without_connections_says_why(tmp_path: Path) -> None:
    rows = [line for line in TABLE.splitlines() if "laddr" not in line and line.count(",") > 14]
    with pytest.raises(InputError, match="no ausearch-csv record of a connection: 4 are of another kind"):
        read(put(tmp_path, "\n".join(rows)))


@pytest.mark.parametrize(
    ("old", "new"),
    [("05/28/26,20:26:40", "x,20:26:40"), ("20:26:40", "25:00:00"), ("lport=443", "lport=99999"),
     ("laddr=93.184.216.34", "laddr=93.184.216"), ("05/28/26,20:26:40", "05/48/26,20:26:40"), ("20:26:40", "")],
)  # fmt: skip
def test_invalid_rows_are_faults(tmp_path: Path, old: str, new: str) -> None:
    said, faults, _ = read(put(tmp_path, TABLE.replace(old, new)))
    assert (len(said), faults.bad, faults.kept[0][0]) == (4, 2, 2)


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(TIMED) - 1), st.sampled_from([",", "\n", "\0", "{", "é", "", "9"]))))
def test_damaged_tables_never_raise(changes: list[tuple[int, str]]) -> None:
    text = list(TIMED)
    for at, new in changes:
        text[at] = new
    faults = Faults()
    rows = [row for _, row in ausearch_records(io.BytesIO("".join(text).encode()), faults)]
    assert len(rows) + faults.bad <= "".join(text).count("\n") + 1


@settings(max_examples=examples(60), deadline=None)
@given(data=st.binary(max_size=300), at=st.integers(0, len(TABLE)))
def test_any_bytes_in_a_table_never_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int) -> None:
    path = put(tmp_path_factory.getbasetemp(), TABLE[:at].encode() + data + TABLE[at:].encode(), "damaged.csv")
    with contextlib.suppress(InputError):
        reader = open_sidecar(path, None, "ausearch-csv")
        assert all(len(batch) for batch in reader.batches())
