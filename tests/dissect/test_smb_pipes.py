"""DCE/RPC in the pipes of SMB."""

import struct

import pytest

from rustnet.dissect.dcerpc.parser import Dcerpc
from rustnet.dissect.smb.parser import SMB
from rustnet.dissect.smb.pipes import MAX_CALLS, MAX_PIPES
from rustnet.dissect.smb.session import Smb
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed
from tests.dissect.samples_domain import DCERPC_TALK, HANDLE, nbss, rpc, smb2_create, smb2_opened, smb2_part, wide
from tests.dissect.test_smb1_names import message, transaction
from tests.dissect.test_smb_compounds import CREATE, IOCTL, READ, RESPONSE, WRITE, answer, close, got, read, write

Said = list[tuple[bool, bytes]]
BIND, ACK, CALL, DONE, WRONG, FAULT = (data for _, data in DCERPC_TALK)


def mounted(share: str = "IPC$") -> Said:
    path = wide(f"\\\\files\\{share}")
    return [
        (CLIENT, nbss(smb2_part(3, struct.pack("<HHHH", 9, 0, 72, len(path)) + path, 3, tree=0))),
        (SERVER, nbss(smb2_part(3, struct.pack("<HBBIII", 16, 2, 0, 0, 0, 0), 3, RESPONSE))),
    ]


def opened(message: int = 4, name: str = "epmapper", handle: bytes = HANDLE) -> Said:
    return [
        (CLIENT, nbss(smb2_part(CREATE, smb2_create(name), message))),
        (SERVER, nbss(answer(CREATE, smb2_opened(0, handle), message))),
    ]


def written(content: bytes, message: int, handle: bytes = HANDLE) -> Said:
    return [
        (CLIENT, nbss(smb2_part(WRITE, write(content, handle), message))),
        (SERVER, nbss(answer(WRITE, struct.pack("<HHIII", 17, 0, len(content), 0, 0), message))),
    ]


def answered(content: bytes, message: int, status: int = 0) -> Said:
    return [
        (CLIENT, nbss(smb2_part(READ, read(4280, HANDLE), message))),
        (SERVER, nbss(answer(READ, got(content), message, status))),
    ]


def transceived(content: bytes, reply: bytes, message: int) -> Said:
    asked = struct.pack("<HHI16sIIIIIIII", 57, 0, 0x11C017, HANDLE, 120, len(content), 0, 0, 0, 4096, 1, 0) + content
    body = struct.pack("<HHI16sIIIIII", 49, 0, 0x11C017, HANDLE, 112, 0, 112, len(reply), 0, 0) + reply
    return [(CLIENT, nbss(smb2_part(IOCTL, asked, message))), (SERVER, nbss(answer(IOCTL, body, message)))]


def calls(said: Said) -> list[tuple[str | None, str | None, int | None, str | None]]:
    flow = parsed(SMB, said)
    assert flow.sink.anomalies == []
    return [(row.operation, row.interface, row.opnum, row.result) for row in flow.rows if isinstance(row, Dcerpc)]


EXPECTED = [
    ("bind", "epmapper", None, "ok"), ("request", "epmapper", 3, "ok"), ("request", "epmapper", 99, "OP_RANGE_ERROR"),
]  # fmt: skip


def test_writes_and_reads() -> None:
    said = [
        *mounted(), *opened(), *written(BIND, 5), *answered(ACK, 6), *written(CALL, 7),
        *answered(DONE[:100], 8, 0x80000005), *answered(DONE[100:], 9), *written(WRONG, 10), *answered(FAULT, 11),
    ]  # fmt: skip
    assert calls(said) == EXPECTED


def test_calls_in_one_step() -> None:
    said = [
        *mounted(),
        *opened(),
        *transceived(BIND, ACK, 5),
        *transceived(CALL, DONE, 6),
        *transceived(WRONG, FAULT, 7),
    ]
    assert calls(said) == EXPECTED
    assert calls([*said[:-1], (CLIENT, nbss(smb2_part(6, close(HANDLE), 9)))])[-1] == ("request", "epmapper", 99, None)


def test_in_pieces() -> None:
    flow = Flow(SMB)
    for from_src, data in (*mounted(), *opened(), *written(BIND, 5), *answered(ACK, 6), *written(CALL, 7)):
        flow.feed(data, from_src, 11)
    flow.close()
    assert [row.opnum for row in flow.rows if isinstance(row, Dcerpc)] == [None, 3]


