"""What reports say is what the session says: every table, its statement and its command."""

import base64
import hashlib
import html.parser
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

import rustnet
from rustnet import i18n
from rustnet.errors import RustnetError, UsageError
from rustnet.export.report.blocks import Chart, Section, Table
from rustnet.export.report.page import Subject, every_section, report
from rustnet.export.report.scope import Scope, inline, literal
from rustnet.export.report.sections.timeline import interval, typed
from rustnet.export.report.source import Source
from rustnet.policy.redaction import POLICIES, Redactor, key_of_passphrase
from rustnet.query import catalogue
from rustnet.query.session import Session
from rustnet.query.values import duration
from rustnet.records import Kind
from tests.support.command_line import Run

OF_ALL_KINDS = ("web", "contested", "network", "mail-ftp", "ssh", "dns")
"""Samples whose reports have every section and kind of block."""
GROUND = {"custody", "health"}
"""Sections about the whole session."""


def tables(sections: list[Section]) -> Iterator[tuple[str, Table]]:
    """All tables with the name of their section."""
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Table):
                yield section.name, block
            elif isinstance(block, Chart):
                yield section.name, block.table


def sections_of(session: Session, text: str = "") -> list[Section]:
    return every_section(Source(session, session.path, text), Subject(filter=text))


@pytest.mark.parametrize("name", ["web", "contested", "network", "mail-ftp"])
@pytest.mark.parametrize("text", ["", "protocol:tcp"])
def test_statements_give_the_tables(sessions: Mapping[str, Path], name: str, text: str) -> None:
    """Each statement that is shown, run as a user would, has the rows of its table; so has the saved query."""
    with rustnet.open(sessions[name]) as session:
        shown = list(tables(sections_of(session, text)))
        assert len(shown) > 4
        for section, table in shown:
            assert table.statement is not None
            result = session.sql(table.statement.sql)
            if section != "timeline":
                assert len(result) == len(table.rows), table.caption
            if table.statement.short:
                words = shlex.split(table.statement.command)
                assert words[:3] == ["rustnet", "query", str(sessions[name])]
                params: dict[str, Any] = dict(word.split("=", 1) for word in words[5::2])
                most = int(params.pop("limit", 10**6))
                assert session.query(words[3], limit=most, **params).rows == result.rows
            else:
                assert table.statement.command.endswith(f"--sql - <<'SQL'\n{table.statement.sql}\nSQL")


def test_figures(sessions: Mapping[str, Path]) -> None:
    """Key figures, the course over time and the rows by application add up to the flows and packets."""
    with rustnet.open(sessions["web"]) as session:
        flows, sent = session.sql("SELECT count(*), sum(src_bytes + dst_bytes)::BIGINT FROM flows").rows[0]
        packets, wire = session.sql("SELECT count(*), sum(length)::BIGINT FROM packets").rows[0]
        sections = sections_of(session)
        page = report(session, Subject())
    found = {table.caption: table for _name, table in tables(sections)}
    assert sum(int(row[1].sort or "") for row in found["Applications by bytes"].rows) == flows
    by_bytes = [int(row[3].sort or "") for row in found["Applications by bytes"].rows]
    assert sum(by_bytes) == sent
    assert by_bytes == sorted(by_bytes, reverse=True)
    new = found["New flows over time by application: data"]
    assert sum(float(row[-1].sort or "") for row in new.rows) == flows
    rates = found["Traffic over time by application: data"]
    seconds = next(block.seconds for part in sections for block in part.blocks if isinstance(block, Chart))
    assert sum(float(row[-1].sort or "") for row in rates.rows) * seconds / 8 == pytest.approx(wire, rel=1e-4)
    assert f"1 capture, {packets} packets" in page
    assert f"<dd>{flows}</dd>" in page
    sha256 = hashlib.sha256((Path("sample_pcaps") / "web.pcap").resolve().read_bytes()).hexdigest()
    assert sha256 in page


def test_a_filter_reaches_every_table(sessions: Mapping[str, Path]) -> None:
    """No flow matches, so nothing of any flow is left; and of one host's flows only they are."""
    for name in ("web", "contested", "network"):
        with rustnet.open(sessions[name]) as session:
            left = [(section, table.caption) for section, table in tables(sections_of(session, "dport:1 sport:1"))]
            assert [each for each in left if each[0] not in GROUND] == []
    with rustnet.open(sessions["web"]) as session:
        found = {table.caption: table for _name, table in tables(sections_of(session, "app:dns"))}
        assert [row[0].text for row in found["Applications by bytes"].rows] == ["dns"]
        expected = session.sql("SELECT count(*) FROM flows WHERE app = 'dns'").rows[0][0]
        assert int(found["Applications by bytes"].rows[0][1].sort or "") == expected
        assert "Handshakes by version" not in found


