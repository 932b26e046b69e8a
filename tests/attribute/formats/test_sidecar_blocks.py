"""The quick way through a sidecar says what the slow way says, line by line, whatever the lines are."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.attribute.formats import sidecar_blocks
from rustnet.attribute.formats.rustnet_sidecar import RustnetSidecar
from rustnet.attribute.formats.scan import Scanner
from rustnet.attribute.formats.sidecar_line import MAX_LINE, PROCESS_KEYS, LineParser
from rustnet.attribute.observation import Batch, Faults, ProcessFacts
from rustnet.attribute.values import parse_time
from rustnet.errors import InputError
from tests.support.effort import examples
from tests.support.paths import SAMPLES
from tests.support.uncompiled import RUNS_PURE, PureTree


def flat(batches: list[Batch]) -> list[tuple[Any, ...]]:
    """Observations in the order of their lines, as rows of plain values, each with all that is said of its process."""
    rows: list[tuple[Any, ...]] = []
    for batch in batches:
        if not len(batch):
            continue
        columns, facts = batch.columns(), batch.facts()
        people = (
            list(zip(*(facts[name].tolist() for name in ("fact", *ProcessFacts._fields)), strict=True)) if facts else []
        )
        numbers = {one[0]: one[1:] for one in people}
        names = sorted(set(columns) - {"fact"})
        for fact, *values in zip(*(columns[name].tolist() for name in ("fact", *names)), strict=True):
            place = values[names.index("position")]
            rows.append((place, numbers.get(fact), batch.source, batch.origin, batch.host, *values))
    return sorted(rows, key=lambda row: row[0])


def both(path: Path) -> tuple[list[tuple[Any, ...]], RustnetSidecar]:
    """What a file says, after a check that both ways agree in everything, failures too."""
    slow, quick = RustnetSidecar(path, "h"), RustnetSidecar(path, "h")
    said: list[list[tuple[Any, ...]]] = []
    errors: list[str] = []
    for read in (slow.batches, quick.blocks):
        kept: list[Batch] = []
        try:
            kept.extend(read())
        except InputError as error:
            errors.append(str(error))
        said.append(flat(kept))
    assert said[0] == said[1]
    assert len(errors) in {0, 2}
    assert len(set(errors)) <= 1
    assert (slow.records, slow.faults) == (quick.records, quick.faults)
    return said[1], quick


def write(folder: Path, *lines: dict[str, Any] | bytes) -> Path:
    path = folder / "x.connections.jsonl"
    path.write_bytes(b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines))
    return path


def test_regular_lines_are_scanned(tmp_path: Path, record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [record(f"10.0.0.1:{port}", begin=port, end=port + 1, pid=port % 3) for port in range(1, 500)]
    path = write(tmp_path, *lines, record("[2001:db8::1]:9", "[::ffff:1.2.3.4]:443", name="é"), b"")
    taken: list[int] = []

    def unscanned_lines(self: object, data: bytes, spans: list[int]) -> Iterator[bytes]:
        taken.extend(spans)
        return iter(())

    monkeypatch.setattr(sidecar_blocks.Blocks, "unscanned_lines", unscanned_lines)
    batches = list(RustnetSidecar(path).blocks())
    assert [len(batch) for batch in batches] == [500]
    assert taken == []
    assert len(batches[0].facts()["fact"]) == 4


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.connections.jsonl")), ids=lambda path: path.name)
def test_samples(path: Path) -> None:
    said, reader = both(path)
    assert said
    assert len({row[0] for row in said}) == reader.records  # one line may state several things


ODD: list[Any] = [
    {"pid": "7"},
    {"pid": True},
    {"pid": 1.0},
    {"pid": -1},
    {"pid": 10**30},
    {"pid": ...},
    {"process_name": 5},
    {"local_addr": "0.0.0.0:5"},
    {"local_addr": "10.0.0.1:0"},
    {"local_addr": "10.0.0.1:00443"},
    {"remote_addr": "[::]:0"},
    {"remote_addr": "0.0.0.0:0", "attribution_match": "listener-socket"},
    {"local_addr": "10.0.0.01:5"},
    {"local_addr": "10.0.0.256:5"},
    {"local_addr": "10.0.0.1:65536"},
    {"local_addr": "x"},
    {"local_addr": None},
    {"local_addr": "[fe80::1%eth0]:5"},
    {"local_addr": "[10.0.0.1]:5"},
    {"local_addr": "10.0.0.1.5:5"},
    {"local_addr": ...},
    {"local_addr": "10.0.0.1:5 "},
    {"local_addr": "10.0.0:5"},
    {"local_addr": "::1:5"},
    {"protocol": "ICMP", "icmp_id": 5},
    {"protocol": "RAW", "ip_protocol": 89},
    {"protocol": "sctp"},
    {"protocol": 5},
    {"protocol": ...},
    {"protocol": "\u00e9"},
    {"first_seen": ...},
    {"first_seen": None},
    {"last_seen": None},
    {"first_seen": "2026-06-01T12:00:00Z"},
    {"first_seen": 1780000000},
    {"first_seen": {"secs_since_epoch": 5}},
    {"first_seen": {"secs_since_epoch": 5, "nanos_since_epoch": 10**9}},
    {"first_seen": {"secs_since_epoch": "5"}},
    {"first_seen": {"secs_since_epoch": 10**10, "nanos_since_epoch": 0}},
    {"first_seen": []},
    {"last_seen": {}},
    {"first_seen": {"secs_since_epoch": 5, "nanos_since_epoch": 1, "x": 1}},
    {"first_seen": {"secs_since_epoch": 1780000099, "nanos_since_epoch": 1}},
    {"timestamp": ...},
    {"timestamp": None},
    {"timestamp": "2026-02-29T00:00:00Z"},
    {"timestamp": "2028-02-29T00:00:00Z"},
    {"timestamp": "2028-03-01T23:59:59.9Z"},
    {"timestamp": "2026-06-01T12:00:00+02:00"},
    {"timestamp": "2026-06-01"},
    {"timestamp": "2026-06-01T12:00:00.1234567891Z"},
    {"timestamp": "2026-06-01T24:00:00Z"},
    {"timestamp": 5},
    {"timestamp": "2026-06-01T12:00:00.Z"},
    {"timestamp": "2026-06-01t12:00:00Z"},
    {"timestamp": "1999-12-31T23:59:59Z"},
    {"process_name": "\ud800"},
    {"process_name": 'a"b\\c\u2028'},
    {"process_name": "x" * 5000},
    {"attribution_match": "x" * 100},
    {"attribution_match": 5},
    {"host": "other"},
    {"host": 5},
    {"recorder": "rustnet-record/1"},
    {"process_lineage": {"ancestors": [{"pid": 1, "name": "init"}], "truncated": True}},
    {"process_lineage": 7},
    {"kubernetes": {"pod_name": "p"}},
    {"kubernetes": []},
    {"nat_local_addr": "1.2.3.4:5"},
    {"started_at": {"secs_since_epoch": 5}},
    {"unknown": {"deep": [[[[[[[[[[[[[[1]]]]]]]]]]]]]]}},
    {"unknown": [1, -2.5e-7, 0, True, None, "x", {}, []]},
    b"",
    b"   ",
    b"\x0b",
    b"{}",
    b"[]",
    b"nul",
    b'"x"',
    b"{",
    b"\xff{}",
    b'{"a":1,}',
    b'{"a":01}',
    b'{"a":NaN}',
    b'{"a":.5}',
    b'{"a" 1}',
    b'{"a":1 "b":2}',
    b'{"a":"\x01"}',
    b'{"a":"\\x"}',
    b'{"a":"\\u12"}',
    b'{"a":tru}',
    b'{"a":[1,]}',
    b'{"a":{"b"}}',
    b'{"a":1}x',
    b'{"a":-}',
    b'{"a":1.}',
    b'{"a":1e}',
    b"x" * (MAX_LINE + 5),
]


@pytest.mark.parametrize("change", ODD, ids=range(len(ODD)))
def test_irregular_lines(tmp_path: Path, record: Any, change: Any) -> None:
    lines = [record(f"10.0.0.1:{port}") for port in range(1, 9)]
    if isinstance(change, bytes):
        odd: dict[str, Any] | bytes = change
    else:
        odd = {key: value for key, value in (record() | change).items() if value is not ...}
    said, _ = both(write(tmp_path, *lines[:4], odd, *lines[4:], odd))
    assert len(said) >= 8
    both(write(tmp_path, odd))


@pytest.mark.parametrize("key", [*sidecar_blocks.KEPT, *sidecar_blocks.UNFIT, "local_addr", "first_seen", "timestamp"])
def test_repeated_keys(tmp_path: Path, record: Any, key: str) -> None:
    line = json.dumps(record())
    first, again = json.dumps({key: record().get(key, 3)}), json.dumps({key: "2026-06-01T12:00:00Z"})
    both(write(tmp_path, (line[:-1] + "," + first[1:-1] + "," + again[1:]).encode(), line.encode()))


def test_a_byte_order_mark_and_carriage_returns(tmp_path: Path, record: Any) -> None:
    line = json.dumps(record()).encode()
    said, reader = both(write(tmp_path, b"\xef\xbb\xbf" + line + b"\r", b"\r", b" \t" + line + b" \r", line))
    assert (len(said), reader.faults.bad) == (3, 0)


def test_small_blocks_change_nothing(tmp_path: Path, record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar_blocks, "BLOCK", 700)
    monkeypatch.setattr(sidecar_blocks, "ROWS", 3)
    monkeypatch.setattr(sidecar_blocks, "_MEMORY", 2)
    lines: list[Any] = [record(f"10.0.0.1:{port}", pid=port % 7) for port in range(1, 60)]
    lines[10:10] = [b"x" * 3000, b"", record("0.0.0.0:5")]
    said, reader = both(write(tmp_path, *lines))
    assert (len(said), reader.records, reader.faults.bad) == (60, 60, 1)


@settings(max_examples=examples(300))
@given(seed=st.integers(0, 2**32), places=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6))
def test_damaged_bytes(tmp_path_factory: pytest.TempPathFactory, seed: int, places: list[tuple[int, int]]) -> None:
    data = bytearray((SAMPLES / "contested.pcap.connections.jsonl").read_bytes()[:5000])
    source = random.Random(seed)
    for place, byte in places:
        data[place % len(data)] = byte
    if source.random() < 0.3:
        start = source.randrange(len(data))
        del data[start : start + source.randrange(40)]
    path = tmp_path_factory.mktemp("damaged") / "x.connections.jsonl"
    path.write_bytes(data)
    both(path)


def test_times_agree_with_parse_time() -> None:
    scanner = Scanner((), (), 4)
    source = random.Random(5)
    for _ in range(2000):
        text = (
            f"{source.randrange(1971, 2100)}-{source.randrange(1, 13):02}-{source.randrange(1, 32):02}T"
            f"{source.randrange(24):02}:{source.randrange(60):02}:{source.randrange(60):02}.{source.randrange(1000)}Z"
        )
        ends = ",".join(f'"{side}_addr":"10.0.0.1:1"' for side in ("local", "remote"))
        seen = ",".join(f'"{which}_seen":{{"secs_since_epoch":1,"nanos_since_epoch":2}}' for which in ("first", "last"))
        scanner.attach(f'{{{ends},{seen},"timestamp":"{text}"}}'.encode())
        scanner.scan(1)
        if scanner.count:
            assert scanner.columns["written"][0] == parse_time(text)
        else:
            assert text[8:10] in {"29", "30", "31"}


def test_the_scanner_knows_every_key_that_is_read(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    class Asked(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.add(key)
            return super().get(key, default)

    for protocol in ("TCP", "ICMP", "RAW"):
        monkeypatch.setattr(
            "rustnet.attribute.formats.sidecar_line.json_object", lambda _, p=protocol: Asked(record(protocol=p))
        )
        LineParser(Faults()).parse(b"", 1)
    ends = {"local_addr", "remote_addr", "first_seen", "last_seen", "timestamp"}
    assert asked - ends <= {*sidecar_blocks.KEPT, *sidecar_blocks.UNFIT}
    assert {*PROCESS_KEYS} <= {*sidecar_blocks.KEPT}


@pytest.mark.skipif(RUNS_PURE, reason="this is the uncompiled run")
def test_the_same_uncompiled(pure_tree: PureTree) -> None:
    pure_tree.run_tests("attribute", "-k", "sidecar_blocks and not samples and not damaged")
