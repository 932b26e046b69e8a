"""Redacted captures: what else of a file is replaced or left out, and what replaying and tshark see of the result."""

import dataclasses
import json
import shutil
import socket
import struct
from pathlib import Path

import duckdb
import pytest

from rustnet.errors import InputError, UsageError
from rustnet.export.folder import ExportFolder
from rustnet.export.redacted_packets import writing
from rustnet.export.redacted_packets.counts import DROPPED_BLOCKS
from rustnet.export.redacted_packets.writing import check_policy, write_redacted_packets, write_redacted_pcapng
from rustnet.ingest.options import Options
from rustnet.ingest.road import ingest
from rustnet.policy.redaction import SHARE, STRICT, TIMING_ONLY, Redactor, Shift, key_of_passphrase
from rustnet.query.session import open_session
from rustnet.records import Kind
from rustnet.sources.files import reread
from rustnet.sources.frames import Frames
from tests.support.packets import START, ip, udp
from tests.support.paths import CORPUS, SAMPLES
from tests.support.pcap import write_pcap
from tests.support.pcapng import block, end, epb, idb, nrb, option, shb
from tests.support.redacted_captures import compare, expected_shapes, problems, redact, replay
from tests.support.redacted_frames import MARK, RECEIVER, SENDER, SORTS, frame, packed, tcp4, udp4
from tests.support.several_files import rotated, tap

REDACTOR = Redactor(key_of_passphrase("key of the tests of captures"))
SAMPLE_FILES = sorted(p for p in SAMPLES.iterdir() if ".pcap" in p.name and p.suffix not in (".json", ".jsonl"))
CORPUS_FILES = (
    "teredo.pcap", "gre.pcapng", "sctp.cap", "malformed_icmp.pcap", "mptcp.pcap", "dns_fragmented.pcap",
    "ipoptions.pcap",
)  # fmt: skip
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def frames_of(path: Path) -> list[tuple[int, bytes, int, int]]:
    """Time, captured bytes, length and flags of all packets."""
    packets = []
    source = reread(str(path))
    batch: Frames
    for batch in source.batches():
        for i in range(batch.count):
            note = batch.notes.get(i)
            packets.append((batch.ts[i], batch.frame(i), batch.length[i], note.flags if note else 0))
    source.close()
    return packets


