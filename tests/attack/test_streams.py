"""Closed standard streams, names that are no UTF-8, and text that deceives the eye or a spreadsheet."""

import json
import os
import re
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from rustnet import filenames
from rustnet.export.formats import dumps
from rustnet.present.text import printable, safe
from tests.attack.evidence import SIDECAR_LINE, command, environment, in_shell, make_case, run
from tests.support.conversations import http_flow
from tests.support.pcap import pcap

CLOSED = ("<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-")
COMMANDS = (
    "flows s.duckdb", "flows s.duckdb -f csv -o o.csv", "stats s.duckdb", "hosts s.duckdb", "processes s.duckdb",
    "query s.duckdb protocols -f parquet -o o.parquet", "query s.duckdb --list", "show s.duckdb 1",
    "show s.duckdb 1 --packet 1", "extract s.duckdb -o o.pcapng --force", "extract s.duckdb -o - -f pcap",
    "enrich web.pcap --db s.duckdb -o e.pcapng --force", "export s.duckdb --sidecar -o x.jsonl --force",
    "verify s.duckdb", "doctor", "protocols", "sidecar validate web.pcap.connections.jsonl", "replay web.pcap",
    "replay other.pcap --db s.duckdb --again", "refresh s.duckdb", "sidecar record --no-packets --duration 0.1",
    "sidecar record --no-packets --duration 0.1 -o r.jsonl --force",
)  # fmt: skip


@pytest.mark.parametrize("closed", CLOSED)
def test_closed_streams_break_nothing(tmp_path: Path, closed: str) -> None:
    case = make_case(tmp_path / "case")
    originals = {path: path.read_bytes() for path in case.glob("*.pcap*")}
    for arguments in COMMANDS if closed in (">&-", CLOSED[-1]) else COMMANDS[1:3] + COMMANDS[8:10] + COMMANDS[-4:]:
        made = in_shell(case, arguments, closed)
        assert made.returncode == 0, (arguments, made.stderr)
        assert b"internal error" not in made.stderr
    for path, content in originals.items():
        assert path.read_bytes() == content
    made = run(case, "verify", "s.duckdb")
    assert made.returncode == 0, made.stdout
    assert run(case, "flows", "s.duckdb", "-f", "csv").stdout.count(b"\n") > 3
    assert (case / "o.csv").read_text().startswith("flow_id,")


def test_a_session_never_has_a_standard_descriptor(tmp_path: Path) -> None:
    """What a program writes to its error stream while everything is closed goes nowhere."""
    case = make_case(tmp_path / "case")
    code = ("import os; from rustnet.probe.streams import open_standard_streams as o; o(); "
            "print(*[os.readlink(f'/proc/self/fd/{n}') for n in range(3)], file=open('names', 'w'))")  # fmt: skip
    line = f'"{sys.executable}" -c "{code}" <&- >&- 2>&-'
    subprocess.run(["/bin/sh", "-c", line], cwd=case, env=environment(), check=True, timeout=60)
    assert (case / "names").read_text().split() == ["/dev/null"] * 3


def test_a_pipe_that_closes_early_is_no_error(tmp_path: Path) -> None:
    case = make_case(tmp_path / "case")
    line = command("query", "s.duckdb", "--sql", "SELECT range FROM range(3000000)", "-f", "csv")
    with subprocess.Popen(line, cwd=case, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(10)
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(30) == 0
    assert signal.getsignal(signal.SIGPIPE) is not None


NAME = os.fsdecode(b"ev\xffi\xc3\xa9\\x41\n.pcap")


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    case = make_case(tmp_path / "case")
    capture = case / NAME
    capture.write_bytes((case / "web.pcap").read_bytes())
    Path(f"{capture}.connections.jsonl").write_text(SIDECAR_LINE)
    out, rows = os.fsdecode(b"o\xfe.pcapng"), os.fsdecode(b"r\xfe.csv")
    made = run(case, "replay", NAME, "--db", "n.duckdb", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["captures"][0]["source"] == filenames.as_text(NAME)
    sql = "SELECT source FROM captures UNION ALL SELECT DISTINCT evidence FROM claims"
    stored = [json.loads(line)["source"] for line in
              run(case, "query", "n.duckdb", "--sql", sql, "-f", "jsonl").stdout.splitlines()]  # fmt: skip
    assert [filenames.as_path(text) for text in stored] == [NAME, f"{NAME}.connections.jsonl:1"][: len(stored)]
    for arguments in (["verify", "n.duckdb"], ["show", "n.duckdb", "1", "--packet", "1"],
                      ["extract", "n.duckdb", "-o", out], ["flows", "n.duckdb", "-f", "csv", "-o", rows],
                      ["refresh", "n.duckdb"], ["extract", "n.duckdb", "-o", "p.pcap", "--source", NAME],
                      ["enrich", NAME, "-o", out, "--force"], ["sidecar", "validate", f"{NAME}.connections.jsonl"],
                      ["enrich", NAME, "--db", "n.duckdb", "-o", out, "--force"]):  # fmt: skip
        made = run(case, *arguments)
        assert made.returncode == 0, (arguments, made.stdout, made.stderr)
        made.stdout.decode()
        made.stderr.decode()
    assert (case / out).stat().st_size > 500
    assert (case / rows).read_bytes().startswith(b"flow_id,")
    for target in (NAME, f"{NAME}.connections.jsonl"):
        before = (case / target).read_bytes()
        assert run(case, "flows", "n.duckdb", "--force", "-f", "csv", "-o", target).returncode == 2
        assert (case / target).read_bytes() == before
    made = run(case, "replay", os.fsdecode(b"none\xfe\x1b[31m"))
    assert made.returncode == 3
    assert rb"none\xfe\x1b[31m" in made.stderr
    for arguments in (["replay", NAME, "--db", out], ["flows", out], ["refresh", out]):
        made = run(case, *arguments)
        assert made.returncode == 2
        assert b"UTF-8" in made.stderr


@pytest.mark.parametrize(
    "raw",
    [b"plain", b"\xff", b"a\\b", b"a\\x41", b"a\\xff", b"\xff\\xff\\", "é\\x5cñ".encode(), b"\\\\x80", b"\xc3\xa9\xff"],
)
def test_a_stored_name_gives_the_path(raw: bytes) -> None:
    path = os.fsdecode(raw)
    text = filenames.as_text(path)
    text.encode()
    assert filenames.as_path(text) == path
    if b"\xff" not in raw and b"\\x" not in raw:
        assert text == path


FORMAT_CONTROLS = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) in ("Cf", "Cc", "Zl", "Zp")]