def test_contents_of_files_are_not_read() -> None:
    assert calls([*mounted("data"), *opened(), *written(BIND, 5), *written(CALL, 6)]) == []


def test_pipes_that_contain_something_else() -> None:
    said = [*mounted(), *opened(), *written(b"\0\0\1\0something else", 5), *written(BIND, 6), *answered(ACK, 7)]
    assert calls(said) == []
    said = [*mounted(), *opened(), *written(BIND, 5), *answered(ACK, 6), *written(b"no fragment at all", 7)]
    assert calls(said) == EXPECTED[:1]


def test_after_a_loss() -> None:
    flow = Flow(SMB)
    for from_src, data in (*mounted(), *opened(), *written(BIND, 5), *answered(ACK, 6), *answered(DONE[:100], 7)):
        flow.feed(data, from_src)
    flow.lose(300, SERVER)
    for from_src, data in (*written(CALL, 9), *answered(DONE, 10)):
        flow.feed(data, from_src)
    flow.close()
    assert [(r.opnum, r.result) for r in flow.rows if isinstance(r, Dcerpc) and r.operation == "request"] == [(3, "ok")]


def test_bounds() -> None:
    flow = Flow(SMB)
    for from_src, data in (*mounted(), *opened(), *written(BIND, 5), *answered(ACK, 6)):
        flow.feed(data, from_src)
    many = b"".join(rpc(0, struct.pack("<IHH", 8, 0, 3) + bytes(8), number) for number in range(100))
    for number in range(MAX_CALLS // 100 + 20):
        flow.feed(written(many, 100 + number)[0][1], CLIENT)
    for number in range(MAX_PIPES + 20):
        for from_src, data in opened(1000 + number, "srvsvc", struct.pack("<IIII", number, 2, 3, 4)):
            flow.feed(data, from_src)
    assert len(flow.parser.session.pipes.open) == MAX_PIPES  # type: ignore[attr-defined]
    flow.close()
    assert sum(isinstance(row, Dcerpc) for row in flow.rows) == MAX_CALLS
    assert sum(isinstance(row, Smb) for row in flow.rows) > MAX_PIPES
    assert [kind for kind, _ in flow.sink.anomalies] == ["many_messages"]


@pytest.mark.parametrize("mode", [0, 8, 0xC])
def test_smb1(mode: int) -> None:
    share = wide("\\\\SRV\\IPC$\0")
    name = wide("\\epmapper\0")
    create = b"\xff\0\0\0\0" + struct.pack("<HIIIQIIIIIB", len(name), 0, 0, 1, 0, 0, 7, 1, 0, 2, 0)
    content = struct.pack("<H", len(BIND)) + BIND if mode == 0xC else BIND
    at = 32 + 1 + 28 + 2
    wrote = b"\xff\0\0\0\x33\x44" + struct.pack("<IIHHHHHI", 0, 0, mode, 0, 0, len(content), at, 0)
    answer_at = 32 + 1 + 24 + 2
    reply = b"\xff\0\0\0" + bytes(6) + struct.pack("<HHH", len(ACK), answer_at, 0) + bytes(8)
    asked = struct.pack("<HH", 0x26, 0x4433)
    done_at = 32 + 1 + 20 + 2
    done = struct.pack("<HHHHHHHHHBB", 0, len(DONE), 0, 0, 0, 0, len(DONE), done_at, 0, 0, 0)
    said = [
        (CLIENT, message(0x75, b"\xff\0\0\0\0\0\1\0", b"\0" + share, 2)),
        (SERVER, message(0x75, b"\xff\0\0\0\0\0", b"", 2, response=True)),
        (CLIENT, message(0xA2, create, b"\0" + name, 3)),
        (SERVER, message(0xA2, b"\xff\0\0\0\0\x33\x44" + bytes(61), b"", 3, response=True)),
        (CLIENT, message(0x2F, wrote, content, 4)),
        (SERVER, message(0x2F, b"\xff\0\0\0" + struct.pack("<H", len(BIND)) + bytes(6), b"", 4, response=True)),
        (CLIENT, message(0x2E, b"\xff\0\0\0\x33\x44" + bytes(18), b"", 5)),
        (SERVER, message(0x2E, reply, ACK, 5, response=True)),
        (CLIENT, transaction(0x25, asked, b"", 6, CALL, wide("\\PIPE\\\0"))),
        (SERVER, message(0x25, done, DONE, 6, response=True)),
    ]  # fmt: skip
    assert calls(said) == EXPECTED[:2]
