"""SMB 2 and 3: compounded, asynchronous and failed requests, and those of which a side is missing."""

import struct

import pytest

from rustnet.dissect.smb.parser import MAX_ENCRYPTED, SMB
from rustnet.dissect.smb.session import MAX_FILES, Smb
from tests.dissect.harness import CLIENT, SERVER, Flow, rows
from tests.dissect.samples_domain import (
    HANDLE,
    LISTING,
    SMB2_TALK,
    compound,
    nbss,
    ntlm_authenticate,
    ntlm_challenge,
    setup,
    setup_answer,
    smb2,
    smb2_create,
    smb2_opened,
    smb2_part,
    wide,
)

CREATE, CLOSE, READ, WRITE, IOCTL, LIST, QUERY, SET = 5, 6, 8, 9, 11, 14, 16, 17
SAME = b"\xff" * 16
RESPONSE, ASYNC, RELATED = 1, 2, 4
ALL, WHOLE = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
PENDING, NOT_FOUND, NO_SUCH_FILE, NO_MORE_FILES = 0x103, 0xC0000034, 0xC000000F, 0x80000006
ERROR = struct.pack("<HBBIB", 9, 0, 0, 0, 0)
SHARE = "\\\\files\\data"
MOUNT = SMB2_TALK[6:8]


def close(handle: bytes) -> bytes:
    return struct.pack("<HHI16s", 24, 0, 0, handle)


def read(size: int, handle: bytes) -> bytes:
    return struct.pack("<HBBIQ16s", 49, 80, 0, size, 0, handle) + bytes(17)


def got(content: bytes) -> bytes:
    return struct.pack("<HBBIII", 17, 80, 0, len(content), 0, 0) + content


def write(content: bytes, handle: bytes) -> bytes:
    return struct.pack("<HHIQ16s", 49, 112, len(content), 0, handle) + bytes(16) + content


def listing(pattern: str, handle: bytes) -> bytes:
    raw = wide(pattern)
    return struct.pack("<HBBI16sHHI", 33, 37, 0, 0, handle, 96, len(raw), 65536) + raw


def change(kind: int, value: bytes, handle: bytes) -> bytes:
    return struct.pack("<HBBIHHI16s", 33, 1, kind, len(value), 96, 0, 0, handle) + value


def new_name(name: str) -> bytes:
    return struct.pack("<QQI", 0, 0, 2 * len(name)) + wide(name)


def control(code: int, value: bytes) -> bytes:
    return struct.pack("<HHI16sIIIIIIII", 57, 0, code, SAME, 120, len(value), 0, 0, 0, 4096, 1, 0) + value


def related(command: int, body: bytes, message: int) -> bytes:
    return smb2_part(command, body, message, RELATED, 0, ALL, WHOLE)


def answer(command: int, body: bytes, message: int, status: int = 0) -> bytes:
    return smb2_part(command, body, message, RESPONSE, status)


def commands(*said: tuple[bool, bytes]) -> list[Smb]:
    """Rows after the connection of a share."""
    mounted, *made = rows(Smb, SMB, *MOUNT, *said, transport="tcp")
    assert mounted.command == "TREE_CONNECT"
    return made


OPEN_WRITE_CLOSE = compound(
    smb2_part(CREATE, smb2_create("a\\new.txt"), 10),
    related(WRITE, write(b"x" * 301, SAME), 11),
    related(CLOSE, close(SAME), 12),
)
DONE = compound(
    answer(CREATE, smb2_opened(0, HANDLE), 10),
    answer(WRITE, struct.pack("<HHIII", 17, 0, 301, 0, 0), 11),
    answer(CLOSE, struct.pack("<HH", 60, 0) + bytes(56), 12),
)


