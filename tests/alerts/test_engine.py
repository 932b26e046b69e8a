"""When findings are raised: once, after the warm-up, again after the cool-down, within limits, and while it runs."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rustnet.alerts import engine
from rustnet.alerts.definitions import Definition, read
from rustnet.alerts.plan import AlertPlan
from rustnet.errors import SessionError
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.ingest.stop import StopToken
from rustnet.query import catalogue
from rustnet.query.session import open_session
from rustnet.store.removal import remove_captures
from tests.alerts.scene import AMERICA, EUROPE, HOST, Scene, chosen, owner, talk
from tests.support.packets import SYN, tcp_frame

OTHER = "10.0.0.6"


def own(sql: str, more: str = "", keys: str = '["what"]', summary: str = "{what}") -> Definition:
    """An alert over SQL of the test's own."""
    text = (
        f'title = "T"\ndescription = "D."\nquery = "q"\nseverity = "low"\nkeys = {keys}\nsummary = "{summary}"\n{more}'
    )
    saved = catalogue.read("q", f"-- title: T\n-- description: D.\n{sql}")
    return replace(read("mine", text), saved=saved)


PORTS = own(
    "SELECT dst_port AS what, started_at AS seen, flow_id FROM flows ORDER BY flow_id",
    'time = "seen"\nflow = "flow_id"\nnew = true',
)


def test_a_finding_is_raised_once_in_a_session(scene: Scene) -> None:
    first = scene.capture([*talk(0, 40000, AMERICA), *talk(70, 40001, AMERICA, 99)], name="a.pcap")
    later = scene.capture([*talk(100, 40002, AMERICA, 99), *talk(101, 40003, AMERICA, 98)], name="b.pcap")
    assert [row[2] for row in scene.replay(first, PORTS)] == ["99"]
    assert [row[2] for row in scene.replay(later, PORTS)] == ["98"]
    assert [row[2] for row in scene.replay(later, PORTS, again=True)] == []
    assert scene.ask("SELECT alert_id, capture_id, summary FROM alerts ORDER BY ALL") == [(1, 1, "99"), (2, 2, "98")]


def test_what_an_earlier_capture_has_is_not_raised_for_a_later_one(scene: Scene) -> None:
    first = scene.capture([*talk(0, 40000, AMERICA), *talk(70, 40001, AMERICA, 99)], name="a.pcap")
    later = scene.capture(talk(100, 40002, AMERICA, 97), name="b.pcap")
    assert scene.replay(first) == []
    assert [row[2] for row in scene.replay(later, PORTS)] == ["97"]
    assert scene.ask("SELECT capture_id, flow_id FROM alerts") == [(2, 3)]


@pytest.mark.parametrize(("warm_up", "expected"), [(None, ["3"]), ("0", ["1", "2", "3"]), ("30s", ["2", "3"])])
def test_nothing_is_new_during_the_warm_up(scene: Scene, warm_up: str | None, expected: list[str]) -> None:
    path = scene.capture([*talk(0, 1, AMERICA, 1), *talk(40, 2, AMERICA, 2), *talk(80, 3, AMERICA, 3)])
    definition = PORTS if warm_up is None else replace(PORTS, warm_up=0 if warm_up == "0" else 30 * 10**9)
    assert [row[2] for row in scene.replay(path, definition)] == expected


def test_what_began_during_the_warm_up_is_not_new_later(scene: Scene) -> None:
    path = scene.capture([*talk(0, 1, AMERICA, 1), *talk(80, 3, AMERICA, 1)])
    assert scene.replay(path, PORTS) == []