def test_times_limit_flows(sessions: Mapping[str, Path]) -> None:
    """Flows with packets in the time are left, also those that began before it."""
    with rustnet.open(sessions["web"]) as session:
        first, last = session.execute_own("SELECT epoch_ns(min(ts)), epoch_ns(max(ts)) FROM packets").rows[0]
        middle = (first + last) // 2
        for subject, condition in (
            (Subject(since=middle), f"epoch_ns(ended_at) >= {middle}"),
            (Subject(until=middle), f"epoch_ns(started_at) < {middle}"),
            (Subject(filter="app:dns", since=middle), f"epoch_ns(ended_at) >= {middle} AND app = 'dns'"),
        ):
            expected = session.sql(f"SELECT count(*) FROM flows WHERE {condition}").rows[0][0]
            source = Source(session, session.path, subject.restricted())
            figures = every_section(source, subject)[0]
            assert f"{expected} flow" in str(figures.blocks[1])
        with pytest.raises(UsageError, match="after its beginning"):
            Subject(since=2, until=2).restricted()


def test_literals() -> None:
    """Values written into SQL mean what they are, whatever is in them."""
    values = ["it's", "a\nb", "$x '' -- \\", "SQL\n; DROP", 2**127, 2**128 - 1, -5, 1.5, True, None, ["a'", "b"]]
    for value in values:
        assert "\n" not in literal(value)
        sql = inline('SELECT $value AS v -- $value\n, \'$value\' AS t, "w" FROM (SELECT 1 AS "w")', {"value": value})
        with duckdb.connect() as con:
            assert con.execute(sql).fetchall() == [(value, "$value", 1)]


def test_empty_sections_say_why(sessions: Mapping[str, Path]) -> None:
    """A section without data has a sentence instead."""
    with rustnet.open(sessions["ssh"]) as session:
        page = report(session, Subject())
        names = [section.name for section in sections_of(session)]
    assert "No TLS or QUIC handshake was seen" in page
    assert re.findall(r'<section id="([a-z]+)"', page) == names
    assert len(names) == 13


