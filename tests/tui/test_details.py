"""Details of a flow: every key and mouse action, what is copied, filtered and exported, and how it looks."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rustnet.present.values import moment
from rustnet.query.session import open_session
from rustnet.query.views import flow_messages
from rustnet.sources.files import FileSource
from rustnet.tui.screens.details import DetailsPane
from rustnet.tui.widgets.cards import Cards
from rustnet.tui.widgets.field_tree import FieldTree
from rustnet.tui.widgets.flow_items import PARTS
from rustnet.tui.widgets.hex_view import HexView, characters, digits
from rustnet.tui.widgets.message_part import MessagePart
from rustnet.tui.widgets.neighbour_strip import NeighbourStrip
from rustnet.tui.widgets.packet_part import FlowGrid, PacketPart
from rustnet.tui.widgets.part_line import PartLine
from rustnet.tui.widgets.stream_view import StreamView, readable, text_lines
from tests.support.conversations import http_flow
from tests.support.pcap import write_pcap
from tests.support.sessions import replay
from tests.tui import support
from tests.tui.many_protocols import fixed_redactor
from tests.tui.support import SIZES, browser, check_golden, screen_text, settle

HTTP = 10
"""Flow of the sample with three HTTP requests."""


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer: scapy takes seconds to start where other processes keep the machine busy."""
    monkeypatch.setattr(support, "SETTLE_SECONDS", 90.0)


def details(app: Any) -> DetailsPane:
    pane = app.pane
    assert isinstance(pane, DetailsPane)
    return pane


async def opened(app: Any, pilot: Any, flow_id: int = HTTP, part: str = "connection") -> DetailsPane:
    """Open a flow from the overview's list."""
    await settle(pilot)
    overview = app.pane
    overview.table.go_to_flow(flow_id)
    await settle(pilot, lambda: overview.table.current is not None and overview.table.current.flow_id == flow_id)
    await pilot.press("enter")
    await settle(pilot, lambda: app.tab == "details")
    pane = details(app)
    if part != pane.part:
        pane.choose_part(part)
    await settle(pilot, lambda: pane.snapshot is not None and pane.snapshot.request.part == part)
    return pane


def selected(pane: DetailsPane) -> str:
    item = pane.selected
    return "" if item is None else item.name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("part", [name for name, _title, _cards in PARTS if name != "packets"])
async def test_golden(web: Path, size: tuple[int, int], part: str) -> None:
    app = browser(web)
    async with app.run_test(size=size) as pilot:
        pane = await opened(app, pilot, part=part)
        await settle(pilot, lambda: not pane.query_one(StreamView).reading)
        check_golden(app, f"details-{part}")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("part", [name for name, _title, _cards in PARTS])
async def test_golden_in_redact_mode(web: Path, size: tuple[int, int], part: str) -> None:
    app = browser(web, redact="on", redactor=fixed_redactor)
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot, part=part)
        check_golden(app, f"details-{part}-redacted")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("patient")
async def test_golden_of_packets(web: Path, size: tuple[int, int]) -> None:
    pytest.importorskip("scapy")
    app = browser(web)
    async with app.run_test(size=size) as pilot:
        pane = await opened(app, pilot, part="packets")
        packets = pane.query_one(PacketPart)
        await pilot.press("down", "down", "down")
        await settle(pilot, lambda: packets.decoded is not None and bool(packets.decoded.layers))
        check_golden(app, "details-packets")


