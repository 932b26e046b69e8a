"""Conversations of a domain of machines: Kerberos, LDAP, SMB, DCE/RPC and NFS."""

import struct

from tests.dissect.samples_web import Talk, vector


def tlv(tag: int, *content: bytes) -> bytes:
    """A value in BER."""
    body = b"".join(content)
    size = bytes([len(body)]) if len(body) < 128 else b"\x82" + len(body).to_bytes(2, "big")
    return bytes([tag]) + size + body


def num(value: int, tag: int = 2) -> bytes:
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes | str, tag: int = 4) -> bytes:
    return tlv(tag, value.encode() if isinstance(value, str) else value)


def oid(hexadecimal: str) -> bytes:
    return tlv(6, bytes.fromhex(hexadecimal))


# ---- Kerberos ----------------------------------------------------------------------------------------------------


def at(number: int, *content: bytes) -> bytes:
    return tlv(0xA0 | number, *content)


def principal(kind: int, *names: str) -> bytes:
    return tlv(0x30, at(0, num(kind)), at(1, tlv(0x30, *(octets(n, 27) for n in names))))


def sealed(etype: int) -> bytes:
    return tlv(0x30, at(0, num(etype)), at(1, num(2)), at(2, octets(bytes(40))))


TICKET = tlv(
    0x61, tlv(0x30, at(0, num(5)), at(1, octets("EXAMPLE.COM", 27)), at(2, principal(2, "krbtgt", "EXAMPLE.COM")),
              at(3, sealed(18))),
)  # fmt: skip
AS_REQ = tlv(
    0x6A,
    tlv(
        0x30, at(1, num(5)), at(2, num(10)), at(3, tlv(0x30, tlv(0x30, at(1, num(2)), at(2, octets(b"x"))))),
        at(4, tlv(
            0x30, at(0, tlv(3, b"\0\x40\x81\0\x10")), at(1, principal(1, "jane")), at(2, octets("EXAMPLE.COM", 27)),
            at(3, principal(2, "krbtgt", "EXAMPLE.COM")), at(5, octets("20370913024805Z", 24)), at(7, num(1234)),
            at(8, tlv(0x30, num(18), num(23), num(-135))),
            at(9, tlv(0x30, tlv(0x30, at(0, num(20)), at(1, octets(b"DESK1          \0"))))),
        )),
    ),
)  # fmt: skip
AS_REP = tlv(
    0x6B, tlv(0x30, at(0, num(5)), at(1, num(11)), at(3, octets("EXAMPLE.COM", 27)), at(4, principal(1, "jane")),
              at(5, TICKET), at(6, sealed(23))),
)  # fmt: skip
KRB_ERROR = tlv(
    0x7E, tlv(0x30, at(0, num(5)), at(1, num(30)), at(4, octets("20240101000000Z", 24)), at(5, num(0)), at(6, num(25)),
              at(9, octets("EXAMPLE.COM", 27)), at(10, principal(2, "krbtgt", "EXAMPLE.COM"))),
)  # fmt: skip


def prefixed(message: bytes) -> bytes:
    return vector(message, 4)


# ---- LDAP --------------------------------------------------------------------------------------------------------


def ldap(message: int, tag: int, *content: bytes) -> bytes:
    return tlv(0x30, num(message), tlv(tag, *content))


def result(code: int, diagnostic: str = "") -> bytes:
    return num(code, 10) + octets("") + octets(diagnostic)


FILTER = tlv(
    0xA0, tlv(0xA3, octets("objectClass"), octets("user")), tlv(0x87, b"mail"),
    tlv(0xA2, tlv(0xA4, octets("cn"), tlv(0x30, octets("a*", 0x80), octets("b", 0x82)))),
)  # fmt: skip
LDAP_SEARCH = (
    octets("dc=example,dc=com") + num(2, 10) + num(0, 10) + num(0) + num(0) + tlv(1, b"\0") + FILTER
    + tlv(0x30, octets("cn"), octets("mail"))
)  # fmt: skip
LDAP_TALK: Talk = [
    (True, ldap(1, 0x60, num(3), octets("cn=admin,dc=example,dc=com"), octets("secret", 0x80))),
    (False, ldap(1, 0x61, result(49, "data 52e"))),
    (True, ldap(2, 0x63, LDAP_SEARCH)),
    (False, ldap(2, 0x64, octets("cn=x"), tlv(0x30)) + ldap(2, 0x64, octets("cn=y"), tlv(0x30))),
    (False, ldap(2, 0x65, result(0))),
    (True, ldap(3, 0x66, octets("cn=x"), tlv(0x30, tlv(0x30, num(2, 10), tlv(0x30, octets("mail"), tlv(0x31)))))),
    (False, ldap(3, 0x67, result(50))),
    (True, ldap(4, 0x42)),
]  # fmt: skip