@pytest.mark.parametrize("chunk", [0, 1, 7, 100])
def test_a_file_within_one_packet(chunk: int) -> None:
    flow = Flow(SMB)
    for from_src, data in (*MOUNT, (CLIENT, OPEN_WRITE_CLOSE), (SERVER, DONE)):
        flow.tick()
        flow.feed(data, from_src, chunk)
    made = [row for row in flow.rows if isinstance(row, Smb)]
    assert [(row.command, row.filename, row.share, row.result) for row in made[1:]] == [
        ("CREATE", "a\\new.txt", SHARE, "SUCCESS"), ("CLOSE", "a\\new.txt", SHARE, None),
    ]  # fmt: skip
    assert (made[1].tree_id, made[1].session_id, made[2].bytes_written, made[2].bytes_read) == (5, 9, 301, 0)
    assert not flow.pending[CLIENT]
    assert not flow.pending[SERVER]


def test_contents_within_a_compound_are_skipped() -> None:
    packet = compound(related(WRITE, write(bytes(200_000), SAME), 11), related(CLOSE, close(SAME), 12))
    flow = Flow(SMB)
    flow.feed(packet[:300], CLIENT)
    assert flow.skip[CLIENT] > 199_000
    flow.feed(packet[300:], CLIENT)
    assert not flow.pending[CLIENT]
    assert flow.parser.rest == [0, 0]  # type: ignore[attr-defined]


def test_a_failed_compound() -> None:
    (row,) = commands(
        (CLIENT, OPEN_WRITE_CLOSE),
        (SERVER, compound(*(answer(c, ERROR, m, NOT_FOUND) for c, m in ((CREATE, 10), (WRITE, 11), (CLOSE, 12))))),
    )
    assert (row.command, row.filename, row.share, row.result) == (
        "CREATE", "a\\new.txt", SHARE, "OBJECT_NAME_NOT_FOUND",
    )  # fmt: skip


def test_a_listing_within_one_packet() -> None:
    asked = compound(
        smb2_part(CREATE, smb2_create("docs"), 1), related(LIST, listing("*.docx", SAME), 2),
        related(LIST, listing("*", SAME), 3),
    )  # fmt: skip
    entries = struct.pack("<HHI", 9, 72, len(LISTING)) + LISTING
    made = commands(
        (CLIENT, asked),
        (SERVER, compound(answer(CREATE, smb2_opened(0, HANDLE), 1), answer(LIST, entries, 2),
                          answer(LIST, ERROR, 3, NO_MORE_FILES))),
    )  # fmt: skip
    assert [(row.filename, row.directory, row.pattern, row.share) for row in made[1:]] == [
        (".", "docs", "*.docx", SHARE), ("plan.docx", "docs", "*.docx", SHARE),
    ]  # fmt: skip


def test_listings_without_entries() -> None:
    asked = [(CLIENT, nbss(smb2_part(LIST, listing(f"*.{m}", HANDLE), m))) for m in (1, 2, 3)]
    made = commands(
        *asked,
        (SERVER, nbss(answer(LIST, ERROR, 1, NO_SUCH_FILE))), (SERVER, nbss(answer(LIST, ERROR, 2, NO_MORE_FILES))),
    )  # fmt: skip
    assert [(row.command, row.pattern, row.filename, row.result) for row in made] == [
        ("QUERY_DIRECTORY", "*.1", None, "NO_SUCH_FILE"), ("QUERY_DIRECTORY", "*.2", None, "NO_MORE_FILES"),
        ("QUERY_DIRECTORY", "*.3", None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "command"), [(10, "RENAME"), (65, "RENAME"), (11, "LINK"), (72, "LINK")])
