"""Traffic of hosts on a link, and through a router."""

from tests.support.packets import (
    ACK,
    FIN,
    MAC_A,
    MAC_B,
    PSH,
    SYN,
    End,
    ethernet,
    ip,
    kind_of,
    tcp,
    tcp_frame,
)

Talk = list[tuple[bool, bytes]] | tuple[tuple[bool, bytes], ...]
"""Messages of a conversation: whether the client sends it, and its bytes."""


def stream(talk: Talk, a: End, b: End) -> list[bytes]:
    """A TCP connection from its handshake to its end."""
    sent = {True: 101, False: 501}
    frames = [tcp_frame(a, b, 100, 0, SYN), tcp_frame(b, a, 500, 101, SYN | ACK), tcp_frame(a, b, 101, 501, ACK)]
    for from_client, data in talk:
        ends = (a, b) if from_client else (b, a)
        frames.append(tcp_frame(*ends, sent[from_client], sent[not from_client], PSH | ACK, data))
        sent[from_client] += len(data)
    return [*frames, tcp_frame(a, b, sent[True], sent[False], FIN | ACK)]


def framed(packet: bytes, src: bytes, dst: bytes = MAC_B) -> bytes:
    return ethernet(packet, kind_of(packet), src=src, dst=dst)


def routed(client: str = "10.0.0.5", mac: bytes = MAC_A, router: bytes = MAC_B, number: int = 4) -> list[bytes]:
    """Connections of a client with addresses of several networks, through a router."""
    frames = []
    for n in range(number):
        far = "{0}.{0}.8.8".format((8, 9, 11, 12)[n])
        frames.append(framed(ip(client, far, 6, tcp(40000 + n, 443, 1, 0, SYN)), mac, router))
        frames.append(framed(ip(far, client, 6, tcp(443, 40000 + n, 1, 2, SYN | ACK), ttl=55), router, mac))
    return frames


def request(agent: str, via: str = "", path: str = "/") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: h\r\nUser-Agent: {agent}\r\n{via}\r\n".encode()


ANSWER = b"HTTP/1.1 200 OK\r\nServer: nginx/1.24\r\nContent-Length: 0\r\n\r\n"