# ---- SMB ---------------------------------------------------------------------------------------------------------


def nbss(message: bytes) -> bytes:
    return b"\0" + vector(message, 3)


def smb2(command: int, body: bytes, message: int, response: bool = False, status: int = 0, tree: int = 0) -> bytes:
    numbers = (64, 1, status, command, 1, int(response), 0, message, 0, tree, 9)
    head = struct.pack("<4sHHIHHIIQIIQ16s", b"\xfeSMB", *numbers, bytes(16))
    return nbss(head + body)


def smb2_part(
    command: int, body: bytes, message: int, flags: int = 0, status: int = 0, tree: int = 5, session: int = 9
) -> bytes:
    """One command without the length in front; with flag 2 the tree is the high half of the number of a request."""
    numbers = (64, 1, status, command, 1, flags, 0, message, 0, tree, session)
    return struct.pack("<4sHHIHHIIQIIQ16s", b"\xfeSMB", *numbers, bytes(16)) + body


def compound(*parts: bytes) -> bytes:
    """A packet of several commands, each but the last padded to a multiple of eight bytes."""
    packet = b""
    for part in parts[:-1]:
        padded = part + bytes(-len(part) % 8)
        packet += padded[:20] + struct.pack("<I", len(padded)) + padded[24:]
    return nbss(packet + parts[-1])


def smb2_opened(size: int, handle: bytes) -> bytes:
    return struct.pack("<HBBI32sQQII", 89, 0, 0, 1, bytes(32), 8192, size, 32, 0) + handle + bytes(8)


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


HANDLE = bytes(range(1, 17))


def ntlm_authenticate(user: str, domain: str, workstation: str) -> bytes:
    fields, payload = b"", b""
    for value in (b"", b"", wide(domain), wide(user), wide(workstation), b""):
        fields += struct.pack("<HHI", len(value), len(value), 64 + len(payload))
        payload += value
    return b"NTLMSSP\0" + struct.pack("<I", 3) + fields + struct.pack("<I", 1) + payload


def ntlm_challenge(target: str, dns: str) -> bytes:
    pairs = b"".join(struct.pack("<HH", k, len(wide(v))) + wide(v) for k, v in ((1, target), (3, dns))) + bytes(4)
    head = b"NTLMSSP\0" + struct.pack("<IHHII", 2, 0, 0, 56, 0x0200_0001) + bytes(16)
    return head + struct.pack("<HHI", len(pairs), len(pairs), 56) + b"\x0a\0\x63\x45\0\0\0\x0f" + pairs


def setup(blob: bytes) -> bytes:
    return struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 88, len(blob), 0) + blob


def setup_answer(blob: bytes) -> bytes:
    return struct.pack("<HHHH", 9, 0, 72, len(blob)) + blob


def smb2_create(name: str) -> bytes:
    raw = wide(name)
    head = struct.pack("<HBBIQQIIIIIHHII", 57, 0, 0, 2, 0, 0, 0x00120089, 0, 7, 1, 0, 120, len(raw), 0, 0)
    return head + raw


def entry(name: str, size: int, last: bool) -> bytes:
    raw = wide(name)
    body = struct.pack("<I4sQQQQQQII", 0, b"", 0, 0, 0, 0, size, size, 32, len(raw)) + bytes(40) + raw
    body += bytes(-len(body) % 8)
    return body if last else struct.pack("<I", len(body)) + body[4:]


