import pytest

from rustnet.dissect.embedded.ntlmssp import Identity
from rustnet.dissect.framework.conversation import MORE, NO, YES, DissectError
from rustnet.dissect.smb.parser import SMB
from rustnet.dissect.smb.session import MAX_ROWS, Smb, status_name
from tests.dissect.harness import CLIENT, SERVER, Flow, parsed, rows
from tests.dissect.samples_domain import SMB1_TALK, SMB2_TALK, nbss, ntlm_authenticate, smb2


def test_smb2() -> None:
    made = rows(Smb, SMB, *SMB2_TALK, transport="tcp")
    assert [row.command for row in made] == [
        "NEGOTIATE", "SESSION_SETUP", "TREE_CONNECT", "CREATE", "QUERY_DIRECTORY", "QUERY_DIRECTORY", "RENAME",
        "CLOSE",
    ]  # fmt: skip
    negotiated, set_up, mounted, created, itself, listed, renamed, closed = made
    assert itself.filename == "."
    assert (negotiated.dialect, set_up.dialect) == ("3.1.1", "3.1.1")
    assert (set_up.username, set_up.domain, set_up.workstation) == ("jane", "EXAMPLE", "DESK1")
    assert (set_up.server_name, set_up.server_dns_name) == ("FILES", "files.example.com")
    assert (set_up.server_os, set_up.result) == ("10.0.17763", "SUCCESS")
    assert (mounted.share, mounted.tree_id, mounted.rtt_ms) == ("\\\\files\\data", 5, 1.0)
    assert (created.filename, created.share, created.size) == ("docs\\plan.docx", "\\\\files\\data", 4711)
    assert (created.disposition, created.access, created.delete_on_close) == ("open", "read", False)
    assert (listed.filename, listed.size) == ("plan.docx", 4711)
    assert (renamed.filename, renamed.new_name, renamed.result) == ("docs\\plan.docx", "b.txt", "ACCESS_DENIED")
    assert (closed.bytes_read, closed.bytes_written) == (4711, 300)


def test_the_server_is_named() -> None:
    flow = parsed(SMB, SMB2_TALK)
    assert flow.sink.names == [("198.51.100.2", "files.example.com", "smb", None)]
    assert flow.talk.hostname == "files.example.com"


def test_contents_are_skipped() -> None:
    flow = Flow(SMB)
    for from_src, data in SMB2_TALK[:11]:
        flow.feed(data, from_src)
    flow.feed(SMB2_TALK[11][1][:200], SERVER)
    assert flow.skip[SERVER] == len(SMB2_TALK[11][1]) - 200
    assert flow.pending[SERVER] == b""


def test_smb1() -> None:
    made = rows(Smb, SMB, *SMB1_TALK, transport="tcp")
    assert [row.command for row in made] == [
        "NEGOTIATE", "SESSION_SETUP", "TREE_CONNECT", "CREATE", "CLOSE", "QUERY_DIRECTORY", "RENAME",
    ]  # fmt: skip
    _, set_up, mounted, created, closed, listed, renamed = made
    assert (listed.pattern, listed.filename) == ("\\docs\\*", None)
    assert (set_up.username, set_up.domain, set_up.client_os, set_up.server_os) == ("JANE", "OFFICE", "W", "Samba")
    assert (mounted.share, mounted.dialect) == ("\\\\SRV\\C$", "NT LM 0.12")
    assert (created.filename, created.share, created.size) == ("\\old.txt", "\\\\SRV\\C$", 12)
    assert (closed.filename, closed.bytes_written) == ("\\old.txt", 5)
    assert (renamed.filename, renamed.new_name) == ("\\old.txt", "\\new.txt")


def test_smb1_negotiation_that_smb2_answers() -> None:
    (row,) = rows(Smb, SMB, SMB1_TALK[0], SMB2_TALK[1], transport="tcp")
    assert (row.command, row.dialect, row.rtt_ms) == ("NEGOTIATE", "3.1.1", 1.0)


def test_encryption_is_recorded() -> None:
    flow = parsed(SMB, [*SMB2_TALK[:8], (CLIENT, nbss(b"\xfdSMB" + bytes(60)))])
    last = flow.rows[-1]
    assert isinstance(last, Smb)
    assert (last.command, last.encrypted, last.dialect) == ("ENCRYPTED", True, "3.1.1")


def test_a_loss_is_bridged() -> None:
    flow = Flow(SMB)
    for i, (from_src, data) in enumerate(SMB2_TALK):
        flow.tick()
        if i == 9:
            flow.lose(1000, from_src)
            flow.feed(data[50:], from_src)
        else:
            flow.feed(data, from_src)
    flow.close()
    commands = [row.command for row in flow.rows if isinstance(row, Smb)]
    assert commands == [
        "NEGOTIATE",
        "SESSION_SETUP",
        "TREE_CONNECT",
        "QUERY_DIRECTORY",
        "QUERY_DIRECTORY",
        "RENAME",
        "CREATE",
    ]


def test_requests_without_response() -> None:
    flow = parsed(SMB, [SMB2_TALK[0], SMB2_TALK[8]])
    assert [(row.command, row.result) for row in flow.rows if isinstance(row, Smb)] == [
        ("NEGOTIATE", None), ("CREATE", None),
    ]  # fmt: skip


def test_rows_are_bounded() -> None:
    flow = Flow(SMB)
    for number in range(MAX_ROWS + 1000):
        flow.feed(smb2(3, b"\x09\0\0\0\x48\0\x02\0x\0", number))
    assert len(flow.rows) == MAX_ROWS
    assert flow.talk.finished


def test_broken_framing() -> None:
    with pytest.raises(DissectError):
        parsed(SMB, [SMB2_TALK[0], (CLIENT, b"\0\0\0\x40GET / HTTP/1.1")])


def test_identity_out_of_bounds() -> None:
    told_of = Identity()
    blob = bytearray(ntlm_authenticate("jane", "D", "W"))
    blob[40:44] = b"\xff\xff\xff\x7f"
    assert told_of.read(b"wrapped" + bytes(blob)) == 3
    assert (told_of.username, told_of.domain) == (None, "D")
    assert told_of.read(b"") == 0
    assert told_of.read(b"NTLMSSP\0\2\0\0\0") == 2


def test_status() -> None:
    assert status_name(0xC000006D) == "LOGON_FAILURE"
    assert status_name(0xC0001234) == "0xc0001234"


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (SMB2_TALK[0][1], YES),
        (SMB1_TALK[0][1], YES),
        (nbss(b"\xfdSMB" + bytes(60)), YES),
        (SMB2_TALK[0][1][:6], MORE),
        (b"\0\0\0\x40GET ", NO),
        (nbss(b"\xffSMB\xee" + bytes(60)), NO),
        (nbss(b"\xfeSMB\x41" + bytes(60)), NO),
        (b"\x81" + SMB2_TALK[0][1][1:], NO),
    ],
)
def test_probe(data: bytes, verdict: int) -> None:
    assert Flow(SMB, dst_port=9999).probe(data) == verdict
