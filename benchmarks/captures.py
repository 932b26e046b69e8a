"""Captures to measure with, always the same bytes for the same size, written by ``struct`` alone.

``mix``: many small flows, about 55 % of the packets HTTP, 36 % TLS hellos, 9 % DNS. ``bulk``: sixteen TCP
connections that move data in full segments, a few of them with losses.
"""

import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

START = 1_700_000_000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MAGIC = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
MACS = b"\x02\0\0\0\0\2\x02\0\0\0\0\1"
SEGMENT = 1_448

IP_HEAD = struct.Struct(">BBHHHBBH4s4s")
TCP_HEAD = struct.Struct(">HHIIBBHHH")
RECORD = struct.Struct("<IIII")


class Pcap:
    """Writes a classic pcap; time moves on by a fixed step with each packet."""

    def __init__(self, path: Path, step_us: int) -> None:
        self.file = path.open("wb", buffering=1 << 20)
        self.file.write(MAGIC)
        self.count = 0
        self.now = 0
        self.step = step_us

    def frame(self, packet: bytes) -> None:
        """Write one IPv4 packet in an Ethernet frame."""
        size = len(packet) + 14
        seconds, micro = divmod(self.now, 1_000_000)
        self.file.write(RECORD.pack(START + seconds, micro, size, size) + MACS + b"\x08\0" + packet)
        self.now += self.step
        self.count += 1

    def tcp(self, ends: tuple[bytes, bytes, int, int], seq: int, ack: int, flags: int, data: bytes = b"") -> None:
        """Write one TCP segment."""
        src, dst, sport, dport = ends
        head = TCP_HEAD.pack(sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 0x2000, 0, 0)
        self.frame(IP_HEAD.pack(0x45, 0, 40 + len(data), self.count & 0xFFFF, 0x4000, 64, 6, 0, src, dst) + head + data)

    def udp(self, ends: tuple[bytes, bytes, int, int], data: bytes) -> None:
        """Write one UDP datagram."""
        src, dst, sport, dport = ends
        head = struct.pack(">HHHH", sport, dport, 8 + len(data), 0)
        self.frame(IP_HEAD.pack(0x45, 0, 28 + len(data), self.count & 0xFFFF, 0, 64, 17, 0, src, dst) + head + data)


def client_hello(name: bytes) -> bytes:
    """TLS record with a ClientHello (RFC 8446) that names its server."""
    sni = struct.pack(">HHBH", len(name) + 5, len(name) + 3, 0, len(name)) + name
    extensions = struct.pack(">H", 0) + sni + bytes.fromhex("000a00080006001d00170018000b00020100")
    extensions += bytes.fromhex("000d000a0008040308040401050300100005000302683200170000")
    suites = bytes.fromhex("130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035")
    body = b"\x03\x03" + bytes(range(32)) + b"\x20" + bytes(32) + struct.pack(">H", len(suites)) + suites + b"\1\0"
    body += struct.pack(">H", len(extensions)) + extensions
    return struct.pack(">BHH", 22, 0x0301, len(body) + 4) + struct.pack(">I", 1 << 24 | len(body)) + body


def server_hello() -> bytes:
    """TLS record with a ServerHello."""
    body = b"\x03\x03" + bytes(range(32)) + b"\x20" + bytes(32) + b"\x13\x01\0" + bytes.fromhex("0006002b00020304")
    return struct.pack(">BHH", 22, 0x0303, len(body) + 4) + struct.pack(">I", 2 << 24 | len(body)) + body


def dns_name(name: bytes) -> bytes:
    """Name in labels."""
    return b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0"


