"""Conversations of real programs in a test's namespace; each states which process used which port."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE, THERE = "10.77.0.1", "10.77.0.2"
HERE6 = "fd77::1"
SERVERS = {"web": 8080, "mail": 2525, "bulk": 9000, "names": 5300}


@dataclass(frozen=True)
class Use:
    """A process used a local port: a fact that a program printed of itself."""

    protocol: str
    port: int
    pid: int


# Every program prints `protocol local-port pid` for each socket that it used.
COMMON = """
import os, socket, sys, time
def used(protocol, one):
    print(protocol, one.getsockname()[1], os.getpid(), flush=True)
"""
SERVER = (
    COMMON
    + """
import threading
kind, port = sys.argv[1], int(sys.argv[2])
answers = {"web": b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi", "bulk": b"x" * 200_000}
if kind == "names":
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", port))
    print("ready", flush=True)
    while True:
        question, client = server.recvfrom(2000)
        server.sendto(question[:2] + b"\\x81\\x80" + question[4:6] + b"\\0\\0\\0\\0\\0\\0" + question[12:], client)
server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256)
print("ready", flush=True)
def serve(client):
    if kind == "mail":
        client.sendall(b"220 mail.test ESMTP\\r\\n")
        while line := client.recv(1000):
            client.sendall(b"221 bye\\r\\n" if line.startswith(b"QUIT") else b"250 ok\\r\\n")
            if line.startswith(b"QUIT"):
                break
    else:
        client.recv(1000)
        client.sendall(answers[kind])
    client.close()
while True:
    client, _ = server.accept()
    threading.Thread(target=serve, args=(client,), daemon=True).start()
"""
)
CLIENT = (
    COMMON
    + """
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == "names":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect((host, port))
        used("udp", one)
        one.send(b"\\x12\\x34\\x01\\0\\0\\x01\\0\\0\\0\\0\\0\\0\\x04shop\\x07example\\0\\0\\x01\\0\\x01")
        one.recv(2000)
    sys.exit()
with socket.create_connection((host, port), 5) as one:
    used("tcp", one)
    if kind == "mail":
        for line in (b"EHLO here\\r\\n", b"QUIT\\r\\n"):
            one.recv(1000)
            one.sendall(line)
    else:
        one.sendall(b"GET /index HTTP/1.0\\r\\nHost: shop.example\\r\\n\\r\\n")
    while one.recv(65536):
        pass
"""
)


class Servers:
    """The servers of all kinds, as processes of their own."""

    def __init__(self) -> None:
        self.processes = {
            kind: subprocess.Popen(
                [sys.executable, "-c", SERVER, kind, str(port)], stdout=subprocess.PIPE, text=True
            )
            for kind, port in SERVERS.items()
        }  # fmt: skip
        for process in self.processes.values():
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def uses(self) -> list[Use]:
        """Ports of the servers."""
        protocols = {"names": "udp"}
        return [Use(protocols.get(kind, "tcp"), SERVERS[kind], each.pid) for kind, each in self.processes.items()]

    def close(self) -> None:
        """End them."""
        for process in self.processes.values():
            process.kill()
            process.communicate()


def client(kind: str, host: str, wrapper: tuple[str, ...] = ()) -> list[Use]:
    """Run a client to its end; returns what it used."""
    command = [*wrapper, sys.executable, "-c", CLIENT, kind, host, str(SERVERS[kind])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return [Use(protocol, int(port), int(pid)) for protocol, port, pid in lines]


def everything(cgroup: Path | None) -> list[Use]:
    """Have all conversations of this machine; returns what local clients used."""
    uses = []
    for host in (HERE, HERE6):
        for kind in ("web", "mail", "bulk"):
            uses += client(kind, host)
    for _ in range(3):
        uses += client("names", HERE)
    for _ in range(20):  # short-lived
        uses += client("web", "127.0.0.1")
    subprocess.run(["ping", "-c", "2", "-i", "0.2", "127.0.0.1"], check=True, capture_output=True)
    subprocess.run(["ping", "-c", "2", "-i", "0.2", "::1"], check=True, capture_output=True)
    if cgroup is not None:
        inside = f'echo $$ > {cgroup}/cgroup.procs; exec "$@"'
        uses += client("web", HERE, ("sh", "-c", inside, "sh"))
    return uses