def test_a_baseline_takes_the_place_of_the_warm_up(scene: Scene, tmp_path: Path) -> None:
    usual = Scene(tmp_path / "usual")
    usual.folder.mkdir()
    usual.replay(usual.capture([*talk(0, 1, AMERICA)], [owner(0, 1, AMERICA, "curl")]))
    packets = [*talk(0, 1, AMERICA), *talk(1, 2, EUROPE)]
    path = scene.capture(packets, [owner(0, 1, AMERICA, "curl"), owner(1, 2, EUROPE, "wget")])
    baseline = str(usual.session)
    raised = scene.replay(path, *chosen("new-process", "new-country"), baseline=baseline)
    assert [row[:2] for row in raised] == [("new-process", 1.0), ("new-country", 1.0)]
    raised = scene.replay(path, *chosen("new-process:warm-up=10s"), baseline=baseline, again=True)
    assert raised == []


def test_a_baseline_that_is_missing_is_an_error(scene: Scene) -> None:
    path = scene.capture(talk(0, 1, AMERICA))
    with pytest.raises(SessionError, match="no such session"):
        scene.replay(path, PORTS, baseline=str(scene.folder / "none.duckdb"))


def test_it_is_raised_again_after_the_cool_down(scene: Scene) -> None:
    sql = "SELECT 1 AS what, max(ended_at) AS last, min(started_at) AS seen FROM flows"
    definition = own(sql, 'time = "seen"\nagain = "last"\ncool-down = "1h"')
    for number, (at, expected) in enumerate([(0, 1), (1800, 1), (3600, 2), (5400, 2), (9000, 3)]):
        path = scene.capture(talk(at, 1, AMERICA), name=f"{number}.pcap")
        scene.replay(path, definition)
        assert len(scene.raised) == expected, at
    times = scene.ask("SELECT epoch_ns(ts) // 1000000000 - 1700000000 FROM alerts ORDER BY alert_id")
    assert times == [(0,), (3600,), (9000,)]


def test_the_number_of_alerts_is_limited_and_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_ALERTS", 3)
    many = own("SELECT unnest(range(50)) AS what FROM captures")
    path = scene.capture(talk(0, 1, AMERICA))
    raised = scene.replay(path, many)
    assert [row[2] for row in raised] == [
        "0",
        "1",
        "2",
        "T: more than 3 findings; further ones are not raised in this session",
    ]
    assert scene.ask("SELECT key_values IS NULL, count(*) FROM alerts GROUP BY ALL ORDER BY ALL") == [
        (False, 3),
        (True, 1),
    ]
    assert scene.states() == {"mine": ("limit", raised[-1][2])}
    assert scene.replay(path, many, again=True) == []
    assert scene.ask("SELECT state FROM alert_checks WHERE capture_id = 2") == [("limit",)]


