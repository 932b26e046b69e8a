"""The overview: every key and mouse action of the list of flows, its marks, its filter line, and a list that grows."""

import asyncio
import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual import events

from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.query.session import open_session
from rustnet.query.views.flow_list import Context, End, FlowGroup, ListedFlow
from rustnet.query.views.flow_order import Sides
from rustnet.tui.app import Browser, screen_text
from rustnet.tui.presenter import Presenter
from rustnet.tui.screens.overview import ListLine, Overview
from rustnet.tui.widgets.filter_line import FilterLine, completed
from rustnet.tui.widgets.flow_cells import COLUMNS, USUAL, FlowCells, Look, short_rtt, short_size
from rustnet.tui.widgets.flow_table import COUNT_KEY, FlowTable
from rustnet.tui.widgets.sidebar import Sidebar
from tests.tui.support import browser, check_golden, settle

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
SECOND = 10**9


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of a scan with a thousand flows, and of a few with owners."""
    path = tmp_path_factory.mktemp("overview") / "scan.duckdb"
    assert not ingest([str(SAMPLES / n) for n in ("scan.pcap.zst", "web.pcap")], str(path), Options(workers=0)).failed
    return path


class Opened:
    """The browser over a session."""

    def __init__(self, app: Browser, pilot: Any) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def pane(self) -> Overview:
        return self.app.frame.query_one(Overview)

    @property
    def table(self) -> FlowTable:
        return self.pane.table

    @property
    def filter_line(self) -> FilterLine:
        return self.app.frame.query_one(FilterLine)

    @property
    def lines(self) -> list[str]:
        return screen_text(self.app).splitlines()

    @property
    def below(self) -> str:
        """Text of the line below the list."""
        return self.lines[self.pane.query_one(ListLine).region.y]

    def row(self, number: int) -> str:
        """Text of a row of the list."""
        return self.lines[self.table.region.y + 1 + number - self.table.top][: self.table.region.width]

    def flows(self) -> list[int]:
        """Numbers of the flows on the screen."""
        spots = self.table.rows.spots(self.table.visible_rows())
        return [spot.flow.flow_id for spot in spots if spot.flow is not None]

    async def press(self, *keys: str) -> None:
        """Press keys, and wait for what they do."""
        await self.pilot.press(*keys)
        await settle(self.pilot)


@asynccontextmanager
async def opened(path: Path, size: tuple[int, int] = (120, 30), **settings: Any) -> Any:
    """Open the browser over a session, and wait until it is settled."""
    app = browser(path, **settings)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        yield Opened(app, pilot)


def ordered(path: Path, order: str, where: str = "true") -> list[int]:
    """Numbers of the flows of a session."""
    with open_session(path) as session:
        sql = f"SELECT flow_id FROM connections LEFT JOIN flows USING (flow_id) WHERE {where} ORDER BY {order}, flow_id"
        return [row[0] for row in session.execute(sql).rows]


# ---- moving --------------------------------------------------------------------------------------------------------


async def test_moving_pages_through_all_flows(scan: Path) -> None:
    expected = ordered(scan, "started_at")
    async with opened(scan) as o:
        assert o.table.row_count == len(expected) > 1000
        seen = o.flows()
        while o.table.cursor < len(expected) - 1:
            await o.press("pagedown")
            assert o.table.current is not None
            assert o.table.current.flow_id == expected[o.table.cursor]
            seen += [each for each in o.flows() if each not in seen]
        assert seen == expected
        await o.press("g")
        assert o.flows() == expected[: o.table.page_rows]


@pytest.mark.parametrize(
    ("keys", "row"),
    [("G", -1), ("end", -1), ("k", -1), ("up", -1), ("j", 1), ("down down", 2), ("G g", 0), ("end home", 0),
     ("ctrl+f", 22), ("pagedown pageup", 0), ("ctrl+f ctrl+b", 0)],
)  # fmt: skip
async def test_keys_that_move(scan: Path, keys: str, row: int) -> None:
    expected = ordered(scan, "started_at")
    async with opened(scan) as o:
        await o.press(*keys.split())
        assert o.table.cursor == row % len(expected)
        assert o.table.current is not None
        assert o.table.current.flow_id == expected[row]
        assert o.row(o.table.cursor).startswith("▌")
        assert f"row {o.table.cursor + 1:,}" in o.below


async def test_the_end_of_a_list_that_is_not_counted_yet(scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ordered(scan, "bytes_sent + bytes_received DESC", "flows.protocol = 'tcp'")
    async with opened(scan, filter="proto:tcp", sort="-bytes") as o:
        submit = o.app.runner.submit

        def slowly(key: str, *work: Any, **how: Any) -> None:
            submit(key, *work, **{**how, "delay": 0.5 if key == COUNT_KEY else how.get("delay", 0.0)})

        monkeypatch.setattr(o.app.runner, "submit", slowly)
        o.app.change(filter="proto:tcp bytes:>1")
        while o.table.snapshot is None or o.table.snapshot.spec != o.app.spec:
            await o.pilot.pause(0.01)
        assert o.table.count is None
        assert "counting" in o.pane.summary()
        await o.press("G")
        assert o.table.current is not None
        assert o.table.current.flow_id == expected[-1]


async def test_the_wheel_and_clicks(scan: Path) -> None:
    async with opened(scan) as o:
        await o.pilot._post_mouse_events([events.MouseScrollDown], FlowTable, button=0)
        await settle(o.pilot)
        assert o.table.top > 0
        assert o.table.cursor == 0
        first = o.table.top
        await o.pilot.click(FlowTable, offset=(30, 4))
        assert o.table.cursor == first + 3
        await o.pilot.click(FlowTable, offset=(30, 6), times=2)
        await settle(o.pilot)
        assert o.app.tab == "details"


async def test_a_click_on_the_selected_row_copies_the_cell(scan: Path) -> None:
    async with opened(scan) as o:
        await o.pilot.click(FlowTable, offset=(o.table.placed[1].x + 2, 1))
        await asyncio.sleep(0.5)
        flow = o.table.current
        assert flow is not None
        assert o.app.last_copy == o.row(0)[o.table.placed[1].x :].split()[0] == "mcast"


async def test_copying_takes_the_remote_address(web: Path) -> None:
    async with opened(web, filter="host:shop") as o:
        await o.press("c")
        assert o.table.current is not None
        assert o.app.last_copy == o.table.current.remote.ip


async def test_columns_can_be_selected_for_copying_and_viewing(web: Path) -> None:
    async with opened(web, filter="app:http") as o:
        await o.press("shift+right", "c")
        assert o.app.last_copy == "curl (24)"
        await o.press("shift+right", "shift+right", "shift+left", "c")
        assert o.app.last_copy == "www.shop.example:80"
        await o.press("C")
        assert any("www.shop.example:80" in line for line in o.lines)
        await o.press("escape", "escape", "c")
        assert o.table.current is not None
        assert o.app.last_copy == o.table.current.remote.ip
        assert o.app.spec.filter == "app:http"


async def test_enter_opens_the_flow_and_escape_comes_back(scan: Path) -> None:
    async with opened(scan) as o:
        await o.press("j", "j", "enter")
        assert o.app.tab == "details"
        await o.press("escape")
        assert o.app.tab == "overview"
        assert o.table.cursor == 2


# ---- order ---------------------------------------------------------------------------------------------------------


async def test_s_goes_through_the_columns_and_back(scan: Path) -> None:
    async with opened(scan, size=(200, 50)) as o:
        keys = [place.column.key for place in o.table.placed]
        assert keys == list(USUAL)
        for key in [*keys, "time"]:
            await o.press("s")
            assert o.table.order.key == key
            assert o.table.order.descending is (key in ("rtt", "bytes"))
            title = o.lines[o.table.region.y]
            if key != "time":
                assert f"{COLUMNS[key].title}{'↓' if key in ('rtt', 'bytes') else '↑'}" in title.replace(" ", "")
            else:
                assert "↑" not in title.replace("Tx↑", "")
                assert "sorted by beginning ↑" in o.below


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("process", "process_name NULLS LAST, pid NULLS LAST"), ("-bytes", "bytes_sent + bytes_received DESC"),
        ("app", "flows.app NULLS LAST"), ("-rtt", "connections.rtt_ms DESC NULLS LAST"),
        ("-duration", "duration_ms DESC"), ("-time", "flows.started_at DESC"),
    ],
)  # fmt: skip
async def test_settings_choose_the_order(scan: Path, sort: str, order: str) -> None:
    async with opened(scan, sort=sort) as o:
        assert o.flows() == ordered(scan, order)[: o.table.page_rows]
        await o.press("S")
        assert o.table.order.descending is not sort.startswith("-")
        assert o.flows() != ordered(scan, order)[: o.table.page_rows]


async def test_a_click_on_a_title_sorts_and_reverses(scan: Path) -> None:
    async with opened(scan) as o:
        column = next(place for place in o.table.placed if place.column.key == "bytes")
        await o.pilot.click(FlowTable, offset=(column.x + 3, 0))
        await settle(o.pilot)
        expected = ordered(scan, "bytes_sent + bytes_received DESC")
        assert o.flows() == expected[: o.table.page_rows]
        await o.pilot.click(FlowTable, offset=(column.x + 3, 0))
        await settle(o.pilot)
        assert o.table.order.descending is False
        assert o.flows() == ordered(scan, "bytes_sent + bytes_received")[: o.table.page_rows]


async def test_borders_and_titles_drag(scan: Path) -> None:
    async with opened(scan) as o:
        first = o.table.placed[0]
        await o.pilot.mouse_down(FlowTable, offset=(first.end, 0))
        await o.pilot.hover(FlowTable, offset=(first.end - 6, 0))
        await o.pilot.mouse_up(FlowTable, offset=(first.end - 6, 0))
        assert o.table.placed[0].width == first.width - 6
        second = o.table.placed[1]
        await o.pilot.mouse_down(FlowTable, offset=(second.x + 3, 0))
        await o.pilot.hover(FlowTable, offset=(3, 0))
        await o.pilot.mouse_up(FlowTable, offset=(3, 0))
        assert [place.column.key for place in o.table.placed][:2] == ["remote", "process"]
        await o.press("s")  # the order of columns stays when the list is read again
        assert [place.column.key for place in o.table.placed][:2] == ["remote", "process"]


async def test_columns_of_the_settings(scan: Path) -> None:
    chosen = ("flow", "remote", "as", "user", "pid", "sent", "received", "duration", "packets", "protocol")
    async with opened(scan, size=(200, 30), columns=chosen, widths={"remote": 40}) as o:
        assert [place.column.key for place in o.table.placed] == list(chosen)
        assert {place.column.key: place.width for place in o.table.placed}["remote"] == 40
        assert o.row(0).split()[:2] == ["▌", str(o.flows()[0])]


async def test_columns_are_chosen_in_a_dialog(scan: Path) -> None:
    async with opened(scan, size=(200, 40)) as o:
        await o.press("w", "space", "down", "left", "down", "space", "end", "space", "enter")
        shown = [place.column.key for place in o.table.placed]
        assert shown == ["remote", "process", *USUAL[2:], "flow"]
        await o.press("w", "space", "escape")
        assert [place.column.key for place in o.table.placed] == shown
        await o.press("w", *["space", "down"] * 30, "enter")  # one column always stays
        assert o.table.placed


# ---- groups --------------------------------------------------------------------------------------------------------


async def test_groups_open_close_and_sort_within(web: Path) -> None:
    with open_session(web) as session:
        names = session.execute(
            "SELECT process_name, count(*) FROM connections GROUP BY process_name "
            "ORDER BY lower(process_name) NULLS LAST"
        ).rows
    async with opened(web, sort="-bytes") as o:
        await o.press("a")
        assert o.table.row_count == len(names)
        for at, (name, count) in enumerate(names):
            assert f"▸ {name or '<unknown>'} ({count})" in o.row(at)
        await o.press("enter")  # does nothing on a title
        assert o.app.tab == "overview"
        await o.press("l")
        assert o.table.row_count == len(names) + names[0][1]
        inside = ordered(web, "bytes_sent + bytes_received DESC", f"process_name = '{names[0][0]}'")
        assert o.flows() == inside
        assert f"▾ {names[0][0]}" in o.row(0)
        last = names[0][1]
        assert [o.row(n)[2:5] for n in range(1, last + 1)] == ["├─ "] * (last - 1) + ["└─ "]
        await o.press("j", "space")  # also from a flow in it
        assert o.table.row_count == len(names)
        assert o.table.cursor == 0
        await o.press("right", "left")
        assert o.table.row_count == len(names)
        await o.pilot.click(FlowTable, offset=(10, 2), times=2)
        await settle(o.pilot)
        assert o.table.rows.sections[1].expanded
        await o.press("a")
        assert not o.table.rows.grouped


async def test_a_large_group_is_paged(scan: Path) -> None:
    inside = ordered(scan, "flows.started_at", "process_name IS NULL")
    assert len(inside) > 500
    async with opened(scan, grouped=True) as o:
        groups = o.table.row_count
        await o.press("G", "l", "G")
        assert o.table.row_count == groups + len(inside)
        assert o.table.current is not None
        assert o.table.current.flow_id == inside[-1]
        await o.press("pageup", "pageup")
        assert o.flows() == inside[o.table.top - groups : o.table.top - groups + o.table.page_rows]


async def test_space_plays_where_there_are_no_groups(web: Path) -> None:
    async with opened(web) as o:
        await o.pilot.press("space")
        assert o.app.clock.playing
        await o.press("space")


# ---- what is shown -------------------------------------------------------------------------------------------------


async def test_history_ports_names_and_the_sidebar(web: Path) -> None:
    async with opened(web, size=(200, 40)) as o:
        assert "Session" in o.lines[o.table.region.y]
        assert any("shop.example:443" in line for line in o.lines)
        await o.press("i")
        assert not o.pane.query_one(Sidebar).display
        await o.press("i")
        assert "20" in next(line for line in o.lines if "total" in line)
        await o.press("d")
        assert not any("shop.example:443" in line for line in o.lines)
        assert any("192.0.2.53:53" in line for line in o.lines)
        title = o.lines[o.table.region.y]
        assert "Service" in title
        await o.press("p")
        assert "Port" in o.lines[o.table.region.y]
        assert "Service" not in o.lines[o.table.region.y]
        await o.press("t")
        assert o.table.row_count == 0
        assert "open flows" in o.below
        await o.press("t", "o")
        assert o.table.row_count == 20
        assert o.app.spec.loopback


async def test_a_narrow_terminal_has_no_sidebar(web: Path) -> None:
    async with opened(web, size=(80, 24)) as o:
        await o.press("i")
        assert not o.pane.query_one(Sidebar).display
        assert [place.column.key for place in o.table.placed] == ["process", "remote", "app", "bytes"]


async def test_reset(web: Path) -> None:
    async with opened(web) as o:
        await o.press("a", "l", "s", "S", "t", "slash", *"dns", "enter", "r")
        assert not o.table.rows.grouped
        assert (o.table.order.key, o.table.order.descending) == ("time", False)
        assert o.app.spec.filter == ""
        assert o.app.spec.closed
        assert o.table.row_count == 20


async def test_counting_from_now_on_shows_flows_with_packets_since(web: Path) -> None:
    async with opened(web) as o:
        o.app.change(since=o.app.session_facts.last_ns)
        await settle(o.pilot)
        assert 0 < o.table.row_count < 20
        assert "since" in o.below


async def test_at_a_time_flows_are_as_they_were_then(scan: Path) -> None:
    with open_session(scan) as session:
        at = int(
            session.execute("SELECT epoch_ns(min(ended_at)) + 50000000 FROM flows WHERE process_id > 0").rows[0][0]
        )
        rows = session.execute(
            f"SELECT flow_id, end_reason = 'open' FROM flows_at(make_timestamp_ns({at})) ORDER BY started_at, flow_id"
        ).rows
    async with opened(scan, size=(200, 50)) as o:
        o.app.change(at=at)
        await settle(o.pilot)
        assert o.table.row_count == len(rows) < 1100
        assert "Rx↓/Tx↑ /s" in o.lines[o.table.region.y]
        await o.press("G")
        for number in o.table.visible_rows():
            flow_id, is_open = rows[number]
            flow = o.table.rows.spot(number).flow
            assert flow.flow_id == flow_id
            assert flow.open is is_open
            line = o.row(number)
            assert ("n/a" in line) is not is_open
            if number != o.table.cursor:
                assert line[0] == "x" if not is_open else line[0] in " -!"
        await o.press("t")
        assert o.table.row_count == sum(is_open for _, is_open in rows)


async def test_the_cursor_stays_on_its_flow_when_time_moves(scan: Path) -> None:
    async with opened(scan, sort="-bytes") as o:
        first, last = o.app.session_facts.first_ns, o.app.session_facts.last_ns
        assert first is not None
        assert last is not None
        o.app.change(at=last - SECOND)
        await settle(o.pilot)
        await o.press(*["j"] * 5)
        flow = o.table.current
        assert flow is not None
        o.app.change(at=last)
        await settle(o.pilot)
        assert o.table.current is not None
        assert o.table.current.flow_id == flow.flow_id


# ---- the filter line -----------------------------------------------------------------------------------------------


async def test_flows_are_filtered_while_typing(web: Path) -> None:
    async with opened(web) as o:
        await o.press("slash")
        assert o.filter_line.is_open
        assert "20 flows" in o.lines[o.filter_line.region.y]
        await o.press(*"app:dns")
        assert o.app.spec.filter == "app:dns"
        with open_session(web) as session:
            count = session.execute("SELECT count(*) FROM flows WHERE app = 'dns'").rows[0][0]
        assert o.table.row_count == count
        assert f"{count} of 20" in o.lines[o.filter_line.region.y]
        await o.press("down", "down", "up")
        assert o.table.cursor == 1
        await o.press("enter")
        assert not o.filter_line.is_open
        assert o.app.focused is o.table
        assert f"{count} of 20" in o.below


async def test_an_invalid_filter_keeps_the_rows(web: Path) -> None:
    async with opened(web) as o:
        await o.press("slash", *"port:443")
        rows = o.table.row_count
        await o.press(*" (")
        assert o.table.row_count == rows
        assert o.app.spec.filter.strip() == "port:443"
        error = o.lines[o.filter_line.region.y + 1]
        assert "^" in error
        assert error.index("^") >= 2 + len("port:443 ")
        await o.press("enter")
        assert o.filter_line.is_open
        await o.press("backspace", "backspace", *" pid:1", "enter")
        assert not o.filter_line.is_open


async def test_an_error_that_only_the_session_shows_stands_below_the_input(web: Path) -> None:
    async with opened(web) as o:
        await o.press("slash", *"/a(/")
        assert "regular expression" in o.lines[o.filter_line.region.y + 1]
        assert o.table.row_count == 20


async def test_escape_clears_and_history_comes_back(web: Path) -> None:
    async with opened(web) as o:
        await o.press("slash", *"app:dns", "enter", "slash")
        await o.press(*["backspace"] * 7, *"app:tls", "enter")
        await o.press("slash", "escape")
        assert o.app.spec.filter == ""
        assert o.table.row_count == 20
        await o.press("slash", "ctrl+p")
        assert o.filter_line.input.value == "app:tls"
        await o.press("ctrl+p")
        assert o.filter_line.input.value == "app:dns"
        await o.press("ctrl+n", "enter")
        assert o.app.spec.filter == "app:tls"
        await o.press("escape")
        assert o.app.spec.filter == ""


async def test_keywords_are_completed(web: Path) -> None:
    async with opened(web) as o:
        await o.press("slash", *"-serv")
        assert o.filter_line.input._suggestion == "-service:"
        await o.press("right", *"dom")
        assert o.filter_line.input.value == "-service:dom"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("por", "port:"), ("app:tls pro", "app:tls proto:"), ("(dp", "(dport:"), ("!ho", "!host:"), ("port:44", None),
        ("", None), ("app:tls ", None), ('"por', None), ("zzz", None), ("HO", "HOst:"),
    ],
)  # fmt: skip
def test_completion(text: str, whole: str | None) -> None:
    assert completed(text) == whole


# ---- cells ---------------------------------------------------------------------------------------------------------

FLOW = ListedFlow(
    7, 1, 100 * SECOND, 130 * SECOND, None, "tcp", "outbound", "ESTABLISHED", "S1", "open", 300_000,
    End("10.0.0.7", 51234, None, None, None, None, 928_000, 10, 1, 0.0),
    End("192.0.2.1", 443, None, "DE", 64500, "Example", 3_100_000, 12, 2, 1_500.0),
    True, "https", "tls", "payload", "api.example", "sni", 23.4, "firefox", 2001, "ann", None, None, False, None,
)  # fmt: skip
LIVING = Look(rates=True, mixed=True, now_ns=130 * SECOND)


def cell(flow: ListedFlow, key: str, look: Look | None = None, width: int = 30) -> tuple[str, str]:
    """Text and style of a cell."""
    made = FlowCells(Presenter(), look or Look()).cell(flow, key, width)
    return made.text, made.style


def changed(**fields: Any) -> ListedFlow:
    """Return the flow with other values."""
    return dataclasses.replace(FLOW, **fields)


def far(ip: str, port: int = 443) -> ListedFlow:
    """Return the flow with another remote end, which has no name."""
    return changed(hostname=None, remote=dataclasses.replace(FLOW.remote, ip=ip, port=port))


CELLS: list[tuple[ListedFlow, str, Look | None, str, str]] = [
    (FLOW, "process", None, "firefox (2001)", ""),
    (changed(process_contested=True), "process", None, "firefox (2001) ?", "warn"),
    (changed(process=None, pid=None), "process", None, "-", "dim"),
    (changed(namespace="web", pod="shop-1"), "process", None, "web/shop-1 firefox (2001)", ""),
    (FLOW, "remote", None, "api.example:443", ""),
    (changed(hostname_source="dns"), "remote", None, "~api.example:443", "learned"),
    (changed(hostname_source="inherited"), "remote", None, "~api.example:443", "learned"),
    (FLOW, "remote", Look(names=False), "192.0.2.1:443", ""),
    (changed(hostname=None), "remote", None, "192.0.2.1:443", ""),
    (changed(hostname=None), "remote", Look(gateways=frozenset(["192.0.2.1"])), "192.0.2.1:443 (gw)", ""),
    (
        far("2001:db8::1"),
        "remote",
        None,
        "[2001:db8::1]:443",
        "",
    ),
    (
        far("224.0.0.251", 5353),
        "remote",
        None,
        "mcast:5353",
        "",
    ),
    (
        far("255.255.255.255", 67),
        "remote",
        None,
        "bcast:67",
        "",
    ),
    (changed(remote_is_dst=False), "remote", None, "192.0.2.1:443", ""),
    (changed(remote_is_dst=False), "local", None, "api.example:51234", ""),
    (FLOW, "local", None, "10.0.0.7:51234", ""),
    (FLOW, "country", None, "DE", ""),
    (FLOW, "service", None, "https", ""),
    (FLOW, "service", Look(services=False), "443", ""),
    (FLOW, "app", None, "TCP·TLS (api.example)", ""),
    (changed(hostname_source="dns"), "app", None, "TCP·TLS", ""),
    (changed(app_source="port"), "app", None, "TCP·TLS? (api.example)", ""),
    (changed(app=None), "app", None, "TCP", ""),
    (changed(app="arp", protocol="arp", hostname=None), "app", None, "ARP", ""),
    (FLOW, "state", None, "ESTABLISHED", ""),
    (changed(state=None), "state", None, "S1", ""),
    (changed(end_reason="fin"), "state", LIVING, "closed", "dim"),
    (changed(end_reason="fin"), "state", None, "ESTABLISHED", ""),
    (FLOW, "rtt", None, "23.4ms", "ok"),
    (changed(rtt_ms=149.0), "rtt", None, "149ms", "warn"),
    (changed(rtt_ms=150.0), "rtt", None, "150ms", "error"),
    (changed(rtt_ms=None), "rtt", None, "-", "dim"),
    (changed(rtt_ms=float("nan")), "rtt", None, "-", "dim"),
    (changed(rtt_ms=float("inf")), "rtt", None, "-", "dim"),
    (FLOW, "bytes", None, "3.1M/928K", ""),
    (FLOW, "bytes", LIVING, "1.5K/0", ""),
    (changed(end_reason="idle"), "bytes", LIVING, "n/a", "dim"),
    (FLOW, "packets", None, "22", ""),
    (FLOW, "retransmissions", None, "3", ""),
    (FLOW, "as", None, "AS64500 Example", ""),
    (FLOW, "duration", None, "30.0 s", ""),
    (FLOW, "user", None, "ann", ""),
    (FLOW, "flow", None, "7", ""),
]


@pytest.mark.parametrize(
    ("flow", "key", "look", "text", "style"), CELLS, ids=lambda each: each if isinstance(each, str) else ""
)
def test_cells(flow: ListedFlow, key: str, look: Look | None, text: str, style: str) -> None:
    assert cell(flow, key, look) == (text, style)


EMPTY = ListedFlow(
    1, 0, 0, 0, None, "", None, None, None, "", None, End(None, None, None, None, None, None, None, None, None, None),
    End(None, None, None, None, None, None, None, None, None, None), True, None, None, None, None, None, None,
    None, None, None, None, None, False, None,
)  # fmt: skip


@pytest.mark.parametrize("key", COLUMNS)
def test_a_flow_of_which_nothing_is_known_has_cells(key: str) -> None:
    for look in (Look(), LIVING, Look(names=False, services=False)):
        assert isinstance(cell(EMPTY, key, look)[0], str)


def test_marks_are_words_for_screen_readers() -> None:
    look = dataclasses.replace(LIVING, words=True, now_ns=(130 + 230) * SECOND)
    assert cell(FLOW, "state", look)[0] == "stale, ESTABLISHED"
    assert cell(FLOW, "state", dataclasses.replace(look, now_ns=420 * SECOND))[0] == "about to end, ESTABLISHED"
    assert cell(FLOW, "state", dataclasses.replace(look, now_ns=130 * SECOND))[0] == "ESTABLISHED"


def test_a_narrow_application_is_compact() -> None:
    assert cell(FLOW, "app", width=14) == ("TLS", "")


def test_every_column_has_a_cell() -> None:
    for key in COLUMNS:
        assert cell(FLOW, key)[0]


@pytest.mark.parametrize(
    ("silent", "mark", "style"),
    [(0, " ", ""), (224, " ", ""), (225, "-", "warn"), (269, "-", "warn"), (270, "!", "error")],
)
def test_staleness_is_a_mark_and_a_colour(silent: int, mark: str, style: str) -> None:
    look = dataclasses.replace(LIVING, now_ns=(130 + silent) * SECOND)
    assert FlowCells(Presenter(), look).mark(FLOW) == (mark, style)
    assert FlowCells(Presenter(), look).mark(changed(end_reason="fin")) == ("x", "dim")
    assert FlowCells(Presenter(), Look()).mark(changed(end_reason="fin")) == (" ", "")


def test_titles_of_groups() -> None:
    group = FlowGroup("curl", 1_204, 1_000, 204, 5_000, 70_000_000, 3)
    widths = [("process", 30), ("app", 30), ("bytes", 12)]
    row = FlowCells(Presenter(), Look()).title(group, widths, expanded=True)
    assert [each.text for each in row.cells] == ["▾ curl (1,204)", "TCP:1,000 UDP:204", "70M/5.0K"]
    row = FlowCells(Presenter(), LIVING).title(dataclasses.replace(group, name=None), widths, expanded=False)
    assert [each.text for each in row.cells] == ["▸ <unknown> (1,204)", "TCP:1,000 UDP:204", "-/-"]
    row = FlowCells(Presenter(), LIVING).title(
        dataclasses.replace(group, sent_rate=10.0, received_rate=2_000.0), widths, expanded=False
    )
    assert row.cells[2].text == "2.0K/10"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0K"), (9_940, "9.9K"), (9_960, "10K"), (999_400, "999K"), (999_600, "1.0M"),
     (3.1e9, "3.1G"), (2e15, "2P"), (None, "-")],
)  # fmt: skip
def test_short_sizes(count: float | None, text: str) -> None:
    assert short_size(count) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0.04, "0.04ms"),
        (0.996, "1.0ms"),
        (99.94, "99.9ms"),
        (99.96, "100ms"),
        (9_999, "9999ms"),
        (12_500, "12.5s"),
        (2_000_000, "2000s"),
    ],
)
def test_short_round_trip_times(ms: float, text: str) -> None:
    assert short_rtt(ms) == text


async def test_an_empty_list_says_why(web: Path) -> None:
    async with opened(web) as o:
        await o.press("t")
        assert "no flow is open; t shows those that have ended" in o.row(0)
        await o.press("t", "slash", *"port:9", "enter")
        assert "no flow matches the filter; Esc clears it" in o.row(0)
        await o.press("escape")
        assert "no flow" not in o.row(0)


def test_the_look_follows_the_session() -> None:
    known = Context(None, None, Sides(), frozenset(), 5, 10, 0, being_written=False)
    assert Look.of(known, names=True, services=True) == Look(now_ns=5)
    assert Look.of(dataclasses.replace(known, at=5), names=True, services=True).rates
    assert Look.of(dataclasses.replace(known, being_written=True), names=True, services=True).mixed


# ---- a session that is being written -------------------------------------------------------------------------------


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[Path]:
    """A replay of eleven seconds in twice that time, by another process."""
    path = tmp_path / "s.duckdb"
    command = [sys.executable, "-m", "rustnet", "replay", str(SAMPLES / "contested.pcap"), "--db", str(path)]
    with subprocess.Popen([*command, "--no-tui", "--speed", "0.5"], stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 20
        while not _begun(path):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield path
        process.kill()


def _begun(path: Path) -> bool:
    try:
        with open_session(path) as session:
            flows = session.execute_own("SELECT count(*) FROM flows").rows[0][0]
            return bool(session.being_written and flows)
    except Exception:  # noqa: BLE001 -- the file is being made
        return False


async def _until(o: Opened, true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "\n".join(o.lines)
        await o.pilot.pause(0.05)


async def test_a_list_that_grows_stays_while_somebody_works_with_it(replay: Path) -> None:
    async with opened(replay) as o:
        assert o.table.snapshot is not None
        assert o.table.snapshot.known.being_written
        count = o.table.row_count
        await _until(o, lambda: o.table.row_count > count)
        assert "Rx↓/Tx↑ /s" in o.lines[o.table.region.y]
        held = o.flows()
        count = o.table.row_count

        def grown() -> bool:
            o.table.on_key()  # as if keys came
            return bool(o.table.new)

        await _until(o, grown)
        assert o.table.row_count == count
        assert o.flows() == held
        assert f"+{o.table.new} new" in o.below
        await _until(o, lambda: o.table.row_count > count)
        assert o.table.new == 0
        assert o.flows()[: len(held)] == held[: o.table.page_rows]


# ---- looks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
@pytest.mark.parametrize("keys", ["", "a l"])
async def test_golden(web: Path, size: tuple[int, int], keys: str) -> None:
    async with opened(web, size=size) as o:
        await o.press(*keys.split())
        assert o.table.snapshot is not None
        o.table.snapshot = dataclasses.replace(o.table.snapshot, seconds=0.012)
        o.pane.on_table_moved()
        await settle(o.pilot)
        check_golden(o.app, "overview-groups" if keys else "overview")
