"""Conversations of the services of a network: addresses, time, names, files, logs, telephones, machines."""

import struct

from tests.dissect.samples_domain import (
    AS_REP,
    AS_REQ,
    DCERPC_TALK,
    GETPORT,
    KRB_ERROR,
    LDAP_SEARCH,
    LDAP_TALK,
    NFS_TALK,
    SMB1_TALK,
    SMB2_TALK,
    ldap,
    num,
    octets,
    oid,
    prefixed,
    reply,
    result,
    rpc4,
    tlv,
)
from tests.dissect.samples_web import Talk

# ---- DHCP --------------------------------------------------------------------------------------------------------


def dhcp_message(op: int, options: bytes, ciaddr: bytes = bytes(4), yiaddr: bytes = bytes(4)) -> bytes:
    head = struct.pack(">BBBBIHH", op, 1, 6, 0, 0x12345678, 0, 0x8000) + ciaddr + yiaddr + bytes(8)
    return head + bytes.fromhex("0800279bd211").ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63" + options


def option(code: int, value: bytes) -> bytes:
    return bytes([code, len(value)]) + value


DHCP_REQUEST = dhcp_message(
    1,
    option(53, b"\3") + option(50, bytes([192, 168, 1, 50])) + option(12, b"laptop") + option(60, b"MSFT 5.0")
    + option(55, b"\x01\x03\x06\x0f") + option(61, b"\x01\x08\x00\x27\x9b\xd2\x11") + option(81, b"\0\0\0laptop.lan")
    + b"\xff" + bytes(8),
)  # fmt: skip
DHCP_ACK = dhcp_message(
    2,
    option(53, b"\5") + option(54, bytes([192, 168, 1, 1])) + option(51, struct.pack(">I", 3600))
    + option(1, bytes([255, 255, 255, 0])) + option(3, bytes([192, 168, 1, 1])) + option(15, b"lan\0")
    + option(6, bytes([192, 168, 1, 1, 8, 8, 8, 8])) + option(12, b"laptop") + b"\xff",
    yiaddr=bytes([192, 168, 1, 50]),
)  # fmt: skip


def option6(code: int, value: bytes) -> bytes:
    return struct.pack(">HH", code, len(value)) + value


DUID = bytes.fromhex("000100012422f1b3080027e6e559")
IP6 = bytes.fromhex("20010db8000000000000000000000042")
DHCPV6_REPLY = (
    b"\x07\x01\x02\x03" + option6(1, DUID) + option6(2, b"\0\3\0\1\xaa\xbb\xcc\xdd\xee\xff")
    + option6(3, bytes(12) + option6(5, IP6 + struct.pack(">II", 1800, 3600)))
    + option6(25, bytes(12) + option6(26, struct.pack(">IIB", 900, 1800, 56) + bytes.fromhex("20010db8") + bytes(12)))
    + option6(23, IP6) + option6(24, b"\x03lan\x00\x07example\x03org\0") + option6(39, b"\1\x06laptop\x03lan\0")
    + option6(13, b"\0\0fine")
)  # fmt: skip
DHCPV6_SOLICIT = b"\x01\x01\x02\x03" + option6(1, DUID) + option6(6, b"\0\x17\0\x18") + option6(8, b"\0\0")
DHCPV6_RELAYED = (
    b"\x0c\x01" + IP6 + IP6 + option6(18, b"eth0") + option6(79, b"\0\1\x0a\x0b\x0c\x0d\x0e\x0f")
    + option6(9, DHCPV6_SOLICIT)
)  # fmt: skip

# ---- NTP ---------------------------------------------------------------------------------------------------------

SECOND = 2_208_988_801 << 32
"""Timestamp of the second at which the harness's clock starts."""


def ntp(first: int, stratum: int, originate: int = 0, receive: int = 0, transmit: int = 0) -> bytes:
    head = struct.pack(">BBbbII4s", first, stratum, 6, -20, 0x10000, 0x8000, bytes([192, 0, 2, 9]) if stratum else b"")
    return head + struct.pack(">QQQQ", 0, originate, receive, transmit)


NTP_TALK: Talk = [
    (True, ntp(0x23, 0, transmit=SECOND)),
    (False, ntp(0x24, 2, SECOND, SECOND + (1 << 31), SECOND + (1 << 31))),
]
NTP_CONTROL = b"\x16\x02\0\1\0\0\0\0\0\0\0\0"
NTP_MONLIST = b"\x97\x00\x03\x2a" + struct.pack(">HH", 1, 72) + bytes(72)

# ---- SNMP --------------------------------------------------------------------------------------------------------