def test_alerts_that_are_raised_again_count_for_the_limit(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_ALERTS", 3)
    sql = "SELECT 1 AS what, max(ended_at) AS last FROM flows"
    again = own(sql, 'time = "last"\nagain = "last"\ncool-down = "0"')
    for number in range(6):
        scene.replay(scene.capture(talk(number, 1, AMERICA), name=f"{number}.pcap"), again)
    assert scene.ask("SELECT key_values IS NULL, count(*) FROM alerts GROUP BY ALL ORDER BY ALL") == [
        (False, 3), (True, 1)
    ]  # fmt: skip


def test_a_callback_that_fails_costs_no_row(scene: Scene) -> None:
    def fail(raised: engine.Raised) -> None:
        raise BrokenPipeError

    scene.raised = _Calling(fail)
    scene.replay(scene.capture(talk(0, 1, AMERICA)), own("SELECT 1 AS what FROM captures"))
    assert scene.ask("SELECT summary FROM alerts") == [("1",)]


def test_more_rows_than_are_looked_at_are_stated(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_ROWS", 5)
    scene.replay(scene.capture(talk(0, 1, AMERICA)), own("SELECT unnest(range(50)) AS what"))
    assert len(scene.raised) == 5
    assert scene.states()["mine"] == ("checked", "the query has more than 5 rows; the others were not looked at")


def test_the_limit_of_a_query_hides_no_finding(scene: Scene) -> None:
    sql = "-- parameter: limit int 2 Most rows\nSELECT unnest(range(5)) AS what LIMIT $limit"
    scene.replay(scene.capture(talk(0, 1, AMERICA)), own(sql))
    assert len(scene.raised) == 5


@pytest.mark.parametrize(
    ("definition", "state", "words"),
    [
        (own("SELECT 1 AS what", 'needs = ["martians"]'), "impossible", "the session has no table martians"),
        (own("SELECT 1 AS other"), "late", "the saved query q has no column what"),
        (own("SELECT nothing AS what"), "late", "SQL, line 1, column 8: referenced column"),
        (own("SELECT 1 AS what FROM nowhere"), "late", "SQL, line 1, column 23: table with name nowhere"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_says_why(scene: Scene, definition: Definition, state: str, words: str) -> None:
    assert scene.replay(scene.capture(talk(0, 1, AMERICA)), definition, PORTS) == []
    kept = scene.ask(f"SELECT state, detail, checks FROM alert_checks WHERE alert = '{definition.name}'")
    assert any(row[0] == state and (row[1] or "").startswith(words) and row[2] == 0 for row in kept), kept


SLOW = own("SELECT count(*) AS what FROM range(100000) a, range(100000) b WHERE a.range * b.range % 7 = 3")


def test_a_slow_query_is_stopped_and_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rustnet.ingest.alerting.LAST_QUERY_SECONDS", 0.3)
    quick = replace(own("SELECT 7 AS what"), name="quick")
    begun = time.monotonic()
    assert [row[0] for row in scene.replay(scene.capture(talk(0, 1, AMERICA)), SLOW, quick)] == ["quick"]
    assert time.monotonic() - begun < 5
    states = scene.states()
    assert states["quick"] == ("checked", None)
    assert states["mine"][0] == "late"
    assert "took longer than 0.3 s" in (states["mine"][1] or "")
    assert scene.ask("SELECT stopped, checks, checked_until FROM alert_checks WHERE alert = 'mine'") == [(1, 0, None)]


def test_alerts_are_raised_while_a_capture_is_read(scene: Scene) -> None:
    """A scan in the first second of a paced replay of six."""
    scan = [(0.5 + n / 1000, tcp_frame((OTHER, 50000), (HOST, 1000 + n), 1, 0, SYN)) for n in range(40)]
    path = scene.capture([*talk(0, 1, AMERICA), *scan, *[p for n in range(25) for p in talk(n / 4, 10 + n, AMERICA)]])
    begun, seen = time.monotonic(), []
    real = scene.raised.append

    def learn(raised: engine.Raised) -> None:
        seen.append(time.monotonic() - begun)
        real(raised)

    scene.raised = _Calling(learn)
    scene.replay(path, *chosen("scan", "drops"), speed=1.0)
    assert len(seen) == 1
    assert seen[0] < 5.5
    row = scene.ask("SELECT alert, epoch_ns(raised_at) - (SELECT epoch_ns(min(ts)) FROM packets) FROM alerts")[0]
    assert row[0] == "scan"
    assert 0.5e9 < row[1] < 5.5e9
    checks = dict(scene.ask("SELECT alert, checks FROM alert_checks"))
    assert checks["drops"] >= 2


class _Calling(list[engine.Raised]):
    """A list that calls a function with what is added."""

    def __init__(self, call: Any) -> None:
        super().__init__()
        self._call = call

    def append(self, item: engine.Raised) -> None:
        self._call(item)
        super().append(item)


def test_a_slow_query_does_not_hold_up_a_paced_run(scene: Scene) -> None:
    path = scene.capture([p for n in range(60) for p in talk(n / 10, 10 + n, AMERICA)])
    stop = StopToken()
    timer = threading.Timer(2.5, stop.set)
    timer.start()
    begun = time.monotonic()
    options = Options(alerts=AlertPlan((SLOW,)), speed=1.0, answer_at_once=True)
    ingest([str(path)], str(scene.session), options, stop=stop)
    timer.join()
    assert time.monotonic() - begun < 5.5
    assert scene.states()["mine"][0] == "late"
    assert scene.ask("SELECT count(*) BETWEEN 10 AND 299 FROM packets") == [(True,)]


def test_checks_take_a_tenth_of_the_time_at_most() -> None:
    """The next round begins only when the last one took a tenth of the time since it began."""
    now = [100.0]
    alerts = engine.Alerts([PORTS], now=lambda: now[0])
    rounds: list[float] = []
    done = threading.Event()

    class Asked:
        def __enter__(self) -> Any:
            return object()

        def __exit__(self, *_: object) -> None:
            """Nothing to release."""

    def one_round(session: Any, seconds: float, *, last: bool = False) -> None:
        rounds.append(now[0])
        now[0] += 1.5
        done.set()

    alerts._round = one_round  # type: ignore[method-assign]
    alerts.serve(Asked)
    alerts._states = []
    assert alerts._due == 0
    alerts._wake.set()
    thread = threading.Thread(target=alerts._check_again, daemon=True)
    thread.start()
    assert done.wait(5)
    until = time.monotonic() + 5
    while alerts._due == 0 and time.monotonic() < until:
        time.sleep(0.01)
    alerts._ending.set()
    alerts._wake.set()
    thread.join(20)
    assert rounds == [100.0]
    assert alerts._due == 115.0


HOSTILE = "a\x1b]0;owned\x07\u202eb\n" + "x" * 5000


def test_hostile_values_are_bounded_and_harmless(scene: Scene) -> None:
    sql = "SELECT {text} AS what, repeat('y', 100000) AS long, range(1000) AS list, 'nan'::DOUBLE AS nan FROM captures"
    text = " || ".join(f"chr({ord(char)})" for char in HOSTILE[:20]) + " || repeat('x', 5000)"
    scene.replay(scene.capture(talk(0, 1, AMERICA)), own(sql.format(text=text), keys='["what", "long"]'))
    row = scene.ask("SELECT summary, key_values, finding FROM alerts")[0]
    for text in row:
        assert text.isascii() or "…" in text
        assert not any(char in text for char in "\x1b\x07\u202e\n")
    assert len(row[0]) <= 300
    assert len(row[1]) <= 1000
    assert len(row[2]) <= 8000
    assert json.loads(row[2])["what"].startswith("a\x1b]0;owned\x07")


def test_long_keys_that_differ_at_their_end_are_different(scene: Scene) -> None:
    sql = "SELECT repeat('x', 5000) || unnest(['a', 'b']) AS what FROM captures"
    scene.replay(scene.capture(talk(0, 1, AMERICA)), own(sql))
    assert len(scene.raised) == 2


def test_an_older_session_gets_the_tables(scene: Scene) -> None:
    scene.replay(scene.capture(talk(0, 1, AMERICA)))
    with duckdb.connect(str(scene.session)) as con:
        con.execute("DROP TABLE alerts; DROP TABLE alert_checks")
    with pytest.raises(SessionError, match="rustnet refresh"):
        open_session(scene.session)
    later = scene.capture([*talk(100, 2, AMERICA, 99)], name="b.pcap")
    assert [row[2] for row in scene.replay(later, PORTS)] == ["99"]


def test_a_capture_that_is_replaced_takes_its_alerts_along(scene: Scene) -> None:
    scene.replay(scene.capture([*talk(0, 40000, AMERICA), *talk(70, 40001, AMERICA, 99)]), PORTS)
    with duckdb.connect(str(scene.session)) as con:
        remove_captures(con, [1])
    assert scene.ask("SELECT count(*) FROM alerts") == scene.ask("SELECT count(*) FROM alert_checks") == [(0,)]
