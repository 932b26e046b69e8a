"""SMB 1: the names in transactions, in chains of commands and in those of old clients."""

import struct

import pytest

from rustnet.dissect.smb.parser import SMB
from rustnet.dissect.smb.session import Smb
from tests.dissect.harness import CLIENT, SERVER, Flow, rows
from tests.dissect.samples_domain import SMB1_TALK, nbss, smb1, wide

MOUNT = SMB1_TALK[4:6]
SHARE = "\\\\SRV\\C$"
NT_ERRORS, UNICODE = 0x4000, 0x8000


def message(command: int, words: bytes, content: bytes, mid: int, *, status: int = 0, tree: int = 8, user: int = 0,
            response: bool = False, unicode: bool = True) -> bytes:  # fmt: skip
    flags = NT_ERRORS | (UNICODE if unicode else 0)
    head = struct.pack("<4sBIBHH8sHHHHH", b"\xffSMB", command, status, 0x80 * response, flags, 0, bytes(8), 0, tree, 7,
                       user, mid)  # fmt: skip
    return nbss(head + bytes([len(words) // 2]) + words + struct.pack("<H", len(content)) + content)


def coded(name: str, unicode: bool) -> bytes:
    return wide(f"{name}\0") if unicode else name.encode("latin-1") + b"\0"


def transaction(command: int, setup: bytes, parameters: bytes, mid: int, data: bytes = b"", name: bytes = b"",
                unicode: bool = True) -> bytes:  # fmt: skip
    """A TRANSACTION or TRANSACTION2, with its parameters aligned to four bytes and its data after them."""
    begin = 32 + 1 + 28 + len(setup) + 2
    content = (bytes(begin & 1) if unicode else b"") + name
    content += bytes(-(begin + len(content)) % 4)
    at = begin + len(content)
    content += parameters
    content += bytes(-len(content) % 4)
    words = struct.pack("<HHHHBBHIHHHHHBB", len(parameters), len(data), 10, 0, 0, 0, 0, 0, 0, len(parameters), at,
                        len(data), begin + len(content), len(setup) // 2, 0) + setup  # fmt: skip
    return message(command, words, content + data, mid, unicode=unicode)


def answered(command: int, mid: int, status: int = 0, words: bytes = bytes(20)) -> bytes:
    return message(command, b"" if status else words, b"", mid, status=status, response=True)


def commands(*said: tuple[bool, bytes]) -> list[Smb]:
    mounted, *made = rows(Smb, SMB, *MOUNT, *said, transport="tcp")
    assert mounted.command == "TREE_CONNECT"
    return made


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize(
    ("name", "setup", "command"),
    [
        ("\\PIPE\\LANMAN", b"", "TRANSACTION"),
        ("\\PIPE\\lsarpc", struct.pack("<HH", 0x53, 0), "PIPE_WAIT"),
        ("\\PIPE\\spoolss", struct.pack("<HH", 0x54, 0), "TRANSACTION"),
        ("\\MAILSLOT\\NET\\NETLOGON", struct.pack("<HHH", 1, 0, 2), "TRANSACTION"),
    ],
)
def test_pipes_and_mailslots(name: str, setup: bytes, command: str, unicode: bool) -> None:
    asked = transaction(0x25, setup, b"", 3, b"content", coded(name, unicode), unicode)
    (row,) = commands((CLIENT, asked), (SERVER, answered(0x25, 3, 0xC00000AC)))
    assert (row.command, row.filename, row.share, row.result) == (command, name, SHARE, "PIPE_NOT_AVAILABLE")


def test_messages_of_an_open_pipe_are_no_rows() -> None:
    asked = transaction(0x25, struct.pack("<HH", 0x26, 0x4444), b"", 3, b"rpc", coded("\\PIPE\\", True))
    assert commands((CLIENT, asked), (SERVER, answered(0x25, 3))) == []


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize(
    ("subcommand", "before", "command", "column"),
    [
        (0, 28, "OPEN", "filename"),
        (1, 12, "QUERY_DIRECTORY", "pattern"),
        (5, 6, "QUERY_INFO", "filename"),
        (6, 6, "SET_INFO", "filename"),
        (13, 4, "CREATE_DIRECTORY", "filename"),
        (16, 2, "DFS_REFERRAL", "filename"),
    ],
)
def test_paths(subcommand: int, before: int, command: str, column: str, unicode: bool) -> None:
    asked = transaction(
        0x32, struct.pack("<H", subcommand), bytes(before) + coded("\\d\\a file.txt", unicode), 5, unicode=unicode
    )
    (row,) = commands((CLIENT, asked), (SERVER, answered(0x32, 5, 0xC0000034)))
    assert (row.command, getattr(row, column), row.result) == (command, "\\d\\a file.txt", "OBJECT_NAME_NOT_FOUND")


def test_paths_that_are_not_aligned() -> None:
    parameters = bytes(12) + coded("\\docs\\*", True)
    words = struct.pack("<HHHHBBHIHHHHHBBH", 28, 0, 10, 0, 0, 0, 0, 0, 0, 28, 65, 0, 0, 1, 0, 1)
    (row,) = commands((CLIENT, message(0x32, words, parameters, 5)))
    assert row.pattern == "\\docs\\*"


def test_an_interim_response_is_not_the_result() -> None:
    asked = transaction(0x32, b"\5\0", bytes(6) + coded("\\long", True), 5)
    made = commands((CLIENT, asked), (SERVER, answered(0x32, 5, words=b"")), (SERVER, answered(0x32, 5, 0xC0000022)))
    assert [(row.filename, row.result) for row in made] == [("\\long", "ACCESS_DENIED")]


def test_open_files_that_are_renamed_or_deleted() -> None:
    opened = SMB1_TALK[6:8]
    new = struct.pack("<III", 1, 0, 2 * len("new.txt")) + wide("new.txt")
    handle = b"\x33\x44"
    renamed = transaction(0x32, b"\x08\0", handle + struct.pack("<HH", 1010, 0), 20, new)
    deleted = transaction(0x32, b"\x08\0", handle + struct.pack("<HH", 0x102, 0), 21, b"\1")
    kept = transaction(0x32, b"\x08\0", handle + struct.pack("<HH", 0x102, 0), 22, b"\0")
    made = commands(*opened, (CLIENT, renamed), (SERVER, answered(0x32, 20)), (CLIENT, deleted), (CLIENT, kept))
    assert [(row.command, row.filename, row.new_name, row.result) for row in made[1:]] == [
        ("RENAME", "\\old.txt", "new.txt", "SUCCESS"), ("DELETE", "\\old.txt", None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("unicode", [True, False])
def test_a_transaction_that_creates(unicode: bool) -> None:
    name = coded("\\sub\\made.txt", unicode)[: -2 if unicode else -1]
    parameters = struct.pack("<IIIQIIIIIIIIB", 0, 0, 0x0001_0002, 0, 0, 7, 2, 0x1000, 0, 0, len(name), 2, 0)
    begin = 32 + 1 + 38 + 2
    at = begin + -begin % 4
    gap = bytes(at + len(parameters) & 1) if unicode else b""
    words = struct.pack("<BHIIIIIIIIBH", 0, 0, len(parameters), 0, 69, 0, len(parameters), at, 0, 0, 0, 1)
    asked = message(0xA0, words, bytes(at - begin) + parameters + gap + name + b"following", 9, unicode=unicode)
    granted = b"\0\0\x11\x22" + bytes(52) + struct.pack("<Q", 77) + bytes(5)
    reply = struct.pack("<3sIIIIIIIIB", b"", len(granted), 0, len(granted), 72, 0, 0, 0, 0, 0)
    write = message(0x2F, b"\xff\0\0\0\x11\x22" + bytes(14) + b"\x05\0" + bytes(2), b"hello", 10)
    made = commands(
        (CLIENT, asked), (SERVER, message(0xA0, reply, b"\0" + granted, 9, response=True)),
        (CLIENT, write), (CLIENT, message(0x04, b"\x11\x22" + bytes(4), b"", 11)),
    )  # fmt: skip
    created, closed = made
    assert (created.command, created.filename, created.size) == ("CREATE", "\\sub\\made.txt", 77)
    assert (created.disposition, created.access, created.delete_on_close) == ("create", "write,delete", True)
    assert (closed.command, closed.filename, closed.bytes_written) == ("CLOSE", "\\sub\\made.txt", 5)


def chained(first: int, words: bytes, content: bytes, second: int, more: bytes, tail: bytes, **kinds: int) -> bytes:
    """Two commands in one message; the first one's words lack the four bytes that point to the second."""
    size = 32 + 1 + 4 + len(words) + 2 + len(content)
    lead = bytes([second, 0]) + struct.pack("<H", size) + words
    whole = message(first, lead, content, kinds["mid"], response=bool(kinds.get("response")), tree=kinds["tree"])
    return nbss(whole[4:] + bytes([len(more) // 2]) + more + struct.pack("<H", len(tail)) + tail)


def test_a_share_in_a_chain() -> None:
    words = struct.pack("<HHHIHHII", 4356, 10, 0, 0, 0, 0, 0, 0)
    asked = chained(
        0x73, words, b"\0" + wide("JANE\0OFFICE\0W\0X\0"), 0x75, b"\xff\0\0\0\0\0\1\0", b"\0" + wide("\\\\SRV\\D\0"),
        mid=2, tree=0xFFFF,
    )  # fmt: skip
    reply = chained(0x73, b"\0\0", b"\0" + wide("Samba\0"), 0x75, b"\xff\0\0\0\0\0", b"A:\0", mid=2, tree=3, response=1)
    made = rows(Smb, SMB, (CLIENT, asked), (SERVER, reply), transport="tcp")
    assert [(row.command, row.username, row.share, row.tree_id) for row in made] == [
        ("SESSION_SETUP", "JANE", None, None), ("TREE_CONNECT", None, "\\\\SRV\\D", 3),
    ]  # fmt: skip


def test_a_file_that_is_opened_and_read_in_a_chain() -> None:
    name = wide("\\in chain\0")
    words = b"\0" + struct.pack("<HIIIQIIIIIB", len(name), 0, 0, 1, 0, 0, 7, 1, 0, 2, 0)
    read = b"\xff\0\0\0\0\0" + bytes(18)
    asked = chained(0xA2, words, b"\0" + name, 0x2E, read, b"", mid=4, tree=8)
    opened = b"\0\x33\x44" + bytes(48) + struct.pack("<Q", 12) + bytes(5)
    reply = chained(0xA2, opened, b"", 0x2E, b"\xff\0\0\0" + bytes(6) + struct.pack("<HHH", 12, 0, 0) + bytes(8),
                    b"123456789012", mid=4, tree=8, response=1)  # fmt: skip
    made = commands((CLIENT, asked), (SERVER, reply))
    assert [(row.command, row.filename, row.bytes_read) for row in made] == [
        ("CREATE", "\\in chain", None), ("CLOSE", "\\in chain", 12),
    ]  # fmt: skip


def test_old_commands() -> None:
    made = commands(
        (CLIENT, smb1(0x81, bytes(4), b"\4\\*.EXE\0\5\0\0", 20, tree=8)),
        (SERVER, smb1(0x81, bytes(2), b"", 20, True, 8)),
        (CLIENT, smb1(0x81, bytes(4), b"\4\0\5\x15\0" + bytes(21), 21, tree=8)),
        (CLIENT, smb1(0xA5, bytes(8), b"\4\\a\0\4\\b\0", 22, tree=8)),
        (CLIENT, smb1(0x0F, bytes(6), b"\4\\new\0", 23, tree=8)), (SERVER, smb1(0x0F, b"\x09\0", b"", 23, True, 8)),
        (CLIENT, smb1(0x0B, b"\x09\0\x03\0" + bytes(6), b"\1\3\0abc", 24, tree=8)),
        (SERVER, smb1(0x0B, b"\x03\0", b"", 24, True, 8)),
        (CLIENT, smb1(0x0A, b"\x09\0\x03\0" + bytes(6), b"", 25, tree=8)),
        (SERVER, smb1(0x0A, b"\x02\0" + bytes(8), b"\1\2\0ab", 25, True, 8)),
    )  # fmt: skip
    assert [(r.command, r.pattern, r.filename, r.new_name, r.bytes_read, r.bytes_written) for r in made] == [
        ("QUERY_DIRECTORY", "\\*.EXE", None, None, None, None), ("CREATE", None, "\\new", None, None, None),
        ("RENAME", None, "\\a", "\\b", None, None), ("CLOSE", None, "\\new", None, 2, 3),
    ]  # fmt: skip


def test_the_password_of_an_old_share_is_not_kept() -> None:
    asked = smb1(0x70, b"", b"\4\\\\SRV\\TOP\0\4S3cretPw\0\4A:\0", 2)
    flow = Flow(SMB)
    flow.feed(asked, CLIENT)
    flow.feed(smb1(0x70, b"\0\x10\x07\0", b"", 2, True), SERVER)
    flow.feed(smb1(0x06, b"\0\0", b"\4\\S3cretPw.txt\0", 3, tree=7), CLIENT)
    flow.close()
    connected, deleted = (row for row in flow.rows if isinstance(row, Smb))
    assert (connected.share, connected.tree_id, deleted.share) == ("\\\\SRV\\TOP", 7, "\\\\SRV\\TOP")
    assert "S3cretPw" not in repr([getattr(row, n) for row in flow.rows for n in row.__slots__])  # type: ignore[attr-defined]


def test_names_whose_end_was_not_captured() -> None:
    flow = Flow(SMB)
    for unicode in (True, False):
        asked = message(0x06, b"\0\0", b"\4" + coded("\\a long name.txt", unicode), 5, unicode=unicode)
        flow.parser.cut(asked[:-6], CLIENT)
    flow.close()
    assert [row.filename for row in flow.rows if isinstance(row, Smb)] == [None, None]
