"""The leak scan: planted originals in every table, kind, form and format are reported, and nothing else is."""

import base64
import gzip
import json
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from rustnet.export import redacted_session, signatures
from rustnet.export.leaks import Findings, examine, findings
from rustnet.export.leaks.originals import Originals
from rustnet.export.leaks.sought import SOUGHT
from rustnet.policy.redaction import POLICIES, Redactor, key_of_passphrase
from rustnet.query.session import Session, open_session
from rustnet.records import Kind
from rustnet.store.meanings import FACT_VALUE, kind_of
from rustnet.store.schema import VIEWS, quote_identifier
from tests.support import filled
from tests.support.paths import SAMPLES
from tests.support.sessions import replay

V4, V6, CARD = "81.7.19.5", "2a03:2880:f12f:83:face:b00c:0:25de", "00:1b:21:7c:5d:3e"
HOST, USER, PATH = "qzsecret.qzcompany.example", "qzperson", "/home/qzperson/qzplans.txt"
UMLAUT = "qzmüllerhaus"


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(key_of_passphrase("a phrase for tests"), POLICIES["share"])


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session with a value in each column of each table, and some of well-known forms."""
    path = tmp_path_factory.mktemp("leaks") / "s.duckdb"
    filled.write_filled(path)
    with duckdb.connect(str(path)) as con:
        con.execute(f"UPDATE names SET ip = '{V4}', name = '{HOST}' WHERE rowid = 0")
        con.execute(f"UPDATE arp SET sender_ip = '{V4}', sender_mac = '{CARD}' WHERE rowid = 0")
        con.execute(f"UPDATE flows_ended SET dst_ip = '{V6}' WHERE rowid = 0")
        con.execute(f"UPDATE processes SET username = '{USER}', exe = '{PATH}', name = '{UMLAUT}' WHERE rowid = 0")
    with open_session(path) as reader:
        yield reader


@pytest.fixture(scope="module")
def clean(session: Session, redactor: Redactor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its redacted copy."""
    path = tmp_path_factory.mktemp("clean") / "session.duckdb"
    redacted_session.copy(session, path, redactor)
    return path


@pytest.fixture(scope="module")
def looked(session: Session, redactor: Redactor) -> Callable[[Path], Findings]:
    return lambda folder: examine(session, folder, redactor)


def test_every_kind_has_an_entry() -> None:
    """A new kind has to say what is looked for of its values."""
    assert set(SOUGHT) == set(Kind)


def test_redacted_copy_is_clean(clean: Path, looked: Callable[[Path], Findings]) -> None:
    result = looked(clean.parent)
    assert result.leaks == []
    assert result.undecided == []
    assert result.unread == []
    assert result.sought > 1_000