async def test_walking_follows_the_list(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot, flow_id=3)
        order = [row[0] for row in app.session.execute("SELECT flow_id FROM flows ORDER BY started_at, flow_id").rows]
        table = app.frame.pane_if_made("overview").table  # type: ignore[union-attr]

        async def walked(key: str) -> int | None:
            await pilot.press(key)
            await settle(pilot, lambda: pane.snapshot is not None and pane.snapshot.request.flow_id == pane.flow_id)
            assert table.current is not None
            assert table.current.flow_id == pane.flow_id
            return pane.flow_id

        at = order.index(3)
        assert await walked("j") == order[at + 1]
        assert await walked("j") == order[at + 2]
        assert await walked("k") == order[at + 1]
        assert await walked("G") == order[-1]
        assert await walked("g") == order[0]
        assert await walked("pagedown") == order[10]
        assert await walked("ctrl+f") == order[min(20, len(order) - 1)]
        assert await walked("pageup") == order[min(20, len(order) - 1) - 10]
        assert await walked("end") == order[-1]
        assert await walked("home") == order[0]
        # A click on the row after it.
        strip = pane.query_one(NeighbourStrip)
        await pilot.click(strip, offset=(30, 2))
        await settle(pilot)
        assert pane.flow_id == order[1]
        # Back in the overview, the row that was walked to is selected.
        await pilot.press("escape")
        await settle(pilot)
        assert app.tab == "overview"
        assert table.current is not None
        assert table.current.flow_id == order[1]
        # Another row there is what the tab shows next.
        await pilot.press("j", "j", "2")
        await settle(pilot)
        assert details(app).flow_id == order[3]


async def test_j_walks_also_from_the_tables_and_the_part_stays(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot, part="messages")
        assert isinstance(app.focused, FlowGrid)
        await pilot.press("j")
        await settle(pilot)
        assert pane.flow_id == HTTP + 1
        assert pane.part == "messages"
        assert pane.snapshot is not None
        assert pane.snapshot.request.flow_id == HTTP + 1


async def test_parts_by_key_and_mouse(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot)
        names = [name for name, _title, _cards in PARTS]
        for name in (*names[1:], names[0]):
            await pilot.press("n")
            await settle(pilot)
            assert pane.part == name
        await pilot.press("N")
        await settle(pilot)
        assert pane.part == names[-1]
        await pilot.press("right")
        await settle(pilot)
        assert pane.part == names[0]
        line = pane.query_one(PartLine)
        start, _end, name = line._places[2]
        await pilot.click(line, offset=(start + 1, 0))
        await settle(pilot)
        assert pane.part == name == "ownership"


async def test_values_are_selected_viewed_and_copied(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot)
        assert selected(pane) == "flow_id"
        await pilot.press("down", "down", "down")
        assert selected(pane) == "local"
        await pilot.press("c")
        assert app.last_copy == "192.0.2.11:59704"
        await pilot.press("up", "enter")
        await settle(pilot)
        assert "tcp" in screen_text(app)
        assert len(app.screen_stack) == 2
        await pilot.press("escape", "C")
        await settle(pilot)
        assert len(app.screen_stack) == 2
        await pilot.press("escape")
        cards = pane.query_one("#cards", Cards)
        place = next((column, line) for column, line, item in cards._items if item.name == "remote_name")
        await pilot.click(cards, offset=(place[0] * (cards.column_width + 2) + 30, place[1]))
        assert app.last_copy == "www.shop.example"
        assert selected(pane) == "remote_name"


async def test_whole_digits_are_copied(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot, part="transport")
        cards = pane.query_one("#cards", Cards)
        at = next(n for n, (_c, _l, item) in enumerate(cards._items) if item.name == "bytes")
        cards.select(at)
        await pilot.press("c")
        row = app.session.execute("SELECT src_bytes, dst_bytes FROM flows WHERE flow_id = ?", [HTTP]).rows[0]
        assert [int(part.replace(",", "").removesuffix(" B")) for part in app.last_copy.split(" / ")] == list(row)


