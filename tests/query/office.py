"""A capture of an office in which everything happens that the saved queries look for and the sample captures lack.

Clients are 10.0.0.5 and 10.0.0.6, servers of the office 10.0.0.53 to 10.0.0.140, and outside 203.0.113.0/24,
198.51.100.0/24 and the well-known resolvers. All bytes are the same in each run.
"""

import datetime as dt
import struct
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from tests.dissect.samples import SAMPLES
from tests.dissect.samples_web import (
    HERE,
    answer,
    client_hello,
    dns,
    handshake_message,
    numbers,
    question,
    tls_record,
    vector,
)
from tests.dissect.samples_web import name as labels
from tests.support.packets import (
    ACK,
    FIN,
    MAC_A,
    MAC_B,
    MAC_C,
    PSH,
    SECOND,
    START,
    SYN,
    TYPE_ARP,
    Captured,
    End,
    arp,
    ethernet,
    ip,
    ip_frame,
    tcp_frame,
    udp,
    udp_frame,
)
from tests.support.pcap import pcap_file

CLIENT, COLLEAGUE, RESOLVER = "10.0.0.5", "10.0.0.6", "10.0.0.53"
Talk = Iterable[tuple[bool, bytes]]

IN_THE_CLEAR = (
    "ftp", "smtp", "pop3", "imap", "telnet", "mysql", "postgresql", "tds", "redis", "mqtt", "socks", "irc", "xmpp",
    "amqp", "cassandra", "ldap", "smb", "nfs", "rdp", "vnc", "sip", "rtsp",
)  # fmt: skip
"""Conversations over TCP that clients have with a server of their own each."""
DATAGRAMS = ("snmp", "tftp", "kerberos", "wireguard", "ipsec")

HOP = 500_000
"""Nanoseconds from one packet of a conversation to the next."""


class Story:
    """Packets of a capture; every conversation begins a second after the one before, unless it says otherwise."""

    def __init__(self) -> None:
        self.packets: list[Captured] = []
        self.now = START
        self._port = 40_000

    def _client(self, address: str) -> End:
        self._port += 1
        return address, self._port

    def say(self, *frames: bytes, at: int | None = None) -> None:
        """Add frames."""
        begin = self.now if at is None else at
        self.packets += [Captured(begin + place * HOP, frame) for place, frame in enumerate(frames)]
        if at is None:
            self.now += SECOND

    def datagrams(self, client: str, server: End, talk: Talk, at: int | None = None) -> None:
        """Add a conversation of UDP."""
        source = self._client(client)
        self.say(*(udp_frame(source, server, d) if mine else udp_frame(server, source, d) for mine, d in talk), at=at)

    def connection(
        self, client: str, server: End, talk: Talk, *, at: int | None = None, window: int = 8192, close: bool = True
    ) -> None:
        """Add a connection of TCP; the server announces ``window`` while it answers."""
        a, b, mine, theirs = self._client(client), server, 101, 501
        frames = [tcp_frame(a, b, 100, 0, SYN), tcp_frame(b, a, 500, 101, SYN | ACK), tcp_frame(a, b, 101, 501, ACK)]
        for from_client, data in talk:
            for begin in range(0, len(data), 50_000):
                part = data[begin : begin + 50_000]
                if from_client:
                    frames.append(tcp_frame(a, b, mine, theirs, PSH | ACK, part))
                    mine += len(part)
                    frames.append(tcp_frame(b, a, theirs, mine, ACK, window=window))
                else:
                    frames.append(tcp_frame(b, a, theirs, mine, PSH | ACK, part))
                    theirs += len(part)
        if close:
            frames += [tcp_frame(a, b, mine, theirs, FIN | ACK), tcp_frame(b, a, theirs, mine + 1, FIN | ACK)]
            frames.append(tcp_frame(a, b, mine + 1, theirs + 1, ACK))
        self.say(*frames, at=at)

    def ask(self, name: str, *addresses: str, kind: int = 1, code: int = 0, client: str = CLIENT) -> None:
        """Add a DNS question and its answer."""
        asked = (question(name, kind),)
        given = tuple(answer(HERE, 1, bytes(map(int, address.split("."))), 60) for address in addresses)
        reply = dns(0x8180 | code, asked, given)
        self.datagrams(client, (RESOLVER, 53), ((True, dns(0x0100, asked)), (False, reply)))