def connection(
    out: Pcap, ends: tuple[bytes, bytes, int, int], talk: list[tuple[bool, bytes]], isn: int
) -> Iterator[None]:
    """One TCP connection with handshake and goodbye, a packet at a time."""
    back = (ends[1], ends[0], ends[3], ends[2])
    seq = {True: isn, False: isn ^ 0x5A5A5A5A}

    def say(client: bool, flags: int, data: bytes = b"") -> None:
        out.tcp(ends if client else back, seq[client], seq[not client] if flags & ACK else 0, flags, data)
        seq[client] = (seq[client] + len(data) + bool(flags & (SYN | FIN))) & 0xFFFFFFFF

    opening = ((True, SYN), (False, SYN | ACK), (True, ACK))
    closing = ((True, FIN | ACK), (False, FIN | ACK), (True, ACK))
    for client, flags in opening:
        say(client, flags)
        yield
    for client, data in talk:
        for at in range(0, len(data), SEGMENT):
            say(client, PSH | ACK, data[at : at + SEGMENT])
            yield
        say(not client, ACK)
        yield
    for client, flags in closing:
        say(client, flags)
        yield


def lookup(out: Pcap, ends: tuple[bytes, bytes, int, int], name: bytes, txid: int) -> Iterator[None]:
    """One DNS query and its answer."""
    question = dns_name(name) + b"\0\1\0\1"
    out.udp(ends, struct.pack(">HHHHHH", txid, 0x0100, 1, 0, 0, 0) + question)
    yield
    answer = b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4" + socket.inet_aton("203.0.113.9")
    back = (ends[1], ends[0], ends[3], ends[2])
    out.udp(back, struct.pack(">HHHHHH", txid, 0x8180, 1, 1, 0, 0) + question + answer)
    yield


def conversation(out: Pcap, number: int, chance: random.Random) -> Iterator[None]:
    """Conversation ``number`` of the mix."""
    client = struct.pack(">I", 0x0A000000 | (number * 7 & 0xFFFF) + 1)
    server = struct.pack(">I", 0xC6336400 | number % 200 + 1)
    port = 1_024 + number % 60_000
    name = b"host%d.example.org" % (number % 5_000)
    isn = chance.getrandbits(32)
    kind = number % 10
    if kind < 4:
        return lookup(out, (client, server, port, 53), name, number & 0xFFFF)
    if kind < 7:
        hello = [(True, client_hello(name)), (False, server_hello() + b"\x17\x03\x03\x05\xa0" + bytes(1_440))]
        return connection(out, (client, server, port, 443), hello, isn)
    ask = b"GET /item/%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench/1\r\nAccept: */*\r\n\r\n" % (number, name)
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 900\r\n\r\n" + b"x" * 900
    return connection(out, (client, server, port, 80), [(True, ask), (False, answer)] * 3, isn)


def mix(path: Path, packets: int) -> int:
    """Write the mix: 64 conversations at a time, interleaved by chance; returns how many packets it has."""
    chance = random.Random(1)
    out = Pcap(path, 20)
    made = 0
    running: list[Iterator[None]] = []
    while out.count < packets:
        while len(running) < 64:
            running.append(conversation(out, made, chance))
            made += 1
        at = chance.randrange(64)
        try:
            next(running[at])
        except StopIteration:
            running[at] = running[-1]
            running.pop()
    out.file.close()
    return out.count


def bulk(path: Path, packets: int) -> int:
    """Write sixteen long transfers in turn, one segment in a thousand lost and sent again."""
    out = Pcap(path, 12)
    data = bytes(SEGMENT)
    flows = [
        (struct.pack(">I", 0x0A010001 + i), struct.pack(">I", 0xC6336401 + i), 40_000 + i, 8_000) for i in range(16)
    ]
    at = [0xFFFF0000] * 16
    for i, ends in enumerate(flows):
        back = (ends[1], ends[0], ends[3], ends[2])
        out.tcp(ends, at[i], 0, SYN)
        out.tcp(back, 500, at[i] + 1, SYN | ACK)
        out.tcp(ends, at[i] + 1, 501, ACK)
        at[i] += 1
    while out.count < packets:
        i = out.count // 3 % 16
        ends = flows[i]
        back = (ends[1], ends[0], ends[3], ends[2])
        lost = out.count % 1_000 < 3
        out.tcp(ends, at[i] + (SEGMENT if lost else 0), 501, ACK, data)
        out.tcp(ends, at[i] + (0 if lost else SEGMENT), 501, PSH | ACK, data)
        at[i] = (at[i] + 2 * SEGMENT) & 0xFFFFFFFF
        out.tcp(back, 501, at[i], ACK)
    out.file.close()
    return out.count