async def test_filter_by_a_value_and_out(web: Path) -> None:
    app = browser(web, filter="proto:tcp")
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot)
        cards = pane.query_one("#cards", Cards)
        at = next(n for n, (_c, _l, item) in enumerate(cards._items) if item.name == "app")
        cards.select(at)
        await pilot.press("f")
        await settle(pilot)
        assert app.spec.filter == "proto:tcp app:=http"
        assert app.tab == "overview"
        # Escape comes back to the flow, with the filter from before.
        await pilot.press("escape")
        await settle(pilot)
        assert (app.tab, app.spec.filter) == ("details", "proto:tcp")
        assert details(app).flow_id == HTTP
        await pilot.press("F")
        await settle(pilot)
        assert app.spec.filter == "proto:tcp NOT app:=http"
        count = app.session.execute(
            "SELECT count(*) FROM flows WHERE protocol = 'tcp' AND app IS DISTINCT FROM 'http'"
        ).rows[0][0]
        assert app.pane.table.count == count  # type: ignore[union-attr]


async def test_a_value_without_a_filter_says_so(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot)
        cards = pane.query_one("#cards", Cards)
        cards.select(next(n for n, (_c, _l, item) in enumerate(cards._items) if item.name == "lasted"))
        await pilot.press("f")
        await settle(pilot)
        assert app.tab == "details"
        assert app.spec.filter == ""


async def test_a_related_flow_is_opened_and_escape_comes_back(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot)
        cards = pane.query_one("#cards", Cards)
        at, item = next((n, item) for n, (_c, _l, item) in enumerate(cards._items) if item.name == "lookup")
        cards.select(at)
        await pilot.press("enter")
        await settle(pilot, lambda: pane.flow_id == item.flow_id)
        assert "dns" in screen_text(app)
        await pilot.press("escape")
        await settle(pilot)
        assert (app.tab, pane.flow_id) == ("details", HTTP)


async def test_messages_and_their_fields(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot, part="messages")
        part = pane.query_one(MessagePart)
        await pilot.press("down", "down")
        await settle(pilot)
        message = part.selected
        assert message is not None
        assert message.fields["status"] == 404
        await pilot.press("enter")
        assert app.focused is part.query_one(Cards)
        await pilot.press("down", "down", "c")
        assert app.last_copy == "/missing.html"
        await pilot.press("f")
        await settle(pilot)
        assert app.spec.filter == 'uri:="/missing.html"'
        assert app.pane.table.current.flow_id == HTTP  # type: ignore[union-attr]


async def test_pages_of_messages(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_messages, "PAGE", 2)
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot, part="messages")
        part = pane.query_one(MessagePart)
        assert part.page is not None
        assert [m.packet for m in part.page.messages] == [17, 25]
        assert "messages 1 to 2 of 3" in screen_text(app)
        await pilot.press("pagedown", "pagedown")
        await settle(pilot)
        assert [m.packet for m in part.page.messages] == [28]
        await pilot.press("pageup", "pageup")
        await settle(pilot)
        assert [m.packet for m in part.page.messages] == [17, 25]


@pytest.mark.usefixtures("patient")
async def test_packets_have_a_tree_and_bytes(web: Path) -> None:
    pytest.importorskip("scapy")
    app = browser(web)
    async with app.run_test(size=(140, 40)) as pilot:
        pane = await opened(app, pilot, part="packets")
        part = pane.query_one(PacketPart)
        await pilot.press("down", "down", "down")
        await settle(pilot, lambda: part.decoded is not None and bool(part.decoded.layers))
        assert part.selected == 17
        assert part.decoded is not None
        assert part.decoded.data[54:].endswith(b"\r\n\r\n")
        tree, view = part.query_one(FieldTree), part.query_one(HexView)
        await pilot.press("enter")
        assert app.focused is tree
        for _ in range(40):
            await pilot.press("down")
            if tree.node is not None and tree.node.name == "dport":
                break
        await settle(pilot)
        assert tree.node is not None
        assert view.marked is not None
        assert view.data[slice(*view.marked)] == (80).to_bytes(2, "big")
        # A layer closes and opens.
        rows = tree.row_count
        await pilot.press("home", "left")
        assert tree.row_count < rows
        await pilot.press("enter")
        assert tree.row_count == rows
        await pilot.press("space")
        assert tree.row_count < rows
        # Known packets come back at once, and the other tool has a tree of its own.
        part._choose()
        assert part.decoded.layers
        await pilot.press("w")
        assert part.tool == "tshark"
        await settle(pilot, lambda: any(tool == "tshark" for _capture, _number, tool in part._known))


