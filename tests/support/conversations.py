"""Small conversations of real protocols, as frames."""

import socket
import struct

from tests.support.packets import ACK, FIN, PSH, SYN, tcp_frame, udp_frame

CLIENT, SERVER, RESOLVER = "10.0.0.2", "192.0.2.80", "10.0.0.53"


def dns_labels(name: str) -> bytes:
    """A domain name without compression."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def http_flow(port: int = 40000, host: str = "shop.example", path: str = "/") -> list[bytes]:
    """HTTP request and answer over TCP, eight frames."""
    a, b = (CLIENT, port), (SERVER, 80)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"
    mine, theirs = 101 + len(request), 501 + len(answer)
    return [
        tcp_frame(a, b, 100, 0, SYN), tcp_frame(b, a, 500, 101, SYN | ACK), tcp_frame(a, b, 101, 501, ACK),
        tcp_frame(a, b, 101, 501, PSH | ACK, request), tcp_frame(b, a, 501, mine, PSH | ACK, answer),
        tcp_frame(a, b, mine, theirs, FIN | ACK), tcp_frame(b, a, theirs, mine + 1, FIN | ACK),
        tcp_frame(a, b, mine + 1, theirs + 1, ACK),
    ]  # fmt: skip


def dns_flow(port: int = 50000, name: str = "shop.example") -> list[bytes]:
    """DNS query for an address and its answer, two frames."""
    question = dns_labels(name) + struct.pack(">HH", 1, 1)
    answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(SERVER)
    a, b = (CLIENT, port), (RESOLVER, 53)
    return [
        udp_frame(a, b, struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question),
        udp_frame(b, a, struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0) + question + answer),
    ]