SYS_NAME = "2b06010201010500"


def snmp(version: int, community: str, pdu: int, request: int, *bindings: bytes) -> bytes:
    inner = tlv(pdu, num(request), num(0), num(0), tlv(0x30, *bindings))
    return tlv(0x30, num(version), octets(community), inner)


SNMP_GET = snmp(1, "public", 0xA0, 77, tlv(0x30, oid(SYS_NAME), b"\x05\0"))
SNMP_RESPONSE = snmp(1, "public", 0xA2, 77, tlv(0x30, oid(SYS_NAME), octets("core-switch")))
SNMP_TRAP = tlv(
    0x30, num(0), octets("traps"),
    tlv(0xA4, oid("2b060104010903"), octets(bytes([10, 0, 0, 1]), 0x40), num(6), num(42), num(9, 0x43), tlv(0x30)),
)  # fmt: skip


def snmp_3(flags: int, scoped: bytes) -> bytes:
    header = tlv(0x30, num(9), num(65507), octets(bytes([flags])), num(3))
    user = tlv(0x30, octets(b"\x80\0\x1f\x88"), num(3), num(700), octets("admin"), octets(bytes(12)), octets(bytes(8)))
    return tlv(0x30, num(3), header, octets(user), scoped)


SNMP_3 = snmp_3(1, tlv(0x30, octets(b"\x80\0"), octets(""), tlv(0xA0, num(5), num(0), num(0), tlv(0x30))))
SNMP_3_ENCRYPTED = snmp_3(3, octets(bytes(range(40))))

# ---- SSDP, syslog, SIP, RTSP -------------------------------------------------------------------------------------

SSDP_SEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 2\r\nST: ssdp:all\r\n'
    b"USER-AGENT: Test/1.0\r\n\r\n"
)
SSDP_ANSWER = (
    b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\nLOCATION: http://192.0.2.7:80/d.xml\r\n"
    b"SERVER: Linux UPnP/1.0 Hue/1.0\r\nST: upnp:rootdevice\r\nUSN: uuid:1::upnp:rootdevice\r\n\r\n"
)
SSDP_NOTIFY = (
    b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: upnp:rootdevice\r\nNTS: ssdp:byebye\r\nUSN: uuid:1\r\n\r\n"
)

SYSLOG_5424 = b'<165>1 2003-08-24T05:14:15.000003-07:00 host.example evntslog 8710 ID47 [x@1 a="b"] Something failed'
SYSLOG_3164 = b"<34>Oct 11 22:14:15 mymachine su[123]: 'su root' failed for lonvick on /dev/pts/8"
SYSLOG_CISCO = b"<187>39: R1: *Sep 22 13:39:11.250: %LINK-3-UPDOWN: Interface Ethernet0/2, changed state to up"

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8\r\n"
    b"m=video 51372/2 RTP/SAVP 99\r\nc=IN IP6 2001:db8::5\r\n"
)
SIP_INVITE = (
    b"INVITE sip:bob@biloxi.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.5:5060;branch=z9hG4bK1\r\n"
    b'From: "Alice" <sip:alice@atlanta.example>;tag=1\r\nt: sip:bob@biloxi.example\r\nCall-ID: a84b4c76e66710\r\n'
    b"CSeq:  314159   INVITE\r\nContact: <sip:alice@192.0.2.5>\r\nUser-Agent: Phone/1\r\n"
    b'Authorization: Digest username="alice", realm="x", response="secret"\r\n'
    b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(SDP) + SDP
)
SIP_RINGING = (
    b"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.5:5060\r\nFrom: <sip:alice@atlanta.example>\r\n"
    b"To: <sip:bob@biloxi.example>;tag=2\r\nCall-ID: a84b4c76e66710\r\nCSeq: 314159 INVITE\r\nServer: Proxy/2\r\n"
    b"Content-Length: 0\r\n\r\n"
)