@pytest.mark.usefixtures("patient")
async def test_a_missing_capture_is_stated(web: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.duckdb"
    capture = write_pcap(tmp_path / "c.pcap", http_flow())
    replay(moved, capture).con.close()
    capture.unlink()
    app = browser(moved)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot, flow_id=1, part="packets")
        part = pane.query_one(PacketPart)
        await settle(pilot, lambda: part.decoded is not None)
        assert "no such file" in screen_text(app)
        pane.choose_part("stream")
        view = pane.query_one(StreamView)
        await settle(pilot, lambda: bool(view.problem))
        assert "no such file" in screen_text(app)
        assert view.chunks == []


async def test_stream_as_text_and_hex(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot, part="stream")
        view = pane.query_one(StreamView)
        await settle(pilot, lambda: not view.reading and bool(view.chunks))
        shown = screen_text(app)
        assert "> GET / HTTP/1.1" in shown
        assert "< HTTP/1.1 200 OK" in shown
        assert "packet 17, 80 bytes" in shown
        assert "3,334 bytes" in shown  # the answer's three segments
        await pilot.press("H")
        shown = screen_text(app)
        assert "> 000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  GET / HTTP/1.1··" in shown
        await pilot.press("c")
        assert app.last_copy.startswith("47 45 54 20")
        await pilot.press("H", "c")
        assert app.last_copy.startswith("GET / HTTP/1.1\nHost: www.shop.example\n")
        await pilot.press("ctrl+d")
        assert view.scroll_offset.y == 5
        await pilot.press("ctrl+u", "down")
        assert view.scroll_offset.y == 1
        await pilot.press("enter")
        await settle(pilot)
        assert len(app.screen_stack) == 2
        await pilot.press("escape")
        await pilot.click(view, offset=(4, 8))
        assert app.last_copy.startswith("HTTP/1.1 200 OK")


async def test_redact_mode_shows_neither_payload_nor_bytes(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot, part="stream")
        view = pane.query_one(StreamView)
        await settle(pilot, lambda: bool(view.chunks))
        await pilot.press("X")
        await settle(pilot)
        assert app.presenter.redacting
        assert view.chunks == []
        assert "[redacted]" in screen_text(app)
        names = ("192.0.2.80:80", "192.0.2.11:59704", "alice", "/missing.html")
        for part, _title, _cards in PARTS:
            pane.choose_part(part)
            await settle(pilot)
            shown = screen_text(app)
            assert not [name for name in names if name in shown], part
        packets = pane.query_one(PacketPart)
        assert packets.query_one(HexView).data == b""
        await pilot.press("X")
        await settle(pilot)
        pane.choose_part("stream")
        await settle(pilot, lambda: bool(view.chunks))