def test_all_that_describes_a_capture_is_replaced_or_left_out(tmp_path: Path) -> None:
    secret = b"Kestrel Workstation 7"
    names = struct.pack("<HH", 1, 4 + 20) + packed(SENDER) + b"db.kestrel.example\0\0"
    pages = [
        shb(options=option(2, secret) + option(3, secret) + option(4, secret) + option(1, secret) + end()),
        idb(options=option(2, b"kestrel0") + option(3, secret) + option(11, b"\0host kestrel") + option(1, secret)),
        block(0x80000001, struct.pack("<I", 4711) + option(2, b"kestrel-daemon") + end()),
        epb(frame(udp4(MARK)), options=option(1, b"rustnet pid=4711 process=kestreld") + option(2, b"\1\0\0\0")),
        block(10, struct.pack("<II", 0x544C534B, 20) + b"CLIENT_RANDOM kestrel"[:20]),
        block(0xBAD, struct.pack("<I", 32473) + secret),
        block(9, b"__REALTIME_TIMESTAMP=1\n_HOSTNAME=kestrel\n"),
        nrb(names),
        block(5, bytes(12) + option(4, struct.pack("<Q", 9)) + option(5, struct.pack("<Q", 3))),
        epb(frame(tcp4(MARK)), START // 1000 + 5),
    ]  # fmt: skip
    capture, session, target = tmp_path / "c.pcapng", tmp_path / "s.duckdb", tmp_path / "r.pcapng"
    capture.write_bytes(b"".join(pages))
    replay(capture, session)
    counts = redact(session, REDACTOR, target)
    written = target.read_bytes()
    assert b"estrel" not in written
    assert packed(SENDER) not in written
    assert counts.packets == 2
    assert set(counts.dropped) <= set(DROPPED_BLOCKS)
    for name in ("decryption_secrets", "packet_comments", "process_blocks", "section_comments", "section_description"):
        assert counts.dropped[name], name
    assert counts.dropped["not_packets"] == 2
    assert counts.rewritten_names == 1
    assert json.loads(json.dumps(counts.numbers()))["dropped"]["not_packets"] == 2
    source = reread(str(target))
    list(source.batches())
    assert source.info.complete
    assert source.info.names == [
        (REDACTOR.value(Kind.ADDRESS, SENDER), REDACTOR.value(Kind.HOST, "db.kestrel.example")),
    ]  # fmt: skip
    assert source.interfaces[0].name == REDACTOR.value(Kind.OBJECT, "kestrel0")
    assert source.interfaces[0].dropped_interface == 3
    assert source.interfaces[0].filter == ""
    first, second = frames_of(target)
    assert first[3] == 1
    assert (first[0], second[0]) == (START, START + 5000)
    assert first[2] == len(frame(udp4(MARK)))


def test_times_are_shifted_by_the_policy(tmp_path: Path) -> None:
    capture, session, target = tmp_path / "c.pcap", tmp_path / "s.duckdb", tmp_path / "r.pcapng"
    write_pcap(capture, [frame(tcp4(MARK))] * 2)
    replay(capture, session)
    for span in (12_345_678_901, -4 * 10**18):  # the second one to a time before 1970
        policy = dataclasses.replace(SHARE, shift=Shift(span_ns=span))
        redact(session, Redactor(key_of_passphrase("key of the tests of captures"), policy), target)
        assert [each[0] for each in frames_of(target)] == [START + span, START + span + 1_000_000]


def test_a_policy_that_hides_addresses_has_no_packets(tmp_path: Path) -> None:
    capture, session = write_pcap(tmp_path / "c.pcap", [frame(tcp4(MARK))]), tmp_path / "s.duckdb"
    replay(capture, session)
    redactor = Redactor(key_of_passphrase("key of the tests of captures"), TIMING_ONLY)
    check_policy(SHARE)
    check_policy(STRICT)
    with open_session(str(session)) as reader, ExportFolder(tmp_path / "out") as folder:
        with pytest.raises(UsageError, match="timing-only"):
            write_redacted_packets(reader, folder, redactor)
        assert folder.files == []
        with pytest.raises(UsageError, match="timing-only"), (tmp_path / "x").open("wb") as stream:
            write_redacted_pcapng(reader, redactor, stream)


def test_files_are_named_by_number_and_the_originals_are_checked(tmp_path: Path) -> None:
    session = tmp_path / "s.duckdb"
    capture = write_pcap(tmp_path / "kestrel.pcap", [sort.make(MARK) for sort in SORTS.values() if sort.link == 1])
    replay(capture, session)
    with open_session(str(session)) as reader, ExportFolder(tmp_path / "out") as folder:
        counts, _remarks = write_redacted_packets(reader, folder, REDACTOR)
        assert folder.files == ["packets/capture-1.pcapng"]
        folder.publish()
    assert counts.packets == len(frames_of(tmp_path / "out/packets/capture-1.pcapng"))
    capture.write_bytes(capture.read_bytes()[:-1] + b"?")
    with open_session(str(session)) as reader, ExportFolder(tmp_path / "out2") as folder, pytest.raises(InputError):
        write_redacted_packets(reader, folder, REDACTOR)


def test_names_in_payloads_are_those_of_tables(tmp_path: Path) -> None:
    """A redacted capture that is replayed gives the names that the redacted session has."""
    question = b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + b"\3www\7kestrel\7example\0" + b"\0\1\0\1"
    answer = b"\x12\x34\x81\x80\0\1\0\1\0\0\0\0" + question[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4"
    there = ip(SENDER, RECEIVER, 17, udp(40001, 53, question))
    back = ip(RECEIVER, SENDER, 17, udp(53, 40001, answer + socket.inet_aton("145.97.201.33")))
    capture = write_pcap(tmp_path / "c.pcap", [frame(there), frame(back)])
    result = compare(capture, tmp_path, REDACTOR, with_tshark=False)
    assert not result.differences
    assert result.counts.payloads_kept["dns"] == 2
    rows = {}
    for name in ("a", "b"):
        with open_session(str(tmp_path / f"{name}.duckdb")) as reader:
            rows[name] = reader.execute_own("SELECT query, answers FROM dns ORDER BY ALL", ()).rows
    value = REDACTOR.value
    shown = [(value(Kind.HOST, query), value(Kind.MIXED, answers)) for query, answers in rows["a"]]
    addresses = [value(Kind.ADDRESS, "145.97.201.33")]
    assert [len(query) for query, _answers in rows["b"]] == [len(query) for query, _answers in rows["a"]]
    assert all(answers == addresses for _query, answers in rows["b"] if answers)
    assert len(shown) == len(rows["b"])


def test_a_rewriter_that_fails_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytearray, *_given: object) -> int:
        data[:] = MARK
        raise ValueError

    monkeypatch.setattr(writing, "datagram_rewriter", lambda _context: fail)
    monkeypatch.setattr(writing, "stream_rewriter", lambda _context: fail)
    capture, session, target = tmp_path / "c.pcap", tmp_path / "s.duckdb", tmp_path / "r.pcapng"
    replay(write_pcap(capture, [frame(tcp4(MARK)), frame(udp4(MARK))]), session)
    counts = redact(session, REDACTOR, target)
    assert counts.failed_payloads == 2
    assert [len(each[1]) for each in frames_of(target)] == [54, 42]


@pytest.mark.parametrize("sort", ["joined", "merged", "recorded", "recorded, the first file gone"])
def test_captures_of_several_files(sort: str, tmp_path: Path) -> None:
    """Packets and flows are those of all files; a recording is read file by file."""
    paths = list(tap(tmp_path)[:2]) if sort == "merged" else rotated(tmp_path)
    session, target, again = (tmp_path / name for name in ("s.duckdb", "r.pcapng", "b.duckdb"))
    options = Options(join="always" if sort == "merged" else "auto")
    assert not ingest([str(path) for path in paths], str(session), options).failed
    packets = sum(len(frames_of(path)) for path in paths)
    missing = 0
    if sort.startswith("recorded"):
        with duckdb.connect(str(session)) as con:
            con.execute("UPDATE captures SET kind = 'live'")
            if sort != "recorded":
                con.execute("UPDATE capture_files SET kind = 'removed' WHERE file = 0")
                missing = len(frames_of(paths[0]))
                paths[0].unlink()
    counts = redact(session, REDACTOR, target)
    assert (counts.packets, counts.missing_packets) == (packets - missing, missing)
    if not missing:
        replay(target, again)
        assert sorted(expected_shapes(again, None)) == sorted(expected_shapes(session, REDACTOR))
        assert counts.payloads_kept["http"]


@needs_tshark
@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda path: path.name)
def test_samples(path: Path, tmp_path: Path) -> None:
    assert problems(compare(path, tmp_path, REDACTOR)) == []


@needs_tshark
@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not here")
def test_corpus(tmp_path: Path) -> None:
    compared = 0
    for name in CORPUS_FILES:
        for path in sorted(CORPUS.rglob(name))[:1]:
            assert problems(compare(path, tmp_path, REDACTOR)) == []
            compared += 1
    assert compared == len(CORPUS_FILES)