def test_a_new_name_within_one_packet(kind: int, command: str) -> None:
    asked = compound(
        smb2_part(CREATE, smb2_create("old.txt"), 1), related(SET, change(kind, new_name("d\\new.txt"), SAME), 2),
        related(SET, change(13, b"\1", SAME), 3), related(CLOSE, close(SAME), 4),
    )  # fmt: skip
    answers = (
        answer(CREATE, smb2_opened(0, HANDLE), 1), answer(SET, b"\2\0", 2), answer(SET, ERROR, 3, 0xC0000121),
        answer(CLOSE, bytes(60), 4),
    )  # fmt: skip
    _, changed, deleted = commands((CLIENT, asked), (SERVER, compound(*answers)))
    assert (changed.command, changed.filename, changed.new_name) == (command, "old.txt", "d\\new.txt")
    assert (changed.share, changed.result) == (SHARE, "SUCCESS")
    assert (deleted.command, deleted.filename, deleted.result) == ("DELETE", "old.txt", "CANNOT_DELETE")


def test_asynchronous_responses() -> None:
    interim = smb2_part(CREATE, ERROR, 1, RESPONSE | ASYNC, PENDING, 0xABCD)
    final = smb2_part(CREATE, smb2_opened(7, HANDLE), 1, RESPONSE | ASYNC, 0, 0xABCD)
    entries = struct.pack("<HHI", 9, 72, len(LISTING)) + LISTING
    made = commands(
        (CLIENT, nbss(smb2_part(CREATE, smb2_create("slow.txt"), 1))), (SERVER, nbss(interim)),
        (CLIENT, nbss(smb2_part(CREATE, smb2_create("other.txt"), 2))),
        (SERVER, nbss(answer(CREATE, ERROR, 2, NOT_FOUND))), (SERVER, nbss(final)),
        (CLIENT, nbss(smb2_part(LIST, listing("*", HANDLE), 3))),
        (SERVER, nbss(smb2_part(LIST, ERROR, 3, RESPONSE | ASYNC, PENDING, 7))),
        (SERVER, nbss(smb2_part(LIST, entries, 3, RESPONSE | ASYNC, 0, 7))),
        (CLIENT, nbss(smb2_part(CREATE, smb2_create("never.txt"), 4))),
        (SERVER, nbss(smb2_part(CREATE, ERROR, 4, RESPONSE | ASYNC, PENDING, 8))),
    )  # fmt: skip
    assert [(row.filename, row.result, row.share, row.tree_id) for row in made] == [
        ("other.txt", "OBJECT_NAME_NOT_FOUND", SHARE, 5), ("slow.txt", "SUCCESS", SHARE, 5),
        (".", "SUCCESS", SHARE, 5), ("plan.docx", "SUCCESS", SHARE, 5), ("never.txt", "PENDING", SHARE, 5),
    ]  # fmt: skip
    assert (made[1].rtt_ms, made[1].size, made[2].directory) == (4.0, 7, "slow.txt")


def test_a_share_that_is_refused() -> None:
    path = wide("\\\\files\\nowhere")
    made = commands(
        (CLIENT, smb2(3, struct.pack("<HHHH", 9, 0, 72, len(path)) + path, 20)),
        (SERVER, smb2(3, ERROR, 20, True, 0xC00000CC)),
    )
    assert [(r.command, r.share, r.result, r.tree_id) for r in made] == [
        ("TREE_CONNECT", "\\\\files\\nowhere", "BAD_NETWORK_NAME", None),
    ]  # fmt: skip


def test_a_tree_number_of_two_sessions() -> None:
    path = wide("\\\\files\\other")
    (_, created, other) = commands(
        (CLIENT, nbss(smb2_part(3, struct.pack("<HHHH", 9, 0, 72, len(path)) + path, 20, session=77))),
        (SERVER, nbss(smb2_part(3, struct.pack("<HBBIII", 16, 1, 0, 0, 0, 0), 20, RESPONSE, session=77))),
        (CLIENT, nbss(smb2_part(CREATE, smb2_create("a"), 21))), (SERVER, nbss(answer(CREATE, ERROR, 21, NOT_FOUND))),
        (CLIENT, nbss(smb2_part(CREATE, smb2_create("b"), 22, session=77))),
    )  # fmt: skip
    assert [(r.filename, r.share) for r in (created, other)] == [("a", SHARE), ("b", "\\\\files\\other")]