def certificate(name: str, sans: tuple[str, ...], begin: dt.datetime, days: int, issuer: str | None = None) -> bytes:
    """A certificate (DER) with a key and serial number that are always the same."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer or name)]
    made = (
        x509.CertificateBuilder()
        .subject_name(named[0])
        .issuer_name(named[1])
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(san) for san in sans]), critical=False)
        .sign(key, None)
    )
    return made.public_bytes(serialization.Encoding.DER)


def hello(sni: str, *, version: int = 0x0303, alpn: bytes = b"", ciphers: tuple[int, ...] = (0xC02F, 0xC030)) -> bytes:
    """A record with a ClientHello."""
    extensions = [(0, vector(b"\0" + vector(sni.encode()))), (10, vector(numbers(29)))]
    if alpn:
        extensions.append((16, vector(vector(alpn, 1))))
    return tls_record(22, handshake_message(1, client_hello(ciphers, tuple(extensions), version)))


def tls(sni: str, der: bytes, *, version: int = 0x0303, alpn: bytes = b"") -> Talk:
    """A handshake up to the change to encryption."""
    chosen = struct.pack(">H", version) + bytes(32) + b"\0" + numbers(0xC02F) + b"\0"
    chain = handshake_message(11, vector(vector(der, 3), 3))
    flight = tls_record(22, handshake_message(2, chosen) + chain + handshake_message(14, b""), version)
    secret = tls_record(20, b"\1", version) + tls_record(22, bytes(40), version)
    keys = tls_record(22, handshake_message(16, bytes(33)), version)
    data = tls_record(23, bytes(100), version)
    return ((True, hello(sni, version=version, alpn=alpn)), (False, flight), (True, keys + secret), (False, secret),
            (True, data), (False, data))  # fmt: skip


def http(host: str, target: str = "/", *, method: str = "GET", body: int = 0, status: str = "200 OK",
         kind: str = "text/html", size: int = 5, agent: str = "Mozilla/5.0") -> Talk:  # fmt: skip
    """A request and its response."""
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n"
    head += f"Content-Type: application/octet-stream\r\nContent-Length: {body}\r\n" if body else ""
    reply = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n"
    return (True, head.encode() + b"\r\n" + bytes(body)), (False, reply.encode() + b"x" * size)


def names(story: Story) -> None:
    """Questions to the resolver: long names below one domain, an address that changes, a failure."""
    for number in range(24):
        story.ask(f"{number:02x}{'5a' * 24}.x{number % 3}.tunnel.example", kind=16, code=3)
    story.ask("www.moved.example", "203.0.113.1", "203.0.113.2")
    story.ask("www.moved.example", "203.0.113.2", "203.0.113.1", client=COLLEAGUE)
    story.ask("www.moved.example", "203.0.113.3")
    story.ask("broken.example", code=2)
    for client in (CLIENT, COLLEAGUE):
        story.ask("www.shop.example", "203.0.113.11", client=client)
    story.datagrams(CLIENT, ("8.8.8.8", 53), ((True, dns(0x0100, (question("direct.example"),))),))


def handshakes(story: Story) -> None:
    """TLS: an old version, certificates with faults, a failure, DNS over TLS, a name that DNS did not give; QUIC."""
    year = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)  # the capture is of November 2023
    good = certificate("www.shop.example", ("www.shop.example",), year, 3650, "Some Authority")
    expired = certificate("old.example", ("old.example", "*.old.example"), year, 30)
    for client in (CLIENT, COLLEAGUE):
        story.connection(client, ("203.0.113.11", 443), tls("www.shop.example", good))
    story.connection(CLIENT, ("203.0.113.12", 443), tls("printer.example", expired, version=0x0301))
    story.connection(CLIENT, ("203.0.113.12", 443), tls("sub.old.example", expired, version=0x0302))
    story.connection(CLIENT, ("203.0.113.13", 443), tls("hidden.example", good, alpn=b"h2"))
    story.connection(CLIENT, ("1.1.1.1", 853), tls("cloudflare-dns.com", good, alpn=b"dot"))
    fatal = tls_record(21, b"\x02\x28")
    story.connection(COLLEAGUE, ("203.0.113.14", 443), ((True, hello("strict.example")), (False, fatal)))
    story.datagrams(CLIENT, ("203.0.113.15", 443), SAMPLES["quic"][0].talk)


def web(story: Story) -> None:
    """HTTP: a large upload, downloads, errors, a bare address, a port of no service; many bytes to one address."""
    story.connection(
        CLIENT, ("203.0.113.20", 80), http("up.example", "/in", method="POST", body=200_000, agent="curl/8.5")
    )
    story.connection(CLIENT, ("203.0.113.20", 80), http("get.example", "/setup.exe", kind="application/x-msdownload"))
    story.connection(COLLEAGUE, ("203.0.113.20", 80), http("get.example", "/page"))
    for number in range(3):
        story.connection(CLIENT, ("203.0.113.20", 80), http("up.example", f"/{number}", status="503 Busy"))
    story.connection(CLIENT, ("203.0.113.21", 8765), http("203.0.113.21:8765", "/task", agent="agent/1"))
    story.connection(CLIENT, ("203.0.113.22", 443), ((True, bytes([0xFF]) * 1_200_000), (False, b"\xff" * 90)))
    story.connection(CLIENT, ("203.0.113.23", 9999), ((True, bytes([0xFE]) * 1000),), window=0)


def others(story: Story) -> None:
    """SSH from outside and inside, a tunnel, groups, two cards of one address, a lease, two hosts of one name, and an
    interval of almost a minute, seven times.
    """
    for number in range(7):
        story.connection(CLIENT, ("10.0.0.22", 22), SAMPLES["ssh"][0].talk, at=story.now + number * SECOND)
    story.now += 10 * SECOND
    story.connection("198.51.100.9", ("10.0.0.22", 22), SAMPLES["ssh"][0].talk)
    inner = ip("192.168.7.1", "192.168.7.2", 17, udp(5000, 5001, b"inside"))
    story.say(ip_frame(CLIENT, "203.0.113.60", 47, struct.pack(">HH", 0, 0x0800) + inner))
    story.say(ethernet(ip(CLIENT, "239.255.255.250", 17, udp(50_000, 1900, SAMPLES["ssdp"][0].talk[0][1]))))
    story.say(*(ethernet(arp(2, "10.0.0.22", CLIENT, mac), TYPE_ARP, src=mac) for mac in (MAC_A, MAC_C, MAC_A)))
    asked, given = (data for _, data in SAMPLES["dhcp"][0].talk)
    story.say(
        udp_frame(("0.0.0.0", 68), ("255.255.255.255", 67), asked),
        udp_frame(("10.0.0.1", 67), ("10.0.0.77", 68), given),
    )
    for host, mac in ((71, MAC_B), (72, MAC_C)):
        stated = dns(0x8400, (), (answer(labels("printer.local"), 1, bytes((10, 0, 0, host)), 120, 0x8001),), txid=0)
        story.say(ethernet(ip(f"10.0.0.{host}", "224.0.0.251", 17, udp(5353, 5353, stated)), src=mac))
    for beat, late in enumerate((0, 300, 100, 500, 0, 200, 400, 100)):
        at = story.now + beat * 60 * SECOND + late * 1_000_000
        story.connection(COLLEAGUE, ("203.0.113.30", 80), http("status.example", "/beat", agent="status/2"), at=at)
    story.now += 500 * SECOND


def write_office(path: Path) -> Path:
    """Write the capture."""
    story = Story()
    for number, name in enumerate(IN_THE_CLEAR):
        sample = next(s for s in SAMPLES[name] if s.transport == "tcp")
        story.connection(CLIENT, (f"10.0.0.{100 + number}", sample.port), sample.talk)
    for number, name in enumerate(DATAGRAMS):
        sample = SAMPLES[name][0]
        story.datagrams(CLIENT, (f"10.0.0.{130 + number}", sample.port), sample.talk)
    for part in (names, handshakes, web, others):
        part(story)
    path.write_bytes(pcap_file(sorted(story.packets, key=lambda packet: packet.ts)))
    return path