LISTING = entry(".", 0, False) + entry("plan.docx", 4711, True)
SMB2_TALK: Talk = [
    (True, smb2(0, struct.pack("<HHHHI16sQ", 36, 1, 1, 0, 0, bytes(16), 0) + b"\x11\x03", 0)),
    (False, smb2(0, struct.pack("<HHHH", 65, 1, 0x0311, 0) + bytes(57), 0, True)),
    (True, smb2(1, setup(b"NTLMSSP\0\1\0\0\0" + bytes(24)), 1)),
    (False, smb2(1, setup_answer(ntlm_challenge("FILES", "files.example.com")), 1, True, 0xC0000016)),
    (True, smb2(1, setup(ntlm_authenticate("jane", "EXAMPLE", "DESK1")), 2)),
    (False, smb2(1, setup_answer(b""), 2, True)),
    (True, smb2(3, struct.pack("<HHHH", 9, 0, 72, 24) + wide("\\\\files\\data"), 3)),
    (False, smb2(3, struct.pack("<HBBIII", 16, 1, 0, 0, 0, 0), 3, True, tree=5)),
    (True, smb2(5, smb2_create("docs\\plan.docx"), 4, tree=5)),
    (False, smb2(5, struct.pack("<HBBI32sQQII", 89, 0, 0, 1, bytes(32), 8192, 4711, 32, 0) + HANDLE + bytes(8), 4, True,
                 tree=5)),
    (True, smb2(8, struct.pack("<HBBIQ16s", 49, 80, 0, 4711, 0, HANDLE) + bytes(17), 5, tree=5)),
    (False, smb2(8, struct.pack("<HBBIII", 17, 80, 0, 4711, 0, 0) + bytes(4711), 5, True, tree=5)),
    (True, smb2(9, struct.pack("<HHIQ16s", 49, 112, 300, 0, HANDLE) + bytes(16) + bytes(300), 6, tree=5)),
    (False, smb2(9, struct.pack("<HHIII", 17, 0, 300, 0, 0), 6, True, tree=5)),
    (True, smb2(14, struct.pack("<HBBI16sHHI", 33, 37, 0, 0, HANDLE, 96, 2, 65536) + wide("*"), 7, tree=5)),
    (False, smb2(14, struct.pack("<HHI", 9, 72, len(LISTING)) + LISTING, 7, True, tree=5)),
    (True, smb2(17, struct.pack("<HBBIHHI16s", 33, 1, 10, 30, 96, 0, 0, HANDLE) + struct.pack("<QQI", 0, 0, 10)
                + wide("b.txt"), 8, tree=5)),
    (False, smb2(17, b"\x02\0", 8, True, 0xC0000022, tree=5)),
    (True, smb2(6, struct.pack("<HHI16s", 24, 1, 0, HANDLE), 9, tree=5)),
    (False, smb2(6, struct.pack("<HH", 60, 0) + bytes(56), 9, True, tree=5)),
]  # fmt: skip