RTSP_TALK: Talk = [
    (True, b"DESCRIBE rtsp://h.example/s RTSP/1.0\r\nCSeq: 2\r\nUser-Agent: VLC\r\nAuthorization: Basic eA==\r\n\r\n"),
    (False, b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nServer: Cam/1\r\nContent-Type: application/sdp\r\n"
     b"Content-Length: %d\r\n\r\n"
     % len(SDP) + SDP),
    (True, b"SETUP rtsp://h.example/s/1 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP;client_port=5000-5001\r\n\r\n"),
    (False, b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 77\r\nTransport: RTP/AVP;client_port=50;server_port=60\r\n\r\n"),
    (False, b"$\0\0\x05media"),
    (True, b"TEARDOWN rtsp://h.example/s RTSP/1.0\r\nCSeq: 4\r\nSession: 77\r\n\r\n"),
]  # fmt: skip

# ---- NetBIOS -----------------------------------------------------------------------------------------------------


def encoded(name: str, suffix: int) -> bytes:
    raw = name.encode().ljust(15) + bytes([suffix])
    return b"\x20" + b"".join(bytes([65 + (b >> 4), 65 + (b & 15)]) for b in raw) + b"\0"


NETBIOS_REGISTRATION = (
    struct.pack(">6H", 7, 0x2910, 1, 0, 0, 1) + encoded("WS1", 0) + b"\0\x20\0\1\xc0\x0c"
    + struct.pack(">HHIH", 0x20, 1, 300000, 6) + b"\0\0" + bytes([192, 0, 2, 1])
)  # fmt: skip
NETBIOS_STATUS = struct.pack(">6H", 8, 0x8400, 0, 1, 0, 0) + encoded("*", 0).replace(b"CA" * 14, b"AA" * 14) + (
    struct.pack(">HHIH", 0x21, 1, 0, 1 + 36 + 46) + b"\x02" + b"SERVER         \0\x04\0" + b"WORKGROUP      \0\x84\0"
    + bytes.fromhex("0800279bd211") + bytes(40)
)  # fmt: skip
NETBIOS_QUERY = struct.pack(">6H", 9, 0x0110, 1, 0, 0, 0) + encoded("SERVER", 0x20) + b"\0\x20\0\1"


def browser(body: bytes, wide: bool = False) -> bytes:
    name = "\\MAILSLOT\\BROWSE\0"
    slot = b"\0" + name.encode("utf-16-le") if wide else name.encode()
    at = 69 + len(slot)
    words = struct.pack("<HHHHBBHIHHHHHBB", 0, len(body), 0, 0, 0, 0, 0, 0, 0, 0, 0, len(body), at, 3, 0)
    head = (
        b"\xffSMB\x25"
        + bytes(6)
        + bytes([0x80 * wide])
        + bytes(20)
        + bytes([17])
        + words
        + struct.pack("<HHH", 1, 0, 2)
    )
    return head + struct.pack("<H", len(body) + len(slot)) + slot + body


ANNOUNCEMENT = (
    struct.pack("<BBI16sBBI", 1, 0, 60000, b"WS1", 10, 0, 0x1003) + struct.pack("<BBH", 15, 1, 0xAA55) + b"Reception\0"
)
NETBIOS_DATAGRAM, NETBIOS_WIDE_DATAGRAM = (
    b"\x11\x0a\0\x09" + bytes([192, 0, 2, 1]) + struct.pack(">HHH", 138, 187, 0) + encoded("WS1", 0)
    + encoded("WORKGROUP", 0x1D) + browser(ANNOUNCEMENT, wide)
    for wide in (False, True)
)  # fmt: skip
NETBIOS_SESSION: Talk = [
    (True, b"\x81\0\0\x44" + encoded("SERVER", 0x20) + encoded("WS1", 0)),
    (False, b"\x83\0\0\x01\x82"),
]

# ---- BitTorrent, TFTP --------------------------------------------------------------------------------------------

INFO_HASH = bytes(range(20))


def handshake(peer: bytes, reserved: bytes = b"\0\0\0\0\0\x10\0\5") -> bytes:
    return b"\x13BitTorrent protocol" + reserved + INFO_HASH + peer


EXTENDED = b"\x14\0d1:md11:ut_metadatai3ee1:pi6881e1:v16:qBittorrent/4.6 6:yourip4:\x01\x02\x03\x04e"
BITTORRENT_TALK: Talk = [
    (True, handshake(b"-qB4600-abcdefghijkl") + prefixed(EXTENDED) + b"\0\0\0\1\2"),
    (False, handshake(b"-TR4050-\0\xffcdefghijkl", bytes(8)) + b"\0\0\0\1\1"),
]
DHT_QUERY = (
    b"d1:ad2:id20:" + INFO_HASH + b"9:info_hash20:" + INFO_HASH + b"e1:q9:get_peers1:t2:aa1:v4:LT\1\2" + b"1:y1:qe"
)
DHT_RESPONSE = b"d2:ip6:\1\2\3\4\5\6" + b"1:rd2:id20:" + INFO_HASH + b"5:nodes26:" + bytes(26) + b"e1:t2:aa1:y1:re"
DHT_ERROR = b"d1:eli201e4:Nopee1:t2:aa1:y1:ee"
LSD = (
    b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: "
    + INFO_HASH.hex().encode()
    + b"\r\n\r\n"
)
UTP_SYN = struct.pack(">BBHIIIHH", 0x41, 0, 99, 1, 0, 65536, 1, 0)
TRACKER_CONNECT = bytes.fromhex("0000041727101980") + bytes(4) + b"\1\2\3\4"
TRACKER_CONNECTED = bytes(4) + b"\1\2\3\4" + bytes(range(8))
TRACKER_ANNOUNCE = (
    bytes(range(8)) + b"\0\0\0\1\1\2\3\5" + INFO_HASH + b"-DE2110-abcdefghijkl" + bytes(24)
    + struct.pack(">IIIiH", 2, 0, 0, -1, 6881)
)  # fmt: skip
TRACKER_ANNOUNCED = struct.pack(">5I", 1, 0x01020305, 1800, 3, 4) + bytes(12)

TFTP_READ = b"\0\1firmware.bin\0octet\0blksize\x001428\0tsize\x000\0"
TFTP_OPTIONS = b"\0\6blksize\x001428\0tsize\x0070000\0"
TFTP_ERROR = b"\0\5\0\1File not found\0"

# ---- Modbus, DNP3, BGP -------------------------------------------------------------------------------------------


def mbap(txid: int, body: bytes) -> bytes:
    return struct.pack(">HHH", txid, 0, len(body)) + body


MODBUS_TALK: Talk = [
    (True, mbap(1, b"\x11\x03\0\x6b\0\3")),
    (False, mbap(1, b"\x11\x03\x06\xae\x41\x56\x52\x43\x40")),
    (True, mbap(2, b"\x11\x03\0\x6b\0\3")),
    (False, mbap(2, b"\x11\x03\x06\xae\x41\x56\x52\x43\x40")),
    (True, mbap(3, b"\x11\x05\0\xac\xff\0")),
    (False, mbap(3, b"\x11\x85\2")),
    (True, mbap(4, b"\x11\x04\0\1\0\1")),
]


def dnp3(control: int, destination: int, source: int, data: bytes) -> bytes:
    """A frame; its checksums are computed bit by bit, as the specification says."""

    def summed(block: bytes) -> bytes:
        value = 0
        for byte in block:
            for bit in range(8):
                feedback = (value ^ byte >> bit) & 1
                value = value >> 1 ^ (0xA6BC if feedback else 0)
        return block + struct.pack("<H", value ^ 0xFFFF)

    head = struct.pack("<BBBBHH", 5, 0x64, 5 + len(data), control, destination, source)
    return summed(head) + b"".join(summed(data[i : i + 16]) for i in range(0, len(data), 16))


DNP3_TALK: Talk = [
    (True, dnp3(0xC4, 1, 2, b"\xc0\xc1\x01\x3c\x02\x06\x3c\x03\x06")),
    (False, dnp3(0x44, 2, 1, b"\xc0\xc1\x81\x90\x00\x1e\x02\x01" + bytes(20))),
    (True, dnp3(0xC0, 1, 2, b"")),
]
BGP_OPEN = (
    b"\xff" * 16 + struct.pack(">HBBHH4sB", 29 + 24, 1, 4, 23456, 180, bytes([10, 0, 0, 1]), 24)
    + b"\2\x06\1\4\0\2\0\1" + b"\2\x06\x41\4" + struct.pack(">I", 4_200_000_001) + b"\2\x06\x49\4\2r1\0"
)  # fmt: skip


def attribute(kind: int, value: bytes) -> bytes:
    return bytes([0x40, kind, len(value)]) + value


ATTRIBUTES = (
    attribute(1, b"\0") + attribute(2, b"\2\2" + struct.pack(">II", 64500, 4_200_000_001))
    + attribute(3, bytes([10, 0, 0, 1]))
    + attribute(4, struct.pack(">I", 50)) + attribute(8, struct.pack(">HH", 64500, 100))
    + attribute(14, b"\0\2\1\x10" + IP6 + b"\0" + b"\x20\x20\x01\x0d\xb8")
)  # fmt: skip
UPDATE_BODY = (
    struct.pack(">H", 4) + b"\x18\xc0\0\2" + struct.pack(">H", len(ATTRIBUTES)) + ATTRIBUTES + b"\x18\xcb\0\x71\x08\x0a"
)
BGP_UPDATE = b"\xff" * 16 + struct.pack(">HB", 19 + len(UPDATE_BODY), 2) + UPDATE_BODY
BGP_CEASE = b"\xff" * 16 + struct.pack(">HB", 19 + 8, 3) + b"\6\2\5maint"
KEEPALIVE = b"\xff" * 16 + b"\0\x13\4"
BGP_TALK: Talk = [(True, BGP_OPEN + KEEPALIVE), (False, BGP_OPEN), (False, KEEPALIVE + BGP_UPDATE), (True, BGP_CEASE)]

SERVICES: dict[str, tuple[tuple[str, int, tuple[tuple[bool, bytes], ...]], ...]] = {
    "dhcp": (("udp", 67, ((True, DHCP_REQUEST), (False, DHCP_ACK))),),
    "dhcpv6": (
        ("udp", 547, ((True, DHCPV6_SOLICIT), (False, DHCPV6_REPLY))),
        ("udp", 547, ((True, DHCPV6_RELAYED),)),
    ),
    "ntp": (
        ("udp", 123, tuple(NTP_TALK)),
        ("udp", 123, ((True, NTP_CONTROL),)),
        ("udp", 123, ((False, NTP_MONLIST),)),
    ),
    "snmp": (
        ("udp", 161, ((True, SNMP_GET), (False, SNMP_RESPONSE))),
        ("udp", 162, ((True, SNMP_TRAP),)),
        ("udp", 161, ((True, SNMP_3), (False, SNMP_3_ENCRYPTED))),
    ),
    "ssdp": (
        ("udp", 1900, ((True, SSDP_SEARCH), (False, SSDP_ANSWER))),
        ("udp", 1900, ((True, SSDP_NOTIFY),)),
    ),
    "syslog": (
        ("udp", 514, ((True, SYSLOG_5424),)),
        ("udp", 514, ((True, SYSLOG_CISCO),)),
        ("tcp", 514, ((True, SYSLOG_3164 + b"\n" + SYSLOG_5424 + b"\n"),)),
        ("tcp", 601, ((True, b"%d %b%d %b" % (len(SYSLOG_5424), SYSLOG_5424, len(SYSLOG_3164), SYSLOG_3164)),)),
    ),
    "sip": (
        ("udp", 5060, ((True, SIP_INVITE), (False, SIP_RINGING))),
        ("tcp", 5060, ((True, SIP_INVITE * 2), (False, SIP_RINGING))),
    ),
    "rtsp": (("tcp", 554, tuple(RTSP_TALK)),),
    "netbios": (
        ("udp", 137, ((True, NETBIOS_REGISTRATION), (False, NETBIOS_STATUS))),
        ("udp", 137, ((True, NETBIOS_QUERY),)),
        ("udp", 138, ((True, NETBIOS_DATAGRAM),)),
        ("tcp", 139, tuple(NETBIOS_SESSION)),
    ),
    "kerberos": (
        ("udp", 88, ((True, AS_REQ), (False, AS_REP))),
        ("tcp", 88, ((True, prefixed(AS_REQ) * 2), (False, prefixed(KRB_ERROR) + prefixed(AS_REP)))),
    ),
    "ldap": (
        ("tcp", 389, tuple(LDAP_TALK)),
        ("udp", 389, ((True, ldap(2, 0x63, LDAP_SEARCH)), (False, ldap(2, 0x65, result(0))))),
    ),
    "smb": (("tcp", 445, tuple(SMB2_TALK)), ("tcp", 445, tuple(SMB1_TALK))),
    "dcerpc": (
        ("tcp", 135, tuple(DCERPC_TALK)),
        ("udp", 34964, ((True, rpc4(0, bytes(20))), (False, rpc4(2, bytes(20))))),
    ),
    "nfs": (
        ("udp", 111, ((True, GETPORT), (False, reply(1, struct.pack(">I", 2049))))),
        ("tcp", 2049, tuple(NFS_TALK)),
    ),
    "bittorrent": (
        ("tcp", 6881, tuple(BITTORRENT_TALK)),
        ("udp", 6881, ((True, DHT_QUERY), (False, DHT_RESPONSE))),
        ("udp", 6881, ((False, DHT_ERROR),)),
        ("udp", 6771, ((True, LSD),)),
        ("udp", 51413, ((True, UTP_SYN),)),
        ("udp", 6969, ((True, TRACKER_CONNECT),)),
    ),
    "tftp": (("udp", 69, ((True, TFTP_READ), (False, TFTP_OPTIONS))), ("udp", 69, ((False, TFTP_ERROR),))),
    "modbus": (("tcp", 502, tuple(MODBUS_TALK)),),
    "dnp3": (("tcp", 20000, tuple(DNP3_TALK)), ("udp", 20000, tuple(DNP3_TALK))),
    "bgp": (("tcp", 179, tuple(BGP_TALK)),),
}
"""By protocol: transport, port and conversation."""
