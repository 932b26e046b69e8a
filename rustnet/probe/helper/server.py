"""The helper at work: it knows its clients by the kernel's word, checks what they ask, opens rings and sends them.

Clients are answered one after another. A ring that one gets stays with its interface (a member of a fanout group cannot
be bound again) and its filter (SO_LOCK_FILTER), and with it the snap length. What the kernel lets the holder of a
ring's socket do besides, nobody can take away: send frames, have interfaces be promiscuous, change the ring's size.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import select
import socket
import stat
import struct
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Callable

from rustnet.probe.helper import INSTRUCTION, MAX_INTERFACES, MAX_MESSAGE, MAX_SNAPLEN
from rustnet.probe.helper.configuration import HelperError, Rule, check_folders, read_configuration
from rustnet.probe.ring_socket import LOOPBACK, MAX_PROGRAM, RET_CONSTANT, SMALLEST_RING, SOL_PACKET, Program, open_ring

BACKLOG = 64
"""Clients that wait at a time."""
SECONDS = 0.5
"""Time that an allowed user's client has to ask; others wait meanwhile."""
WINDOW, REQUESTS = 60.0, 30
"""Seconds within which a user may ask so many times."""
USERS, OTHERS = 1024, -1
"""Users whose requests are counted at a time; in place of the number of a user whom no rule names."""
LARGEST_RING = 1 << 30
LOGGED = 2000
"""Bytes of a request that are logged; filter programs are at its end."""
NAME = re.compile(r"[^\s/:\x00-\x20\x7f-\x9f]{1,15}")
"""Names of interfaces, as the kernel allows them."""
SO_LOCK_FILTER, SO_PEERGROUPS = 44, 59
PACKET_FANOUT, FANOUT_CPU, FANOUT_UNIQUE, FANOUT_IGNORE_OUTGOING = 18, 2, 0x2000, 0x4000
"""As in ``<asm-generic/socket.h>`` and ``<linux/if_packet.h>``."""


class Refusal(Exception):  # noqa: N818 -- an answer
    """A request that is refused: a reason that the client knows, and its values."""

    def __init__(self, reason: str, **values: object) -> None:
        super().__init__(reason)
        self.answer = {"error": reason, **values}


@dataclass
class User:
    """What a user asked for in the present window, and the rings that were given."""

    since: float
    requests: int = 0
    rings: dict[int, int] = field(default_factory=dict)
    """Sizes by inode."""