def smb1(command: int, words: bytes, content: bytes, mid: int, response: bool = False, tree: int = 0) -> bytes:
    head = struct.pack("<4sBIBHH8sHHHHH", b"\xffSMB", command, 0, 0x80 if response else 0, 0x4001, 0, bytes(8), 0, tree,
                       7, 0, mid)  # fmt: skip
    return nbss(head + bytes([len(words) // 2]) + words + struct.pack("<H", len(content)) + content)


SMB1_TALK: Talk = [
    (True, smb1(0x72, b"", b"\x02PC NETWORK PROGRAM 1.0\0\x02NT LM 0.12\0", 1)),
    (False, smb1(0x72, struct.pack("<H", 1) + bytes(32), b"", 1, True)),
    (True, smb1(0x73, b"\xff\0\0\0" + struct.pack("<HHHIHHII", 4356, 10, 0, 0, 1, 0, 0, 0), b"\0JANE\0OFFICE\0W\0", 2)),
    (False, smb1(0x73, b"\xff\0\0\0\0\0", b"Samba\0X\0OFFICE\0", 2, True)),
    (True, smb1(0x75, b"\xff\0\0\0\0\0\1\0", b"\0" + b"\\\\SRV\\C$\0A:\0", 3)),
    (False, smb1(0x75, b"\xff\0\0\0\0\0", b"A:\0", 3, True, tree=8)),
    (True, smb1(0xA2, b"\xff\0\0\0\0" + struct.pack("<HIIIQIIIIIB", 8, 0, 0, 1, 0, 0, 7, 1, 0, 2, 0), b"\\old.txt\0", 4,
                tree=8)),
    (False, smb1(0xA2, b"\xff\0\0\0\0\x33\x44" + bytes(48) + struct.pack("<Q", 12) + bytes(5), b"", 4, True, tree=8)),
    (True, smb1(0x2F, b"\xff\0\0\0\x33\x44" + bytes(14) + b"\x05\0" + bytes(2), b"hello", 5, tree=8)),
    (False, smb1(0x2F, b"\xff\0\0\0\x05\0" + bytes(6), b"", 5, True, tree=8)),
    (True, smb1(0x04, b"\x33\x44" + bytes(4), b"", 6, tree=8)),
    (False, smb1(0x04, b"", b"", 6, True, tree=8)),
    (True, smb1(0x32, struct.pack("<HHHHBBHIHHHHHBBH", 21, 0, 10, 0, 0, 0, 0, 0, 0, 21, 68, 0, 0, 1, 0, 1),
                bytes(3) + bytes(12) + b"\\docs\\*\0", 9, tree=8)),
    (False, smb1(0x32, bytes(20), b"", 9, True, tree=8)),
    (True, smb1(0x07, b"\0\0", b"\x04\\old.txt\0\x04\\new.txt\0", 7, tree=8)),
    (False, smb1(0x07, b"", b"", 7, True, tree=8)),
]  # fmt: skip

# ---- DCE/RPC -----------------------------------------------------------------------------------------------------

EPMAPPER = bytes.fromhex("0883afe11f5dc91191a408002b14a0fa")
NDR = bytes.fromhex("045d888aeb1cc9119fe808002b104860") + struct.pack("<I", 2)


def rpc(kind: int, body: bytes, call: int = 1, flags: int = 3) -> bytes:
    return struct.pack("<BBBB4sHHI", 5, 0, kind, flags, b"\x10\0\0\0", 16 + len(body), 0, call) + body


DCERPC_TALK: Talk = [
    (True, rpc(11, struct.pack("<HHIBBH", 5840, 5840, 0, 1, 0, 0) + struct.pack("<HBB", 0, 1, 0) + EPMAPPER
               + struct.pack("<HH", 3, 0) + NDR)),
    (False, rpc(12, struct.pack("<HHIH", 5840, 5840, 1, 4) + b"135\0" + bytes(2) + struct.pack("<BBHHH", 1, 0, 0, 0, 0)
                + NDR)),
    (True, rpc(0, struct.pack("<IHH", 64, 0, 3) + bytes(64), 2)),
    (False, rpc(2, struct.pack("<IHBB", 900, 0, 0, 0) + bytes(900), 2)),
    (True, rpc(0, struct.pack("<IHH", 8, 0, 99) + bytes(8), 3)),
    (False, rpc(3, struct.pack("<IHBBI", 0, 0, 0, 0, 0x1C010002) + bytes(4), 3)),
]  # fmt: skip
PNIO = bytes.fromhex("0100a0de976cd111827100a02442df7d")


def rpc4(kind: int, body: bytes) -> bytes:
    head = struct.pack("<BBBB3sB", 4, kind, 0x20, 0, b"\x10\0\0", 0) + b"\xaa" * 16 + PNIO + b"\xbb" * 16
    return head + struct.pack("<IIIHHHHHBB", 0, 1, 7, 4, 0xFFFF, 0xFFFF, len(body), 0, 0, 0) + body


# ---- NFS ---------------------------------------------------------------------------------------------------------


def xdr(raw: bytes) -> bytes:
    return vector(raw, 4) + bytes(-len(raw) % 4)


UNIX = xdr(bytes(4) + xdr(b"client1") + struct.pack(">III", 1000, 100, 0))


def call(xid: int, program: int, version: int, procedure: int, body: bytes) -> bytes:
    return struct.pack(">6I", xid, 0, 2, program, version, procedure) + b"\0\0\0\1" + UNIX + bytes(8) + body


def reply(xid: int, body: bytes) -> bytes:
    return struct.pack(">6I", xid, 1, 0, 0, 0, 0) + body


def marked(message: bytes) -> bytes:
    return struct.pack(">I", 0x80000000 | len(message)) + message


GETPORT = call(1, 100000, 2, 3, struct.pack(">4I", 100003, 3, 6, 0))
LOOKUP = call(2, 100003, 3, 3, xdr(bytes(32)) + xdr(b"secret.txt"))
RENAME = call(3, 100003, 3, 14, xdr(bytes(32)) + xdr(b"a") + xdr(bytes(32)) + xdr(b"b"))
COMPOUND = call(
    4, 100003, 4, 1,
    xdr(b"") + struct.pack(">II", 0, 4) + struct.pack(">I", 22) + xdr(bytes(20)) + struct.pack(">I", 15) + xdr(b"dir")
    + struct.pack(">I", 10) + struct.pack(">III", 9, 1, 0x18),
)  # fmt: skip
NFS_TALK: Talk = [
    (True, marked(LOOKUP) + marked(RENAME) + marked(COMPOUND)),
    (False, marked(reply(2, struct.pack(">I", 2))) + marked(reply(3, bytes(8))) + marked(reply(4, bytes(8)))),
]
