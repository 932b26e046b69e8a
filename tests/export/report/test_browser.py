"""Reports in a real browser: nothing is requested, nothing fails, nothing is cut, and everything can be used."""

import asyncio
import importlib.resources
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import rustnet
from rustnet.export.report.page import Subject, report
from tests.export.report.hostile import PAYLOADS, plant
from tests.support.chromium import CHROMIUM, Page, chromium

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

PRINTED = 687
"""Pixels of CSS between the margins of A4."""
SHAPE = """(count => ({
    wide: document.scrollingElement.scrollWidth - innerWidth,
    hacked: window.hacked ?? null,
    scripts: document.scripts.length,
    loaded: count('img, iframe, object, embed, link, form, base, video, audio, meta[http-equiv=refresh]'),
    handlers: count('*', e => [...e.attributes].some(a => a.name.startsWith('on'))),
    links: count('[href], [src]', e => !(e.getAttribute('href') ?? '').startsWith('#')),
    charts: [count('.chart'), count('.uplot canvas')],
}))((of, which = () => true) => [...document.querySelectorAll(of)].filter(which).length)"""
CLEAN = {"hacked": None, "scripts": 1, "loaded": 0, "handlers": 0, "links": 0}


Browse = Callable[[Callable[[Page], Coroutine[Any, Any, None]]], None]


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browse]:
    """Do something in the one browser of all tests."""
    with asyncio.Runner() as runner:
        browser = chromium(tmp_path_factory.mktemp("browser") / "profile")
        page = runner.run(browser.__aenter__())

        def done(work: Callable[[Page], Coroutine[Any, Any, None]]) -> None:
            page.messages.clear()
            runner.run(work(page))

        yield done
        runner.run(browser.__aexit__(None, None, None))


async def shape(page: Page, path: Path) -> dict[str, Any]:
    """Load a report; checks that it asks for nothing else and complains of nothing."""
    assert not re.search(r"built-in method|bound method|object at 0x", path.read_text("utf-8"))
    page.requested.clear()
    await page.load(path.as_uri())
    found: dict[str, Any] = await page.evaluate(SHAPE)
    assert page.requested == [path.as_uri()]
    assert page.messages == []
    assert found.pop("wide") <= 0, path.name
    charts, drawn = found.pop("charts")
    assert charts == drawn
    return found


def test_every_sample(reports: Mapping[str, Path], browse: Browse) -> None:
    """At both widths and in both colour schemes, one of each."""
    assert len(reports) >= 12

    async def work(page: Page) -> None:
        for width, scheme in ((1280, "light"), (390, "dark")):
            await page.view(width, scheme=scheme)
            for path in reports.values():
                assert await shape(page, path) == CLEAN

    browse(work)


def test_accessible(reports: Mapping[str, Path], browse: Browse) -> None:
    """Axe has no serious finding: names, roles, order of headings, contrast in both schemes."""
    axe = importlib.resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")

    async def work(page: Page) -> None:
        for name, width, scheme in (("web", 1280, "light"), ("contested", 390, "dark"), ("damaged", 1280, "dark")):
            await page.view(width, scheme=scheme)
            await page.load(reports[name].as_uri())
            await page.evaluate("document.querySelectorAll('details').forEach((d, n) => { d.open = n < 8; })")
            await page.evaluate(axe)
            found = await page.evaluate("axe.run().then(r => [r.passes.length, r.violations])")
            assert found[0] > 20
            faults = [f"{name}: {v['id']}: {v['nodes'][0]['html'][:200]}" for v in found[1]]
            assert faults == []

    browse(work)


def test_hostile_texts_stay_texts(sessions: Mapping[str, Path], tmp_path: Path, browse: Browse) -> None:
    """In every text column of every table, all at once and in turns."""
    pages: list[Path] = []
    for turn, everywhere in ((0, False), (5, False), (9, True)):
        session = tmp_path / f"hostile{turn}.duckdb"
        session.write_bytes(sessions["web"].read_bytes())
        assert plant(session, turn, everywhere=everywhere) > 700
        with rustnet.open(session) as reader:
            text = report(reader, Subject(title=PAYLOADS[turn], filter="" if everywhere else f'-host:"{PAYLOADS[0]}x"'))
        pages.append(tmp_path / f"hostile{turn}.html")
        pages[-1].write_text(text, "utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", text)

    async def work(page: Page) -> None:
        for width in (1280, 390):
            await page.view(width)
            for path in pages:
                assert await shape(page, path) == CLEAN
                shown = await page.evaluate("document.body.innerText + document.title")
                assert "<script>window.hacked=1</script>" in shown
                assert "{{ 7*7 }}" in shown
                await page.evaluate(
                    "document.querySelectorAll('*').forEach(e => ['mouseover', 'focus', 'click', 'error', 'load']"
                    ".forEach(k => e.matches('a, summary') || e.dispatchEvent(new Event(k))))"
                )
                assert await page.evaluate("window.hacked ?? null") is None

    browse(work)