class Helper:
    """Answers clients until it is stopped."""

    def __init__(self, listener: socket.socket, configuration: str, log: Callable[[str], None]) -> None:
        self.listener, self.configuration, self.log = listener, configuration, log
        self.users: dict[int, User] = {}
        """Users whom rules name, by number; all others together are `OTHERS`."""

    def run(self, stop: socket.socket) -> None:
        """Answer until there is something to read from ``stop``."""
        self.listener.setblocking(False)
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        poll.register(stop, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll(1000 * WINDOW if self.users else None)]
            if stop.fileno() in ready:
                break
            self._expire(time.monotonic())
            with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                link, _ = self.listener.accept()
                with link:
                    self._serve(link)
        self._expire(float("inf"))

    def _serve(self, link: socket.socket) -> None:
        """Answer one client; logs what is asked and answered, and how many requests were too many."""
        pid, uid, gid = struct.unpack("iII", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        who = f"user {uid}, process {pid}"
        rings: list[socket.socket] = []
        try:
            rules, memory = self._allowed(link, uid, gid)
            user = self._count(uid if rules else OTHERS)
            if not rules:
                raise Refusal("user")  # noqa: TRY301 -- as all others are
            link.settimeout(SECONDS)
            data = link.recv(MAX_MESSAGE + 1)
            self.log(f"{who}: asks {data[:LOGGED].decode('ascii', 'backslashreplace')!a}")
            answer = open_rings(data, rules, memory, user.rings, rings)
        except Exception as error:  # noqa: BLE001 -- no client ends the helper
            answer = error.answer if isinstance(error, Refusal) else {"error": "system", "words": str(error)}
            close(rings)
        if answer.get("error") != "rate":
            self.log(f"{who}: answer {json.dumps(answer)}")
        try:
            socket.send_fds(link, [json.dumps(answer).encode()], [ring.fileno() for ring in rings])
        except OSError as error:
            self.log(f"{who}: not delivered: {error.strerror}")
        close(rings)

    def _count(self, uid: int) -> User:
        """Count a request; raises `Refusal` if there are too many."""
        now = time.monotonic()
        if uid not in self.users and len(self.users) >= USERS:
            raise Refusal("rate", seconds=int(WINDOW))
        user = self.users.setdefault(uid, User(now))
        user.requests += 1
        if user.requests > REQUESTS:
            raise Refusal("rate", seconds=int(user.since + WINDOW - now) + 1)
        return user

    def _expire(self, now: float) -> None:
        """End windows of time; says how many requests were refused without a line of their own."""
        for uid, user in list(self.users.items()):
            if now >= user.since + WINDOW:
                if user.requests > REQUESTS:
                    who = f"user {uid}" if uid != OTHERS else "users whom no rule names"
                    self.log(f"{who}: {user.requests - REQUESTS} requests refused: more than {REQUESTS} a minute")
                user.since, user.requests = now, 0
                forget_closed(user.rings)
                if not user.rings:
                    del self.users[uid]

    def _allowed(self, link: socket.socket, uid: int, gid: int) -> tuple[list[Rule], int]:
        """Rules for a user, and the memory for their rings. Raises `Refusal` if the configuration is wrong."""
        groups = {gid}
        with contextlib.suppress(OSError):  # of more than 256 groups only the first counts
            groups.update(each for (each,) in struct.iter_unpack("I", link.getsockopt(1, SO_PEERGROUPS, 1024)))
        try:
            configuration = read_configuration(self.configuration)
        except HelperError as error:
            self._count(OTHERS)
            self.log(f"nothing is allowed, as the configuration is wrong: {error}")
            raise Refusal("configuration") from error
        return configuration.rules_for(uid, frozenset(groups)), configuration.memory


def open_rings(
    data: bytes, rules: list[Rule], memory: int, open_now: dict[int, int], rings: list[socket.socket]
) -> dict[str, Any]:
    """Open the rings that a request asks for and add them to ``rings``; returns the answer. Raises `Refusal`."""
    try:
        snaplen, size, promiscuous, wanted = _request(data)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, struct.error) as error:
        raise Refusal("request") from error
    for name in wanted:
        check(rules, name, snaplen, promiscuous)
    forget_closed(open_now)
    each_size = min(size, (memory - sum(open_now.values())) // len(wanted))
    if each_size < min(SMALLEST_RING, size):
        raise Refusal("memory", megabytes=memory >> 20)
    described = []
    for name, program in wanted.items():
        try:
            ring, interface = open_ring(name, snaplen, each_size, program, promiscuous)
            rings.append(ring)
            lock(ring, interface.hardware)
        except OSError as error:
            raise Refusal("interface", interface=name, words=error.strerror or str(error)) from error
        open_now[os.fstat(ring.fileno()).st_ino] = interface.block_bytes * interface.blocks
        described.append(asdict(interface))
    return {"rings": described}


def _request(data: bytes) -> tuple[int, int, bool, dict[str, Program]]:
    """Snap length, size and mode of the rings that are asked for, and filter programs by interface."""
    values = json.loads(data if len(data) <= MAX_MESSAGE else b"")
    snaplen, size, promiscuous = values["snaplen"], values["size"], values["promiscuous"]
    programs = [_program(each) for each in values["programs"]]
    wanted = {name: () if at is None else programs[at] for name, at in values["interfaces"].items()}
    if (type(snaplen), type(size), type(promiscuous)) != (int, int, bool):
        raise ValueError("kinds of values")
    if not (0 <= snaplen <= MAX_SNAPLEN and 0 < size <= LARGEST_RING and 0 < len(wanted) <= MAX_INTERFACES):
        raise ValueError("numbers")
    if not all(map(NAME.fullmatch, wanted)):
        raise ValueError("names of interfaces")
    return snaplen, size, promiscuous, wanted


def _program(text: str) -> Program:
    """A filter program, of which the kernel checks the rest. Raises ValueError, TypeError, struct.error."""
    program = tuple(struct.iter_unpack(INSTRUCTION, base64.b64decode(text, validate=True)))
    if len(program) > MAX_PROGRAM:
        raise ValueError("too many instructions")
    if any(code & 7 == RET_CONSTANT and code != RET_CONSTANT for code, *_ in program):  # would evade the snap length
        raise ValueError("the number of bytes that are kept must be a constant")
    return program


def check(rules: list[Rule], name: str, snaplen: int, promiscuous: bool) -> None:
    """Raise `Refusal` unless one of the rules allows this on an interface."""
    rules = [rule for rule in rules if rule.names(name)]
    if not rules:
        raise Refusal("not_allowed", interface=name)
    rules = [rule for rule in rules if rule.promiscuous or not promiscuous]
    if not rules:
        raise Refusal("promiscuous", interface=name)
    if not any(not rule.snaplen or 0 < snaplen <= rule.snaplen for rule in rules):
        raise Refusal("snaplen", interface=name, bytes=max(rule.snaplen for rule in rules))


def lock(ring: socket.socket, hardware: int) -> None:
    """Keep a ring from being bound to another interface, and its filter from being changed. Raises OSError."""
    ring.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
    kind = FANOUT_CPU | FANOUT_UNIQUE
    if hardware == LOOPBACK:
        with contextlib.suppress(OSError):  # an older kernel, and the reader drops them too
            ring.setsockopt(SOL_PACKET, PACKET_FANOUT, struct.pack("I", (kind | FANOUT_IGNORE_OUTGOING) << 16))
            return
    ring.setsockopt(SOL_PACKET, PACKET_FANOUT, struct.pack("I", kind << 16))


def close(rings: list[socket.socket]) -> None:
    """Close the helper's own descriptors of rings."""
    while rings:
        rings.pop().close()


def forget_closed(rings: dict[int, int]) -> None:
    """Remove the packet sockets that are not open anywhere any more; without /proc all count as open."""
    with contextlib.suppress(OSError), open("/proc/self/net/packet", encoding="ascii") as file:
        for inode in rings.keys() - {int(line.split()[-1]) for line in list(file)[1:]}:
            del rings[inode]


def listen(path: str) -> socket.socket:
    """The socket that systemd made for this process, else one of its own at ``path``. Raises `HelperError`, OSError.

    Anyone may connect to it: the configuration decides.
    """
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        os.set_inheritable(3, False)
        return socket.socket(fileno=3)
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.dirname(path))
        os.chmod(os.path.dirname(path), 0o755)  # noqa: S103 -- whatever the umask
    check_folders(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.path.lexists(path):
        if not stat.S_ISSOCK(os.lstat(path).st_mode) or listener.connect_ex(path) == 0:
            raise HelperError(f"{path}: another file has this name, or another helper answers there")
        os.unlink(path)
    listener.bind(path)
    os.chmod(path, 0o666)  # noqa: S103 -- the configuration decides
    listener.listen(BACKLOG)
    return listener