def test_a_share_and_a_file_within_one_packet() -> None:
    path = wide("\\\\files\\other")
    _, created = commands(
        (CLIENT, compound(smb2_part(3, struct.pack("<HHHH", 9, 0, 72, len(path)) + path, 20, tree=0),
                          related(CREATE, smb2_create("b"), 21))),
        (SERVER, compound(smb2_part(3, struct.pack("<HBBIII", 16, 1, 0, 0, 0, 0), 20, RESPONSE, tree=6),
                          smb2_part(CREATE, smb2_opened(1, HANDLE), 21, RESPONSE, tree=6))),
    )  # fmt: skip
    assert (created.filename, created.share, created.tree_id) == ("b", "\\\\files\\other", 6)


def test_names_in_controls() -> None:
    referral = struct.pack("<H", 4) + wide("\\example.com\\dfs\0")
    site = struct.pack("<HHIH", 4, 0, 40, 16) + wide("\\ex\\root")
    pipe = struct.pack("<QIBB", 0, 10, 0, 0) + wide("lsass")
    made = commands(
        *((CLIENT, nbss(smb2_part(IOCTL, control(code, value), m)))
          for m, code, value in ((1, 0x60194, referral), (2, 0x601B0, site), (3, 0x110018, pipe), (4, 0x11C017, b"x"))),
        (SERVER, nbss(answer(IOCTL, ERROR, 1, 0xC0000225))), (SERVER, nbss(answer(IOCTL, ERROR, 2, 0xC00000BB))),
        (SERVER, nbss(answer(IOCTL, ERROR, 3, 0xC00000B5))),
    )  # fmt: skip
    assert [(row.command, row.filename, row.result) for row in made] == [
        ("DFS_REFERRAL", "\\example.com\\dfs", "NOT_FOUND"), ("DFS_REFERRAL", "\\ex\\root", "NOT_SUPPORTED"),
        ("PIPE_WAIT", "lsass", "IO_TIMEOUT"),
    ]  # fmt: skip


def test_contexts_of_a_create() -> None:
    raw = wide("lease.txt")
    name = raw + bytes(-len(raw) % 8)
    lease = struct.pack("<IHHHHI", 0, 16, 4, 0, 24, 32) + b"RqLs" + bytes(4) + b"L" * 32
    durable = struct.pack("<IHHHHI", len(lease), 16, 4, 0, 24, 32) + b"DH2Q" + bytes(4) + b"D" * 32
    head = struct.pack("<HBBIQQIIIIIHHII", 57, 0, 0xFF, 2, 0, 0, 0x00120089, 0, 7, 1, 0, 120, len(raw),
                       120 + len(name), len(lease) + len(durable))  # fmt: skip
    made = commands((CLIENT, nbss(smb2_part(CREATE, head + name + durable + lease, 1))))
    assert [row.filename for row in made] == ["lease.txt"]


def test_responses_alone() -> None:
    server = [said for said in SMB2_TALK if said[0] == SERVER]
    made = rows(Smb, SMB, *server, (SERVER, nbss(answer(CREATE, ERROR, 30, NOT_FOUND))), transport="tcp")
    assert [(row.command, row.result, row.filename, row.rtt_ms) for row in made] == [
        ("NEGOTIATE", "SUCCESS", None, None), ("SESSION_SETUP", "SUCCESS", None, None),
        ("TREE_CONNECT", "SUCCESS", None, None), ("CREATE", "SUCCESS", None, None),
        ("CREATE", "OBJECT_NAME_NOT_FOUND", None, None),
    ]  # fmt: skip
    assert (made[1].server_name, made[1].username, made[2].tree_id, made[3].size) == ("FILES", None, 5, 4711)
    assert made[3].signed is None