class Tags(html.parser.HTMLParser):
    """Collects tags, and checks that they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input", "rect", "path"):
            self.open.append(tag)
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        assert "style" not in dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "path"):
            assert self.open.pop() == tag


def test_page(reports: Mapping[str, Path]) -> None:
    """Tags are closed, headings in order, and the policy allows the styles and the script that there are, by hash."""
    for path in (reports[name] for name in OF_ALL_KINDS):
        text = path.read_text("utf-8")
        tags = Tags()
        tags.feed(text)
        assert tags.open == []
        assert tags.headings[0] == 1
        assert all(b <= a + 1 for a, b in zip(tags.headings, tags.headings[1:], strict=False))
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
        assert policy is not None
        assert policy[1].startswith("default-src 'none'; ")
        for tag in ("style", "script"):
            (inner,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy[1]


ORIGINALS = """
SELECT DISTINCT 'ADDRESS', unnest([src_ip, dst_ip]) FROM flows
UNION SELECT 'MAC', unnest([src_mac, dst_mac]) FROM flows
UNION SELECT 'HOST', unnest([hostname, (SELECT min(sni) FROM tls), (SELECT max(query) FROM dns)]) FROM flows
UNION SELECT 'PATH', exe FROM processes UNION SELECT 'USER', username FROM processes
UNION SELECT 'COMMAND_LINE', cmdline FROM processes
UNION SELECT 'PATH', source FROM captures UNION SELECT 'DIGEST', sha256 FROM captures"""


@pytest.mark.parametrize("policy", list(POLICIES))
def test_redacted(sessions: Mapping[str, Path], policy: str) -> None:
    """No original is left: addresses, names, users, paths, hashes, filter, commands. The title stays."""
    for name in ("web", "contested"):
        redactor = Redactor(key_of_passphrase("a passphrase of a test"), POLICIES[policy])
        with rustnet.open(sessions[name]) as session:
            found = [(Kind[kind], value) for kind, value in session.sql(ORIGINALS).rows if value]
            replaced = {value: redactor.value(kind, value) for kind, value in found}
            shown = redactor.value(Kind.ADDRESS, "192.0.2.80")  # a filter is typed over what is shown
            text = "protocol:tcp" if policy == "timing-only" else f"protocol:tcp ip:{shown}"
            subject = Subject("Incident 17: <web> shop", text, redactor=redactor)
            page = report(session, subject)
        originals = {value for value, shown in replaced.items() if shown != value}
        originals -= set(replaced.values())  # another one's replacement, within the same special range
        originals -= {"ff:ff:ff:ff:ff:ff"}  # in the statement of the view of hosts
        assert len(originals) > 8
        body = page.partition("<body")[2].partition("<script>")[0]
        for original in {*originals, "shop.example", str(sessions[name])}:
            assert not re.search(rf"(?<![\w.:-]){re.escape(original)}(?![\w.:-])", body), original
        assert "<dd>0</dd>" not in body.partition("custody-h")[0]
        assert (text in body) == (policy == "share")  # the others replace numbers too, so that they show no filter
        assert "This report is redacted" in body
        assert f"policy {policy}" in body
        assert "<h1>Incident 17: &lt;web&gt; shop</h1>" in body
        hidden = policy == "timing-only"
        assert ("Prefixes show" in body, "whose addresses are hidden" in body) == (not hidden, hidden)


def test_session_without_addresses(sessions: Mapping[str, Path], tmp_path: Path, run: Run) -> None:
    """A session redacted by `timing-only` has no addresses: none is counted, and the page says that they are hidden."""
    folder = tmp_path / "out"
    done = run("export", str(sessions["web"]), "-o", str(folder), "--redact", "timing-only")
    assert done.code == 0, done.err
    with rustnet.open(folder / "session.duckdb") as session:
        page = report(session, Subject())
        shown = {
            table.caption: [each.heading for each in table.columns] for _name, table in tables(sections_of(session))
        }
    assert "whose addresses are hidden" in page
    assert page.count("Addresses are hidden by the policy of redaction.") == 2
    for words in ("0 addresses", "Prefixes show", "No packet has an address"):
        assert words not in page
    assert "clients" not in shown["Services that answered"]
    assert not any("addresses" in headings for headings in shown.values())


def test_words_about_what_is_counted(sessions: Mapping[str, Path]) -> None:
    """ARP, places without tables, credentials, and both transports of a DNS server."""
    with rustnet.open(sessions["mail-ftp"]) as session:
        page = report(session, Subject(filter="flow:21"))
        assert "Credentials of 1 login were sent without encryption." in page
        assert "Credentials of 2 logins were sent without encryption." in report(session, Subject())
    with rustnet.open(sessions["web"]) as session:
        sections = {section.name: section for section in sections_of(session)}
        names = [table.caption for name, table in tables([sections["places"]])]
        servers = next(table for _name, table in tables([sections["dns"]]) if table.caption == "DNS servers")
    assert names == []
    assert "No table of addresses" in str(sections["places"].blocks)
    assert "without ARP" in str(sections["summary"].blocks)
    assert [each.heading for each in servers.columns][:3] == ["server", "protocol", "port"]


def test_language(sessions: Mapping[str, Path]) -> None:
    """The page names its language."""
    with rustnet.open(sessions["ssh"]) as session:
        i18n.use("fr")
        try:
            assert '<html lang="fr">' in report(session, Subject())
        finally:
            i18n.use("auto")
        assert '<html lang="en">' in report(session, Subject())


def test_command(sessions: Mapping[str, Path], tmp_path: Path, run: Run) -> None:
    """The command writes a file, replaces no session, and understands times."""
    session, page = str(sessions["web"]), tmp_path / "r.html"
    done = run("report", session, "-o", str(page), "--title", "A <b>", "--since", "+100ms", "--until", "end")
    assert done.code == 0, done.err
    assert "report written to" in done.err
    assert "<h1>A &lt;b&gt;</h1>" in page.read_text("utf-8")
    assert page.stat().st_mode & 0o077 == 0
    assert run("report", session, "-o", session).code == 2
    assert run("report", session, "-o", str(page), "--since", "noon").code == 2
    assert run("report", session, "-o", str(page), "--filter", "app:(").code == 2
    assert run("report", session, "-o", "-", "--filter", "app:dns").out.startswith("<!DOCTYPE html>")


def test_function(sessions: Mapping[str, Path], tmp_path: Path) -> None:
    """`rustnet.report` takes a session or its path, and replaces reports but not sessions."""
    page = tmp_path / "r.html"
    rustnet.report(sessions["ssh"], page, title="One")
    with rustnet.open(sessions["ssh"]) as session:
        rustnet.report(session, str(page), title="Two", since="10%", until="end")
    assert "<h1>Two</h1>" in page.read_text("utf-8")
    with pytest.raises(UsageError, match="must not be replaced"):
        rustnet.report(sessions["ssh"], sessions["web"])
    with pytest.raises(RustnetError):
        rustnet.report(sessions["ssh"], tmp_path / "no" / "r.html")


@pytest.mark.parametrize("days", [10, 30 * 365])
def test_long_sessions(sessions: Mapping[str, Path], tmp_path: Path, days: int) -> None:
    """Packets of days and of years are counted in at most 120 intervals, whose lengths the statements hold."""
    path = tmp_path / "long.duckdb"
    path.write_bytes(sessions["ssh"].read_bytes())
    with duckdb.connect(str(path)) as con:
        con.execute(f"UPDATE packets SET ts = ts + to_days({days}) WHERE number > 5")
        con.execute(f"UPDATE flows_ended SET ended_at = ended_at + to_days({days})")
    with rustnet.open(path) as session:
        page = report(session, Subject())
        (traffic, new) = (table for name, table in tables(sections_of(session)) if name == "timeline")
        assert traffic.statement is not None
        assert len(session.sql(traffic.statement.sql)) >= len(traffic.rows)
    assert 2 <= len(traffic.rows) <= 120
    assert len(new.rows) == 1
    assert f"({days}d" in page or f"({days} d" in page


def test_intervals() -> None:
    """At most 120, each of a length that can be typed, whatever the time between first and last packet."""
    for exponent in range(3, 19):
        for first, last in ((0, 10**exponent), (10**18, 10**18 + 3 * 10**exponent + 7)):
            width = interval(first, last)
            assert last // width - first // width < 120
            assert duration(typed(width)).low == width


def test_no_objects(sessions: Mapping[str, Path], reports: Mapping[str, Path]) -> None:
    """A page has texts and no objects of the program, and is the same each time."""
    for name in OF_ALL_KINDS:
        text = reports[name].read_text("utf-8")
        assert not re.search(r"built-in method|object at 0x|bound method|&lt;(function|class)", text), name
    copies = re.findall(r'<button type="button" class="copy" hidden>([^<]*)<', reports["web"].read_text("utf-8"))
    assert len(copies) > 20
    assert set(copies) == {"Copy"}
    for name in ("web", "contested"):
        with rustnet.open(sessions[name]) as session:
            assert report(session, Subject()) == reports[name].read_text("utf-8")


def test_size_of_many_flows(sessions: Mapping[str, Path], tmp_path: Path) -> None:
    """100,000 flows between as many addresses with long names: under 3 MB, and what is left out is counted."""
    path = tmp_path / "many.duckdb"
    path.write_bytes(sessions["web"].read_bytes())
    with duckdb.connect(str(path)) as con:
        con.execute(
            """INSERT INTO flows_ended SELECT f.* REPLACE (
                1000 + i AS flow_id, f.started_at + to_milliseconds(i) AS started_at,
                f.ended_at + to_milliseconds(i) AS ended_at,
                '198.18.' || (i // 250 % 250) || '.' || (i % 250) AS src_ip,
                '203.' || (i // 62500) || '.' || (i // 250 % 250) || '.' || (i % 250) AS dst_ip,
                repeat('long-name-', 12) || i || '.example' AS hostname, 'outbound' AS direction)
            FROM (SELECT * FROM flows_ended WHERE app = 'tls' LIMIT 1) AS f, range(100000) AS r(i)"""
        )
        con.execute(
            """INSERT INTO packets SELECT p.* REPLACE (1000 + i AS flow_id, p.ts + to_milliseconds(i) AS ts)
            FROM (SELECT * FROM packets LIMIT 1) AS p, range(100000) AS r(i)"""
        )
    with rustnet.open(path) as session:
        page = report(session, Subject())
    assert len(page.encode()) < 3_000_000
    assert "The first 50 of 100,00" in page  # names
    assert "<dd>100,020</dd>" in page


def test_every_saved_query_can_be_restricted(sessions: Mapping[str, Path]) -> None:
    """Whatever names its own parts have; without a flow that matches, nothing of flows is left."""
    of_captures = {"capture-drops", "capture-health", "interface-errors", "interface-rates", "interfaces-down"}
    with rustnet.open(sessions["web"]) as session:
        scope, nothing = Scope(session, "protocol:tcp"), Scope(session, "dport:1 sport:1")
        for name, saved in catalogue.load().items():
            if any(parameter.required for parameter in saved.parameters):
                continue
            params = saved.bind({})
            session.sql(inline(scope.scoped(saved.sql), params))
            rows = session.sql(inline(nothing.scoped(saved.sql), params)).rows
            if name not in of_captures:
                assert all(row.count(0) + row.count(None) >= len(row) - 2 for row in rows), name
