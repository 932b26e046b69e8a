"""Opening: pipes, standard input, what is no capture, identity, reading twice."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rustnet.errors import ExitCode, InputError
from rustnet.sources.files import FileSource, hash_file, open_source, quick_identity, reread
from rustnet.sources.frames import Interface, SourceInfo
from rustnet.sources.hashing import Hasher
from tests.support.effort import drained, wait_until
from tests.support.patterned import kinds, packets_of, pcap, pcapng, read
from tests.support.pcap import pcap_header

RAW = pcap([(i * 37) % 1500 for i in range(3000)])

NOT_CAPTURES = [
    (b"", "is empty"),
    (b"\x7fELF\x02\x01\x01" + bytes(50), "ELF"),
    (b"snoop\0\0\0\0\0\0\2\0\0\0\4" + bytes(20), "snoop capture; convert it with `editcap` first"),
    (b"hello, this is a text\n" * 4, "looks like text"),
    (b'{"a": 1}\n', "looks like JSON"),
    (b"<?xml version='1.0'?><pdml>", "looks like XML"),
    ("Grüße aus Köln\n".encode() * 3, "looks like text"),
    (b"PK\x03\x04" + bytes(40), "ZIP archive; unpack it first"),
    (b"BZh91AY&SY" + bytes(20), "bzip2"),
    (bytes(8) + b"DUCK" + bytes(100), "'rustnet flows "),
    (bytes(600), "begins with zeros"),
    (b"\x01\x02\x03\x04\x05\x06\x07\x80" * 9, "unknown format, begins with 01 02 03"),
    (bytes(257) + b"ustar\x0000" + bytes(300), "tar archive"),
    (b"\xd4\xc3\xb2\xa1", "ends within its header .4 of 24 bytes"),
    (pcap_header()[:23], "23 of 24 bytes"),
    (pcap_header(version=(7, 9)) + bytes(90), r"header is damaged .version 7\.9"),
    (pcapng([5])[:27], "27 of 28 bytes"),
    (pcapng([5])[:8] + bytes(40), "section header is damaged"),
    (b"\n\r\r\n\x1c\0\0\0\x4d\x3c\x2b\x1a\x02\0\0\0" + bytes(20), "pcapng version 2 is not supported"),
]


@pytest.mark.parametrize(("raw", "says"), NOT_CAPTURES)
def test_error_names_the_likely_format(tmp_path: Path, raw: bytes, says: str) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=says) as caught:
        open_source(str(path))
    assert caught.value.exit_code == ExitCode.INPUT
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_source(str(tmp_path / "missing"))
    with pytest.raises(InputError, match="is a directory"):
        open_source(str(tmp_path))
    with pytest.raises(InputError, match="is a device"):
        open_source("/dev/zero")
    with pytest.raises(InputError, match="embedded null"):
        open_source("a\0b")
    if os.geteuid():
        (tmp_path / "x").write_bytes(RAW)
        (tmp_path / "x").chmod(0)
        with pytest.raises(InputError, match="permission denied"):
            open_source(str(tmp_path / "x"))


def test_source_protocol(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(RAW)
    source = open_source(str(tmp_path / "x"))
    assert isinstance(source.info, SourceInfo)
    assert isinstance(source.interfaces[0], Interface)
    assert source.info.bytes == len(RAW)
    assert source.info.sha256 is None
    assert not source.info.complete
    positions = [source.position() for _ in source.batches()]
    assert positions == sorted(positions)
    assert source.position() == len(RAW)
    assert (source.info.kind, source.info.source) == ("file", str(tmp_path / "x"))
    with pytest.raises(RuntimeError):
        next(iter(source.batches()))
    source.close()
    source.close()


def test_leaving_early_ends_the_threads(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(subprocess.run(["gzip", "-c"], input=RAW * 20, capture_output=True, check=True).stdout)
    before = threading.active_count()
    source = FileSource(str(path), batch_packets=10)
    for _ in source.batches():
        break
    source.close()
    assert threading.active_count() == before
    assert source.info.sha256 is None
    assert not source.info.complete
    with FileSource(str(path)) as source:
        next(iter(source.batches()))
    assert threading.active_count() == before


def test_fifo_delivers_while_its_writer_pauses(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    go_on = threading.Event()

    def write() -> None:
        with fifo.open("wb", buffering=0) as out:
            out.write(RAW[: len(RAW) // 2])
            go_on.wait(20)
            out.write(RAW[len(RAW) // 2 :])

    writer = threading.Thread(target=write)
    writer.start()
    source = open_source(str(fifo))
    batches = iter(source.batches())
    seen = packets_of(next(batches))
    assert seen  # although the writer holds the rest back
    go_on.set()
    for frames in batches:
        seen += packets_of(frames)
    writer.join()
    assert len(seen) == 3000
    assert (source.info.kind, source.info.bytes) == ("fifo", len(RAW))
    assert source.info.sha256 == hashlib.sha256(RAW).hexdigest()
    assert source.info.complete


@pytest.mark.parametrize("packer", [None, "gzip", "zstd"])
def test_standard_input(tmp_path: Path, packer: str | None) -> None:
    raw = subprocess.run([packer, "-c"], input=RAW, capture_output=True, check=True).stdout if packer else RAW
    script = (
        "import time; from rustnet.sources.files import open_source; s = open_source('-');"
        "n = sum(b.count for b in s.batches()); print(n, s.info.kind, s.info.format, s.info.sha256, s.info.complete)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        stdin = child.stdin
        child.stdin.write(raw[:3])
        child.stdin.flush()
        wait_until(lambda: drained(stdin))
        child.stdin.write(raw[3:])
        child.stdin.close()
        said = child.stdout.read().decode().split()
    form = f"pcap+{packer}" if packer else "pcap"
    assert said == ["3000", "stdin", form, hashlib.sha256(raw).hexdigest(), "True"]
    with (tmp_path / "x").open("wb") as file:
        file.write(raw)
    with (tmp_path / "x").open("rb") as file:
        done = subprocess.run([sys.executable, "-c", script], stdin=file, capture_output=True, check=True)
    assert done.stdout.decode().split() == said


def test_identity_and_hash(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(RAW)
    assert hash_file(str(path)) == hashlib.sha256(RAW).hexdigest()
    assert quick_identity(str(path)) == (len(RAW), hashlib.sha256(RAW[:65536]).hexdigest())
    path.write_bytes(b"")
    assert quick_identity(str(path)) == (0, hashlib.sha256(b"").hexdigest())
    os.mkfifo(tmp_path / "fifo")
    for bad in ("-", str(tmp_path / "fifo"), str(tmp_path), str(tmp_path / "missing")):
        with pytest.raises(InputError):
            quick_identity(bad)
    with pytest.raises(InputError):
        hash_file(str(tmp_path / "missing"))


def test_hasher_waits_and_ends() -> None:
    hasher = Hasher()
    tickets = [hasher.update(bytes([n]) * 100_000) for n in range(20)]
    hasher.wait(tickets[-1])
    assert hasher.finish() == hashlib.sha256(b"".join(bytes([n]) * 100_000 for n in range(20))).hexdigest()
    hasher.close()


def test_read_error_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(RAW)
    source = FileSource(str(path), buffer_bytes=65_536)
    stored = source._stored
    original = stored.readinto

    def failing(view: memoryview) -> int:
        if stored.position > 500_000:
            raise OSError(5, "Input/output error")
        return original(view)

    monkeypatch.setattr(stored, "readinto", failing)
    count = sum(frames.count for frames in source.batches())
    assert 0 < count < 3000
    assert kinds(source)[0] == "read_error"
    assert source.info.sha256 is None
    assert not source.info.complete


def test_reread_gives_the_same_packets(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(pcapng([50, 60]))
    again = reread(str(path))
    assert [p for frames in again.batches() for p in packets_of(frames)] == read(path)[0]
    assert again.info.sha256 is None
    assert again.info.complete