def test_requests_alone() -> None:
    client = [said for said in SMB2_TALK if said[0] == CLIENT]
    made = rows(Smb, SMB, *client, (CLIENT, OPEN_WRITE_CLOSE), transport="tcp")
    assert [(row.command, row.filename, row.pattern, row.result) for row in made if row.filename or row.pattern] == [
        ("CREATE", "docs\\plan.docx", None, None), ("QUERY_DIRECTORY", None, "*", None),
        ("CREATE", "a\\new.txt", None, None), ("CLOSE", "a\\new.txt", None, None),
    ]  # fmt: skip


def test_a_failed_write_wrote_nothing() -> None:
    opened = (CLIENT, nbss(smb2_part(CREATE, smb2_create("w"), 1))), (
        SERVER, nbss(answer(CREATE, smb2_opened(0, HANDLE), 1)))  # fmt: skip
    made = commands(
        *opened,
        (CLIENT, nbss(smb2_part(WRITE, write(b"x" * 50, HANDLE), 2))),
        (SERVER, nbss(answer(WRITE, ERROR, 2, 0xC000007F))),
        (CLIENT, nbss(smb2_part(WRITE, write(b"x" * 50, HANDLE), 3))),
        (SERVER, nbss(answer(WRITE, struct.pack("<HHIII", 17, 0, 20, 0, 0), 3))),
        (CLIENT, nbss(smb2_part(READ, read(9, HANDLE), 4))), (SERVER, nbss(answer(READ, got(b"123456789"), 4))),
    )  # fmt: skip
    assert (made[-1].command, made[-1].bytes_written, made[-1].bytes_read) == ("CLOSE", 20, 9)


def test_the_user_of_one_session_is_not_that_of_another() -> None:
    kerberos = b"\x60\x48\x06\x06\x2b\x06\x01\x05\x05\x02" + bytes(64)
    made = rows(
        Smb, SMB, *SMB2_TALK[:6],
        (CLIENT, nbss(smb2_part(1, setup(kerberos), 30, session=0))),
        (SERVER, nbss(smb2_part(1, setup_answer(b""), 30, RESPONSE, session=50))),
        (CLIENT, nbss(smb2_part(1, setup(b"NTLMSSP\0\1\0\0\0" + bytes(24)), 31, session=0))),
        (CLIENT, nbss(smb2_part(1, setup(b"NTLMSSP\0\1\0\0\0" + bytes(24)), 32, session=0))),
        (SERVER, nbss(smb2_part(1, setup_answer(ntlm_challenge("A", "a.test")), 31, RESPONSE, 0xC0000016, session=51))),
        (SERVER, nbss(smb2_part(1, setup_answer(ntlm_challenge("A", "a.test")), 32, RESPONSE, 0xC0000016, session=52))),
        (CLIENT, nbss(smb2_part(1, setup(ntlm_authenticate("ann", "D", "W1")), 33, session=51))),
        (CLIENT, nbss(smb2_part(1, setup(ntlm_authenticate("bob", "D", "W2")), 34, session=52))),
        (SERVER, nbss(smb2_part(1, setup_answer(b""), 34, RESPONSE, 0xC000006D, session=52))),
        (SERVER, nbss(smb2_part(1, setup_answer(b""), 33, RESPONSE, session=51))),
        transport="tcp",
    )  # fmt: skip
    assert [(row.username, row.session_id, row.result) for row in made if row.command == "SESSION_SETUP"] == [
        ("jane", 9, "SUCCESS"), (None, 50, "SUCCESS"), ("bob", 52, "LOGON_FAILURE"), ("ann", 51, "SUCCESS"),
    ]  # fmt: skip


def sealed(session: int) -> bytes:
    return nbss(b"\xfdSMB" + bytes(40) + struct.pack("<Q", session) + bytes(500))


def test_only_some_sessions_are_encrypted() -> None:
    made = commands(
        (CLIENT, sealed(3)), (SERVER, sealed(3)), (CLIENT, sealed(4)),
        (CLIENT, nbss(smb2_part(CREATE, smb2_create("in the clear"), 1))),
        (SERVER, nbss(answer(CREATE, ERROR, 1, NOT_FOUND))),
    )  # fmt: skip
    assert [(row.command, row.session_id, row.encrypted, row.filename) for row in made] == [
        ("ENCRYPTED", 3, True, None), ("ENCRYPTED", 4, True, None), ("CREATE", 9, False, "in the clear"),
    ]  # fmt: skip