@pytest.mark.parametrize("ending", [".pcapng", ".txt", ".json"])
async def test_export(web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.chdir(tmp_path)
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press("e")
        await settle(pilot)
        for _ in range([".pcapng", ".txt", ".json"].index(ending)):
            await pilot.press("down")
        await pilot.press("enter", "enter")
        path = tmp_path / f"flow-{HTTP}{ending}"
        await settle(pilot, lambda: path.exists() and len(app.screen_stack) == 1)
    assert path.stat().st_mode & 0o777 == 0o600
    if ending == ".json":
        data = json.loads(path.read_text())
        assert data["flow"]["flow_id"] == HTTP
        assert [m["status"] for m in data["messages"]] == [200, 200, 404]
        assert len(data["packets"]) == 18
    elif ending == ".txt":
        text = path.read_text()
        assert "www.shop.example" in text
        assert "curl (24) owns the flow" in text
        assert "/missing.html" in text
    else:
        with FileSource(str(path)) as source:
            frames = next(source.batches())
            assert frames.count == 18
            note = frames.notes[0]
            assert any("process=curl" in comment for comment in note.comments)


async def test_export_refuses_to_replace_a_file_and_packets_in_redact_mode(
    web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press("e")
        await settle(pilot)
        name = app.screen.query_one("Input")
        (tmp_path / "mine.txt").write_text("precious")
        name.value = "mine.txt"  # type: ignore[attr-defined]
        await pilot.press("enter", "enter")
        await settle(pilot)
        assert "exists already" in screen_text(app)
        assert (tmp_path / "mine.txt").read_text() == "precious"
        await pilot.press("escape", "X")
        await settle(pilot)
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("enter", "enter")
        await settle(pilot)
        assert "redact mode exports no packets" in screen_text(app)
        assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("ending", [".txt", ".json"])
async def test_redacted_export(web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.chdir(tmp_path)
    app = browser(web, redact="on", redactor=fixed_redactor)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("down", *(["down"] if ending == ".json" else []), "enter", "enter")
        path = tmp_path / f"flow-{HTTP}{ending}"
        await settle(pilot, lambda: path.exists() and len(app.screen_stack) == 1)
    text = path.read_text()
    for secret in ("192.0.2.80", "192.0.2.11", "alice", "missing.html"):
        assert not re.search(rf"\b{re.escape(secret)}\b", text), secret
    assert "404" in text
    if ending == ".json":
        assert json.loads(text)["verdict"]


async def test_export_from_the_overview(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("e")
        await settle(pilot)
        assert "Export flow" in screen_text(app)


async def test_as_of_a_time(web: Path) -> None:
    session = open_session(web)
    begun, ended = session.execute(
        "SELECT epoch_ns(started_at), epoch_ns(ended_at) FROM flows WHERE flow_id = ?", [HTTP]
    ).rows[0]
    session.close()
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot)
        app.change(at=(begun + ended) // 2)
        await settle(pilot)
        assert pane.snapshot is not None
        assert pane.snapshot.page is not None
        assert pane.snapshot.page.at == (begun + ended) // 2
        whole = 18
        assert pane.snapshot.page.flow["src_packets"] + pane.snapshot.page.flow["dst_packets"] < whole
        app.change(at=begun - 1)
        await settle(pilot)
        assert f"had not begun at {moment(begun - 1)}" in screen_text(app)
        app.change(at=None)
        await settle(pilot)
        assert "www.shop.example" in screen_text(app)


async def test_statement_behind_each_part(web: Path) -> None:
    app = browser(web)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await opened(app, pilot)
        for part, _title, _cards in PARTS:
            pane.choose_part(part)
            await settle(pilot)
            statement = pane.statement()
            assert statement is not None
            assert app.session.sql(statement.text()).rows, part


def test_text_of_payload_is_utf_8_where_it_is() -> None:
    assert readable("größe\t日本".encode()) == "größe\t日本"
    assert readable(b"a\x1b[31m\x9b\xff\0z\xe2\x80\xae") == "a·[31m····z·".replace("····", "···")
    # A character is not cut in two at the end of a line.
    data = ("é" * 20).encode()
    assert b"".join(data[line.start : line.end] for line in text_lines(0, data, 7)) == data
    assert all("·" not in readable(data[line.start : line.end]) for line in text_lines(0, data, 7))


def test_hex_digits_line_up() -> None:
    assert digits(b"\x00\xff", 16) == "00 ff" + " " * 18 + "  " + " " * 23
    assert len(digits(bytes(16), 16)) == len(digits(bytes(3), 16)) == 48
    assert characters(b"a\x1b[31m\x9b\x7f~") == "a·[31m··~"


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a\r\nb\n\nc", [b"a", b"b", b"", b"c"]),
        (b"x" * 25, [b"x" * 10, b"x" * 10, b"x" * 5]),
        (b"", []),
        (b"\n", [b""]),
    ],
)
def test_lines_of_text(data: bytes, lines: list[bytes]) -> None:
    assert [data[line.start : line.end] for line in text_lines(0, data, 10)] == lines