def test_every_format_control_is_escaped() -> None:
    text = "".join(FORMAT_CONTROLS)
    for shown in (printable(text), safe(text), dumps(text), dumps({text: [text]})):
        assert not set(shown) & set(FORMAT_CONTROLS)
        assert shown.isprintable()
    assert json.loads(dumps({text: text})) == {text: text}
    assert safe(os.fsdecode(b"\xff")) == "\\xff"


EVIL = "a\u202eb\u200bc\u2066d\u00ade\u2028f\u061cg\ufeffh\x9bi\U000e0041j.example"


def test_deceiving_text_is_escaped_wherever_it_is_shown(tmp_path: Path) -> None:
    case = make_case(tmp_path / "case")
    (case / "evil.pcap").write_bytes(pcap(http_flow()))
    line = SIDECAR_LINE.replace('"curl"', json.dumps(EVIL))
    for ends in (("192.0.2.1:40000", "192.0.2.2:80"), ("0.0.0.0:0", "0.0.0.0:0")):
        line = line.replace("192.0.2.1:40000", ends[0])
    local, remote = _ends(case / "evil.pcap", case)
    line = re.sub(r'"local_addr":"[^"]*"', f'"local_addr":"{local}"', line)
    line = re.sub(r'"remote_addr":"[^"]*"', f'"remote_addr":"{remote}"', line)
    (case / "evil.pcap.connections.jsonl").write_text(line)
    assert run(case, "replay", "evil.pcap", "--db", "e.duckdb").returncode == 0
    shown = [run(case, "processes", "e.duckdb", "-f", form).stdout for form in ("table", "markdown", "json", "jsonl")]
    shown.append(run(case, "show", "e.duckdb", "1", "--json").stdout)
    shown.append(run(case, "show", "e.duckdb", "1").stdout)
    shown.append(run(case, "replay", "evil.pcap", "--json").stdout)
    shown.append(run(case, "processes", "e.duckdb", "-f", "csv", "--spreadsheet").stdout)
    for output in shown:
        text = output.decode()
        assert "b" in text
        assert not set(text) & set(FORMAT_CONTROLS) - {"\n", "\r"}
    assert json.loads(shown[2])[0]["process"] == EVIL
    assert run(case, "extract", "e.duckdb", "-o", "o.pcapng").returncode == 0
    comments = re.findall(rb"process=([^ ]*) pid=42", (case / "o.pcapng").read_bytes())
    assert comments
    assert not set(comments[0].decode()) & set(FORMAT_CONTROLS)


def _ends(capture: Path, case: Path) -> tuple[str, str]:
    """Both ends of the capture's only flow."""
    assert run(case, "replay", capture.name, "--db", "ends.duckdb").returncode == 0
    (row,) = json.loads(run(case, "flows", "ends.duckdb", "-f", "json").stdout)
    return row["source"], row["destination"]


FORMULAS = (
    "=1+1",
    "+1",
    "-1+cmd",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    '"=1',
    "x;=1",
    "x; =cmd|' /C calc'!A0",
    "\uff1d1",
)


@pytest.mark.parametrize("listing", ["query", "flows", "hosts", "stats", "processes"])
def test_spreadsheets_see_text(tmp_path: Path, listing: str) -> None:
    case = make_case(tmp_path / "case")
    if listing == "query":
        values = ", ".join("('" + text.replace("'", "''") + "')" for text in FORMULAS)
        arguments = ["query", "s.duckdb", "--sql", f'SELECT v AS "=h" FROM (VALUES {values}) t(v)']
    else:
        arguments = [listing, "s.duckdb", *(["--by", "app"] if listing == "stats" else [])]
    made = run(case, *arguments, "-f", "csv", "--spreadsheet")
    assert made.returncode == 0, made.stderr
    assert run(case, *arguments, "--spreadsheet", "-o", "o.csv").returncode == 0
    assert (case / "o.csv").read_bytes() == made.stdout
    if listing == "query":
        for line in made.stdout.decode().splitlines():
            for cell in line.split(";"):
                assert not re.match(r"""[\s"']*[=+\-@\uff1d]""", re.sub(r"""^[\s"]*'""", "TEXT", cell)), line
        assert made.stdout.startswith(b"'=h\r\n'=1+1\r\n'+1\r\n")
        assert "'=1+1" not in run(case, *arguments, "-f", "csv").stdout.decode()