def test_every_column_of_every_table(
    session: Session, redactor: Redactor, clean: Path, looked: Callable[[Path], Findings], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The original of the first row in each column that the policy replaces is reported, with its place."""
    monkeypatch.setattr(findings, "MOST", 100_000)
    target = tmp_path / "session.duckdb"
    shutil.copy(clean, target)
    planted: set[str] = set()
    kinds: set[Kind] = set()
    with duckdb.connect(str(target)) as con:
        for table, columns in session.columns().items():
            if table in VIEWS or table in ("meta", "migrations"):
                continue
            changed = dict(_replaced(session, con, table, columns))
            if changed:
                sets = ", ".join(f"{quote_identifier(name)} = ?" for name in changed)
                con.execute(f"UPDATE {table} SET {sets} WHERE rowid = 0", list(changed.values()))
            for name in changed:
                planted.add(f"{table}.{name}")
                kinds.add(kind_of(table, name) or Kind.MIXED)
    assert len(planted) > 500
    replaced = {kind for kind, part in SOUGHT.items() if part is not None}
    assert kinds >= replaced - {Kind.FINGERPRINT, Kind.PLACE}  # which stay under this policy
    places = {leak.place for leak in looked(tmp_path).leaks}
    assert planted - places == set()


def _replaced(session: Session, con: Any, table: str, columns: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Columns whose first value was replaced, with the original."""
    for column, sql_type in columns.items():
        if sql_type.startswith(("TIMESTAMP", "BOOLEAN", "DOUBLE")) or (table, column) == FACT_VALUE:
            continue
        sql = f"SELECT {quote_identifier(column)} FROM {table} LIMIT 1"
        before, after = session.execute_own(sql).rows, con.execute(sql).fetchall()
        if before and before[0][0] != after[0][0]:
            yield column, before[0][0]


NUMBER4, NUMBER6 = int(ip_address(V4)), int(ip_address(V6))
FORMS: dict[str, str] = {
    "IPv4": f"from {V4} on",
    "IPv4 in a URL": f"http://{V4}:8080/",
    "IPv4 mapped": f"::ffff:{V4}",
    "IPv4 mapped, hexadecimal": f"::ffff:{NUMBER4 >> 16:x}:{NUMBER4 & 0xFFFF:x}",
    "IPv4 of NAT64": f"64:ff9b::{NUMBER4 >> 16:x}:{NUMBER4 & 0xFFFF:x}",
    "IPv4 of 6to4": f"2002:{NUMBER4 >> 16:x}:{NUMBER4 & 0xFFFF:x}::1",
    "IPv4 mapped as a number": str(0xFFFF << 32 | NUMBER4),
    "IPv4 reversed": "5.19.7.81.in-addr.arpa",
    "IPv6": V6,
    "IPv6 in capitals": V6.upper(),
    "IPv6 expanded": ip_address(V6).exploded,
    "IPv6 in a URL": f"https://[{V6}]/",
    "IPv6 with a zone": f"{V6}%eth0",
    "IPv6 as a number": str(NUMBER6),
    "IPv6 in hexadecimal": f"{NUMBER6:032x}",
    "IPv6 reversed": ip_address(V6).reverse_pointer,
    "hardware address": CARD,
    "hardware address in capitals": CARD.upper(),
    "hardware address with hyphens": CARD.replace(":", "-"),
    "hardware address with dots": "001b.217c.5d3e",
    "hardware address alone": CARD.replace(":", ""),
    "hardware address within IPv6": "fe80::21b:21ff:fe7c:5d3e",
    "host": HOST,
    "host in capitals": HOST.upper(),
    "one label": "see qzcompany for more",
    "label between others": "my-qzsecret-x",
    "percent-encoded": "a%20" + "".join(f"%{byte:02X}" for byte in b"qzperson"),
    "percent-encoded twice": urllib.parse.quote("".join(f"%{byte:02x}" for byte in b"qzperson")),
    "letters of HTML": "".join(f"&#{byte};" for byte in b"qzperson"),
    "escaped for JSON": "".join(f"\\u{byte:04x}" for byte in b"qzperson"),
    "backslashes": "C:\\\\Users\\\\qzperson\\\\x",
    "Base64": base64.b64encode(b"user=qzperson;x=1").decode(),
    "Base64 at another position": base64.b64encode(b"zuser=qzperson;x=1").decode(),
    "Base64 of UTF-16": base64.b64encode("qzperson".encode("utf-16-le")).decode(),
    "hexadecimal text": b"<qzperson>".hex(),
    "punycode": "xn--qzmllerhaus-vhb",
    "other letters": UMLAUT.upper(),
    "path": PATH,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, looked: Callable[[Path], Findings], forms: dict[str, set[int]]) -> None:
    """Each form is reported, in a file of text."""
    assert forms[form], form


@pytest.fixture(scope="module")
def forms(looked: Callable[[Path], Findings], tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[int]]:
    """Rows of leaks for each form."""
    folder = tmp_path_factory.mktemp("forms")
    for at, text in enumerate(FORMS.values()):
        (folder / f"{at}.log").write_text(f"first line\n{text}\n")
    (folder / "none.log").write_text(
        "first line 10.1.1.1 h-k2m4n6p8.example user-k2m4n6p8 81.7.19.50 2a03::5 127.0.0.1\n"
    )
    leaks = looked(folder).leaks
    assert {leak.row for leak in leaks} == {2}
    assert not any(leak.file == "none.log" for leak in leaks)
    return {form: {leak.row or 0 for leak in leaks if leak.file == f"{at}.log"} for at, form in enumerate(FORMS)}


BYTES: dict[str, bytes] = {
    "IPv6": ip_address(V6).packed,
    "IPv6, last byte first": ip_address(V6).packed[::-1],
    "IPv4 mapped": ip_address(f"::ffff:{V4}").packed,
    "IPv4 mapped, last byte first": ip_address(f"::ffff:{V4}").packed[::-1],
    "hardware address": bytes.fromhex(CARD.replace(":", "")),
    "labels with lengths": b"\x08qzsecret\x09qzcompany\x07example\0",
    "UTF-16": "qzperson".encode("utf-16-le"),
    "text without limits": b"xyqzcompanyxy",
}


@pytest.mark.parametrize("form", BYTES)
def test_bytes(form: str, looked: Callable[[Path], Findings], tmp_path: Path) -> None:
    """Each form is reported with its offset, in a file of unknown format, which is said to be one."""
    (tmp_path / "x.bin").write_bytes(bytes(range(1, 200)) + BYTES[form] + bytes(range(200, 256)))
    result = looked(tmp_path)
    assert result.leaks
    assert all(leak.offset is not None and 180 <= leak.offset <= 230 for leak in result.leaks), result.leaks
    assert [name for name, _reason in result.unread] == ["x.bin"]


def _parquet(path: Path) -> None:
    select = f"SELECT '{HOST}' AS hostname, '{V4}' AS src_ip"
    duckdb.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def _database(path: Path) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE other (a INTEGER, b STRUCT(c VARCHAR[]))")
        con.execute(f"INSERT INTO other SELECT range, {{'c': ['x', '{HOST}']}} FROM range(3000)")


FILES: dict[str, Callable[[Path], object]] = {
    "flows.csv": lambda path: path.write_text(f"flow_id,hostname\n1,{HOST}\n"),
    "flows.jsonl": lambda path: path.write_text(json.dumps({"flow_id": 1, "hostname": HOST}) + "\n"),
    "flows.parquet": _parquet,
    "other.duckdb": _database,
    "eve.json": lambda path: path.write_text(json.dumps({"dns": {"rrname": HOST}}) + "\n"),
    "http.har": lambda path: path.write_text(json.dumps({"log": {"entries": [{"url": f"http://{HOST}/"}]}})),
    "conn.log": lambda path: path.write_text(f"#fields\tts\tid.orig_h\n1.0\t{V4}\t{HOST}\n"),
    "report.html": lambda path: path.write_text(f"<html><td title='{HOST}'>x</td></html>"),
    "flows.csv.gz": lambda path: path.write_bytes(gzip.compress(f"flow_id,hostname\n1,{HOST}\n".encode())),
    "x.log.zst": lambda path: path.write_bytes(zstandard.compress(HOST.encode())),
    "qzcompany.log": lambda path: path.write_text("nothing"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files(name: str, looked: Callable[[Path], Findings], tmp_path: Path) -> None:
    """An original is reported in a file of each format."""
    (tmp_path / "part").mkdir()
    FILES[name](tmp_path / "part" / name)
    result = looked(tmp_path)
    assert result.leaks
    assert {leak.file for leak in result.leaks} == {f"part/{name}"}
    assert result.unread == []


def test_deleted_rows(looked: Callable[[Path], Findings], clean: Path, tmp_path: Path) -> None:
    """What a database still has in blocks that no statement reaches is reported."""
    target = tmp_path / "session.duckdb"
    with duckdb.connect(str(target)) as con:
        con.execute(f"CREATE TABLE t AS SELECT range AS a, '{HOST}' || range AS b FROM range(20000)")
        con.execute("CHECKPOINT")
        con.execute("DROP TABLE t")
        con.execute("CREATE TABLE u AS SELECT 1 AS a")
    assert any(leak.offset for leak in looked(tmp_path).leaks)


@pytest.mark.parametrize("name", ["web.pcap"])
@pytest.mark.parametrize("policy", ["share", "strict"])
def test_samples(name: str, policy: str, tmp_path: Path) -> None:
    """No false alarm on a redacted session, and the capture itself is full of leaks."""
    replay(tmp_path / "s.duckdb", SAMPLES / name)
    redactor = Redactor(key_of_passphrase("a phrase for tests"), POLICIES[policy])
    (tmp_path / "out").mkdir()
    with open_session(tmp_path / "s.duckdb") as reader:
        redacted_session.copy(reader, tmp_path / "out" / "session.duckdb", redactor)
        result = examine(reader, tmp_path / "out", redactor)
        assert result.leaks == []
        assert result.undecided == []
        without_key = examine(reader, tmp_path / "out", redactor, known_key=False)
        assert without_key.leaks == []
        shutil.copy(SAMPLES / name, tmp_path / "out" / "copy.pcap")
        places = {leak.place for leak in examine(reader, tmp_path / "out", redactor).leaks}
        assert {"flows_ended.src_ip", "dns.query", "arp.sender_mac", "http.host", ""} <= places
        shutil.copy(tmp_path / "s.duckdb", tmp_path / "out" / "session.duckdb")
        (tmp_path / "out" / "copy.pcap").unlink()
        places = {leak.place for leak in examine(reader, tmp_path / "out", redactor, known_key=False).leaks}
        assert {"flows_ended.src_ip", "dns.query"} <= places


KEPT, SYSTEM = "Apple, Inc.", "Apple Inc"
SLOT = r"\MAILSLOT\BROWSE"
DOCUMENTED = ("organisation", "enterprises", "192.0.2.1")
"""Words, parts of words, and an address that the program's own descriptions have."""


@pytest.fixture(scope="module")
def own_words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session whose originals are also words of vendors, and of the program's descriptions."""
    path = tmp_path_factory.mktemp("words") / "s.duckdb"
    filled.write_filled(path)
    with duckdb.connect(str(path)) as con:
        con.execute(f"UPDATE flows_ended SET dst_as_name = '{SYSTEM}' WHERE rowid = 0")
        con.execute("UPDATE flows_ended SET dst_as_name = 'Cisco Security' WHERE rowid = 1")
        con.execute(f"UPDATE host_facts SET value = '{KEPT}', fact = 'vendor', source = 'ieee' WHERE rowid = 0")
        for row, word in enumerate(DOCUMENTED):
            con.execute(f"UPDATE names SET name = '{word}' WHERE rowid = {row}")
        con.execute(f"UPDATE processes SET username = '{USER}', exe = '{SLOT}' WHERE rowid = 0")
    with open_session(path) as reader:
        yield reader


def test_vendors_stay(own_words: Session, redactor: Redactor, tmp_path: Path) -> None:
    """The name of an autonomous system that is also a vendor's is no leak; another one is."""
    (tmp_path / "x.log").write_text(f"{KEPT}\nsent by cisco security today\n")
    assert {leak.value for leak in examine(own_words, tmp_path, redactor).leaks} == {"cisco security"}


@pytest.mark.parametrize("name", ["redaction.json", "schema.json"])
def test_descriptions(name: str, own_words: Session, redactor: Redactor, tmp_path: Path) -> None:
    """Words of the program's own descriptions are no leaks in the files that have them, other words are."""
    (tmp_path / name).write_text(json.dumps({"meaning": ["organisations", "enterpriseSpecific", "192.0.2.1", SLOT]}))
    assert examine(own_words, tmp_path, redactor).leaks == []
    (tmp_path / name).write_text(json.dumps({"meaning": ["organisations", f"of {USER}"]}))
    assert {leak.value for leak in examine(own_words, tmp_path, redactor).leaks} == {USER}
    (tmp_path / name).unlink()
    (tmp_path / "x.log").write_text("organisation\n192.0.2.1\n" + SLOT)
    strict = Redactor(key_of_passphrase("a phrase for tests"), POLICIES["strict"])
    values = {leak.value for leak in examine(own_words, tmp_path, strict).leaks}
    assert values == {"organisation", "192.0.2.1", "mailslot browse"}
    (tmp_path / "x.log").unlink()
    (tmp_path / name).write_text(json.dumps({"meaning": SLOT}))
    assert examine(own_words, tmp_path, strict).leaks == []


def test_signature(looked: Callable[[Path], Findings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A valid signature is not searched; what else has its name is."""
    monkeypatch.setattr(signatures, "NAMESPACE", USER.encode())
    key = signatures.SigningKey.of_file(tmp_path / "key")
    (tmp_path / "out").mkdir()
    manifest, signature = tmp_path / "out" / "manifest.json", tmp_path / "out" / "manifest.json.sig"
    manifest.write_text("{}")
    signature.write_bytes(key.sign(b"{}"))
    assert looked(tmp_path / "out").leaks == []
    manifest.write_text("{ }")
    assert {leak.file for leak in looked(tmp_path / "out").leaks} == {"manifest.json.sig"}


@pytest.mark.parametrize("written", ["192.168.001.005", "at 192.168.001.005:80", "v192.168.001.005"])
def test_addresses_with_zeros(written: str, redactor: Redactor) -> None:
    """An address with zeros before its numbers is replaced in texts, as the same one without them."""
    shown = redactor.value(Kind.FREE_TEXT, written)
    assert "168.001" not in shown
    if not written.startswith("v"):
        assert redactor.value(Kind.ADDRESS, "192.168.1.5") in shown


def test_types_of_distinguished_names(redactor: Redactor) -> None:
    """An object identifier in the place of a type is no address; an address in a value is one."""
    originals = Originals(redactor)
    originals.add(Kind.DISTINGUISHED_NAME, f"2.5.4.15=Private Organization,CN={V4},2.5.4.5=x", "subject")
    originals.seal()
    assert not originals.has_address(int(ip_address("2.5.4.15")), is_v4=True)
    assert not originals.has_address(int(ip_address("2.5.4.5")), is_v4=True)
    assert originals.has_address(int(ip_address(V4)), is_v4=True)


def test_versions(redactor: Redactor) -> None:
    """The beginning of a version that stays is no original; another word of the same text is one."""
    originals = Originals(redactor)
    originals.add(Kind.SOFTWARE, "qzplayer (LIVE555 Streaming Media v2016.07.19)")
    originals.seal()
    assert hash("v2016") not in originals.words
    assert hash("qzplayer") in originals.words


def test_identifiers_of_zeros(redactor: Redactor) -> None:
    """An identifier of zeros means that there is none."""
    originals = Originals(redactor)
    originals.add(Kind.IDENTIFIER, "00000000")
    assert originals.count == 0
    originals.add(Kind.IDENTIFIER, "00000010")
    assert originals.count == 1
