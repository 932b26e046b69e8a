"""Options of recordings: what is refused before anything is captured."""

from pathlib import Path

import pytest

from rustnet.errors import ExitCode
from tests.support.command_line import Run


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rotate-size", "1M"), "--rotate-size, --rotate-seconds and --rotate-files need"),
        (("--rotate-files", "3", "--pcap-export", "x.pcap"), "--rotate-files needs"),
        (("--pcap-export", "x.pcap", "--rotate-size", "many"), "is not a size"),
        (("--pcap-export", "x.pcap", "--rotate-size", "10"), "at least 65,536 bytes"),
        (("--pcap-export", "x", "--pcapng-export", "./x"), "named for two outputs"),
        (("--pcap-export", "-"), "not to standard output"),
        (("--json-log", "-"), "not to standard output"),
        (("--pcap-export", "no/x.pcap"), "directory"),
        (("--pcap-export", "old.pcap"), "is a capture"),
        (("--pcap-export", "text"), "text: exists"),
        (("--pcap-export", "new"), "new.connections.jsonl: exists"),
        (("--json-log", "old.pcap"), "is a capture"),
        (("--db", "s.duckdb", "--pcap-export", "s.duckdb"), "is an input"),
        (("--db", "s.duckdb", "--json-log", "s.duckdb.wal"), "is an input"),
        (("--db", "s.duckdb", "--pcap-export", "s.duckdb", "--force"), "is an input"),
    ],
)
def test_what_cannot_be_is_refused(
    run: Run, capture: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: str
) -> None:
    folder = capture.parent
    monkeypatch.chdir(folder)
    (folder / "old.pcap").write_bytes(capture.read_bytes())
    (folder / "text").write_text("mine")
    (folder / "new.connections.jsonl").write_text("")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run("live", "--no-tui", "-i", "no-such-interface", *options)
    assert done.code == ExitCode.USAGE
    assert words in done.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