def test_tables_sort_and_filter(reports: Mapping[str, Path], browse: Browse) -> None:
    """By the exact values, and by every word that is typed."""
    column = "[...t.tBodies[0].rows].map(r => r.cells[{at}].dataset.v ?? r.cells[{at}].firstChild.textContent)"
    find = (
        "const t = [...document.querySelectorAll('table')].find(t => t.caption.textContent === 'Largest flows');"
        "const at = [...t.tHead.rows[0].cells].findIndex(c => c.textContent === 'bytes');"
    )

    async def work(page: Page) -> None:
        await page.view(1280)
        await page.load(reports["web"].as_uri())
        orders = []
        for _click in range(2):
            orders.append(  # noqa: PERF401 -- one after the other
                await page.evaluate(
                    f"(() => {{ {find} t.tHead.rows[0].cells[at].firstChild.click();"
                    f"return [t.tHead.rows[0].cells[at].getAttribute('aria-sort'), {column.format(at='at')}]; }})()"
                )
            )
        numbers = [[int(value) for value in values] for _order, values in orders]
        assert [order for order, _values in orders] == ["descending", "ascending"]
        assert numbers[0] == sorted(numbers[0], reverse=True)
        assert numbers[1] == sorted(numbers[0])
        assert len(numbers[0]) > 9
        shown = await page.evaluate(
            f"(() => {{ {find} const i = t.closest('.figure').querySelector('input'); i.value = 'TLS 192.0.2';"
            "i.dispatchEvent(new Event('input')); return [[...t.tBodies[0].rows].filter(r => !r.hidden)"
            ".map(r => r.textContent.includes('tls')),"
            "t.closest('.figure').querySelector('.finder span').textContent]; })()"
        )
        assert shown == [[True, True], "2 of 20 rows"]

    browse(work)


def test_charts_by_keyboard_and_theme(reports: Mapping[str, Path], browse: Browse) -> None:
    """The course can be read with the keyboard, series can be hidden, and the scheme can be changed."""

    async def work(page: Page) -> None:
        await page.view(1280)
        await page.load(reports["web"].as_uri())
        await page.evaluate("document.querySelector('.plot').focus()")
        await page.ask("Input.dispatchKeyEvent", type="keyDown", key="End")
        await page.ask("Input.dispatchKeyEvent", type="keyDown", key="Home")
        spoken = await page.evaluate("document.getElementById('spoken').textContent")
        cell = await page.evaluate("document.querySelector('.chart tbody th').textContent")
        assert spoken.startswith(cell)
        before = await page.evaluate("document.querySelector('.plot canvas').toDataURL()")
        pressed = "document.querySelector('.legend.live button')"
        await page.evaluate(f"{pressed}.click()")
        assert await page.evaluate(f"{pressed}.getAttribute('aria-pressed')") == "false"
        await asyncio.sleep(0.1)
        assert await page.evaluate("document.querySelector('.plot canvas').toDataURL()") != before
        colour = "getComputedStyle(document.body).backgroundColor"
        assert await page.evaluate(colour) == "rgb(255, 255, 255)"
        await page.evaluate("document.querySelector('[data-theme-is=dark]').click()")
        assert await page.evaluate(colour) == "rgb(20, 23, 27)"
        assert page.messages == []

    browse(work)


def test_prints_whole(reports: Mapping[str, Path], browse: Browse) -> None:
    """On A4 no table is wider than the paper, and nothing for screens alone is printed."""

    async def work(page: Page) -> None:
        for name in ("web", "network", "contested", "ssh", "mail-ftp", "scan"):
            await page.view(PRINTED, scheme="dark", media="print")
            await page.load(reports[name].as_uri())
            cut = await page.evaluate(
                "[...document.querySelectorAll('.scroll')]"
                ".filter(s => s.offsetWidth && s.scrollWidth > s.clientWidth + 1)"
                ".map(s => [s.querySelector('caption').textContent, s.scrollWidth - s.clientWidth])"
            )
            assert cut == [], name
            assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            shown = "[...document.querySelectorAll('{}')].filter(e => e.getClientRects().length).length"
            assert await page.evaluate(shown.format(".sql, .copy, .finder, .theme, .plot canvas")) == 0
            assert await page.evaluate(shown.format(".drawing > svg")) == 2
        data = await page.pdf()
        assert data.startswith(b"%PDF")
        boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data)
        assert len(boxes) >= 3
        assert {(round(float(x)), round(float(y))) for x, y in boxes} == {(595, 842)}

    browse(work)


def test_without_scripts(reports: Mapping[str, Path], browse: Browse) -> None:
    """All tables, texts and drawings are there."""

    async def work(page: Page) -> None:
        await page.view(1280)
        await page.ask("Emulation.setScriptExecutionDisabled", value=True)
        await page.load(reports["web"].as_uri())
        text = await page.ask("DOM.getOuterHTML", nodeId=(await page.ask("DOM.getDocument"))["root"]["nodeId"])
        assert '<button type="button" class="copy" hidden' in text["outerHTML"]
        assert 'class="uplot' not in text["outerHTML"]
        assert text["outerHTML"].count("<table") > 10
        assert page.messages == []
        await page.ask("Emulation.setScriptExecutionDisabled", value=False)

    browse(work)
