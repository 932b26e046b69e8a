"""A name server for PTR records, and a system whose resolver asks it: run in network and mount namespaces of its own.

python dns_server.py RESOLV_CONF COMMAND…
"""

import socket
import struct
import subprocess
import sys
import threading

NAMES = {"8.8.8.8": "dns.google.", "1.1.1.1": "ONE.one.one.one", "10.0.0.9": "printer.lan", "9.9.9.9": "a b\x1b[31m.x"}
"""Names by address; the last one is no host name."""
REFUSED = "140.82.121.4"
"""An address whose question is refused."""


def answer(query: bytes) -> bytes:
    """Response to a query."""
    labels, place = [], 12
    while query[place]:
        labels.append(query[place + 1 : place + 1 + query[place]].decode())
        place += 1 + query[place]
    question = query[12 : place + 5]
    address = ".".join(reversed(labels[:4]))
    name = NAMES.get(address)
    code = 5 if address == REFUSED else 0 if name else 3
    head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, bool(name), 0, 0)
    if name is None:
        return head + question
    encoded = b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split(".")) + b"\0"
    return head + question + b"\xc0\x0c" + struct.pack(">HHIH", 12, 1, 60, len(encoded)) + encoded


def serve(server: socket.socket) -> None:
    """Answer until the process ends."""
    while True:
        query, client = server.recvfrom(4096)
        server.sendto(answer(query), client)


def main() -> int:
    """Start the server, then run the command; returns its exit code."""
    resolv_conf, *command = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", resolv_conf, "/etc/resolv.conf"], check=True)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