def test_a_connection_that_is_encrypted_for_long_is_left() -> None:
    flow = Flow(SMB)
    flow.feed(SMB2_TALK[8][1], CLIENT)
    for _ in range(MAX_ENCRYPTED):
        assert not flow.talk.finished
        flow.feed(sealed(3), CLIENT)
    assert flow.talk.finished
    assert [row.command for row in flow.rows if isinstance(row, Smb)] == ["ENCRYPTED", "CREATE"]


@pytest.mark.parametrize(("algorithm", "flags"), [(2, 0), (0, 1), (2, 1)])
def test_compressed_packets(algorithm: int, flags: int) -> None:
    head = answer(READ, got(b""), 2)
    head = head[:68] + struct.pack("<I", 4096) + head[72:]
    packet = nbss(b"\xfcSMB" + struct.pack("<IHHI", 4096, algorithm, flags, len(head)) + head + bytes(99))
    made = commands(
        (CLIENT, nbss(smb2_part(CREATE, smb2_create("w"), 1))),
        (SERVER, nbss(answer(CREATE, smb2_opened(0, HANDLE), 1))),
        (CLIENT, nbss(smb2_part(READ, read(4096, HANDLE), 2))), (SERVER, packet), (SERVER, packet),
        (CLIENT, nbss(smb2_part(CREATE, smb2_create("after"), 3))),
    )  # fmt: skip
    assert [(row.command, row.filename) for row in made][:2] == [("CREATE", "w"), ("COMPRESSED", None)]
    assert ("CREATE", "after") in [(row.command, row.filename) for row in made]
    assert [row.bytes_read for row in made if row.command == "CLOSE"] == ([] if flags and algorithm else [4096])


def test_packets_whose_end_was_not_captured() -> None:
    flow = Flow(SMB)
    for from_src, data in MOUNT:
        flow.feed(data, from_src)
    asked = nbss(smb2_part(CREATE, smb2_create("long\\name.txt"), 1))
    flow.parser.cut(asked[:130], CLIENT)
    flow.lose(len(asked) - 130, CLIENT)
    flow.parser.cut(nbss(answer(CREATE, ERROR, 1, NOT_FOUND))[:70], SERVER)
    flow.lose(3, SERVER)
    flow.feed(nbss(smb2_part(CREATE, smb2_create("whole.txt"), 2)), CLIENT)
    flow.close()
    made = [row for row in flow.rows if isinstance(row, Smb)]
    assert [(row.command, row.filename, row.result) for row in made[1:]] == [
        ("CREATE", None, "OBJECT_NAME_NOT_FOUND"), ("CREATE", "whole.txt", None),
    ]  # fmt: skip


def test_files_are_bounded() -> None:
    flow = Flow(SMB)
    for number in range(MAX_FILES + 100):
        handle = number.to_bytes(16, "big")
        flow.feed(nbss(smb2_part(CREATE, smb2_create("f"), number)), CLIENT)
        flow.feed(nbss(answer(CREATE, smb2_opened(0, handle), number)), SERVER)
        flow.feed(nbss(smb2_part(READ, read(1, handle), number)), CLIENT)
        flow.feed(nbss(smb2_part(LIST, listing("*", handle), number)), CLIENT)
        flow.feed(nbss(smb2_part(CREATE, smb2_create("f"), MAX_FILES * 2 + number)), CLIENT)
    parser = flow.parser
    smb, session = parser.smb2, parser.session  # type: ignore[attr-defined]
    assert len(session.files) <= MAX_FILES
    assert max(map(len, (smb.reads, smb.listings, smb.created, session.waiting.rows))) <= 512
