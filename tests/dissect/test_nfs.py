import struct

import pytest

from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.nfs.parser import NFS, Nfs
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_domain import GETPORT, LOOKUP, NFS_TALK, call, marked, reply, xdr


def test_calls_over_tcp() -> None:
    looked, renamed, compound = rows(Nfs, NFS, *NFS_TALK, transport="tcp")
    assert (looked.program, looked.version, looked.procedure) == ("nfs", "3", "LOOKUP")
    assert (looked.filename, looked.result) == ("secret.txt", "NOENT")
    assert (looked.auth, looked.uid, looked.gid, looked.machine) == ("sys", 1000, 100, "client1")
    assert (renamed.filename, renamed.new_name, renamed.result) == ("a", "b", "success")
    assert (compound.procedure, compound.filename) == ("PUTFH,LOOKUP,GETFH,GETATTR", "dir")


def test_port_mapper() -> None:
    (row,) = rows(Nfs, NFS, (CLIENT, GETPORT), (SERVER, reply(1, struct.pack(">I", 2049))))
    assert (row.procedure, row.mapped_program, row.mapped_port) == ("GETPORT", "nfs", 2049)
    asked = call(1, 100000, 3, 3, struct.pack(">II", 100005, 1) + xdr(b"udp") + xdr(b"") + xdr(b""))
    (row,) = rows(Nfs, NFS, (CLIENT, asked), (SERVER, reply(1, xdr(b"10.0.0.1.4.24"))))
    assert (row.procedure, row.mapped_program, row.mapped_port) == ("GETADDR", "mount", 1048)


def test_old_version_and_mount() -> None:
    renamed = call(1, 100003, 2, 11, bytes(32) + xdr(b"a") + bytes(32) + xdr(b"bc"))
    mounted = call(2, 100005, 3, 1, xdr(b"/export/home"))
    made = rows(Nfs, NFS, (CLIENT, renamed), (CLIENT, mounted), (SERVER, reply(2, struct.pack(">I", 13))))
    assert [(row.procedure, row.filename, row.new_name, row.result) for row in made] == [
        ("MNT", "/export/home", None, "ACCES"),
        ("RENAME", "a", "bc", None),
    ]


def test_refusals() -> None:
    denied = struct.pack(">4I", 2, 1, 1, 1) + bytes(8)
    (row,) = rows(Nfs, NFS, (CLIENT, LOOKUP), (SERVER, denied))
    assert row.result == "denied"
    (row,) = rows(Nfs, NFS, (CLIENT, LOOKUP), (SERVER, reply(2, b"")[:20] + struct.pack(">I", 3)))
    assert row.result == "PROC_UNAVAIL"


def test_repetitions_are_one_row() -> None:
    assert len(rows(Nfs, NFS, (CLIENT, LOOKUP), (CLIENT, LOOKUP), (SERVER, reply(2, bytes(4))))) == 1


def test_written_data_is_skipped() -> None:
    write = call(7, 100003, 3, 7, xdr(bytes(32)) + bytes(16) + xdr(bytes(30_000)))
    flow = parsed(NFS, [(CLIENT, marked(write)[:2000]), (SERVER, marked(reply(7, bytes(8))))])
    assert flow.skip[CLIENT] == len(write) + 4 - 2000
    assert [row.procedure for row in flow.rows if isinstance(row, Nfs)] == ["WRITE"]


def test_fragments_behind_the_first_are_skipped() -> None:
    first = struct.pack(">I", len(LOOKUP)) + LOOKUP + struct.pack(">I", 0x80000004) + b"more"
    made = rows(Nfs, NFS, (CLIENT, first + marked(GETPORT)), transport="tcp")
    assert [row.procedure for row in made] == ["LOOKUP", "GETPORT"]


def test_arguments_that_are_cut_off() -> None:
    flow = parsed(NFS, [(CLIENT, call(1, 100003, 3, 3, xdr(bytes(32)) + b"\0\0\0\x50abc"))], "udp")
    assert [kind for kind, _ in flow.sink.anomalies] == ["malformed_nfs"]
    assert len(flow.rows) == 1


def test_malformed() -> None:
    for data in (b"", LOOKUP[:39], struct.pack(">3I", 1, 2, 3), LOOKUP[:32] + b"\xff" * 20):
        with pytest.raises(DissectError):
            parsed(NFS, [(CLIENT, data)], "udp")
    with pytest.raises(DissectError):
        parsed(NFS, [(CLIENT, b"\x7f\xff\xff\xff" + LOOKUP)])


@pytest.mark.parametrize(
    ("data", "transport", "port", "verdict"),
    [
        (LOOKUP, "udp", 9999, YES),
        (call(1, 100999, 1, 0, b""), "udp", 2049, NO),
        (call(1, 100003, 9, 0, b""), "udp", 2049, NO),
        (reply(1, bytes(4)), "udp", 2049, YES),
        (reply(1, bytes(4)), "udp", 9999, NO),
        (marked(LOOKUP), "tcp", 9999, YES),
        (marked(LOOKUP)[:8], "tcp", 9999, MORE),
        (marked(LOOKUP)[:20], "tcp", 9999, MORE),
        (b"GET / HTTP/1.1", "tcp", 2049, NO),
    ],
)
def test_probe(data: bytes, transport: str, port: int, verdict: int) -> None:
    assert Flow(NFS, transport, dst_port=port).probe(data) == verdict
