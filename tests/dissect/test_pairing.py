"""Requests and responses of real connections, captured in another order, twice, or not at all.

Each connection numbers its requests and responses, so that a row which has both shows whether they belong together.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.effort import DEEP
from tests.support.packets import ACK, FIN, PSH, START, SYN, Captured, tcp_frame
from tests.support.pcap import pcap_file
from tests.support.sessions import ReplayedSession, replay

FLOWS = 1500 if DEEP else 150
"""Connections per capture."""
STEP = 700_000
"""Nanoseconds between the packets of a connection."""
REORDERED = 10_000_000
"""Nanoseconds within which packets of a capture may stand in another order."""


@dataclass(frozen=True)
class Talk:
    """A protocol: its port, the greeting, the n-th request and response, and the numbers that a row shows of both."""

    port: int
    greeting: bytes
    request: Callable[[int], bytes]
    response: Callable[[int], bytes]
    table: str
    asked: str
    answered: str


TALKS = {
    "http": Talk(
        80, b"",
        lambda n: b"GET /%d HTTP/1.1\r\nHost: h.example\r\n\r\n" % n,
        lambda n: b"HTTP/1.1 %d Fine\r\nContent-Length: 9\r\n\r\nsome text" % (500 + n),
        "http", "substr(uri, 2)::INT", "status - 500",
    ),
    "chunked": Talk(
        80, b"",
        lambda n: b"GET /%d HTTP/1.1\r\nHost: h.example\r\n\r\n" % n,
        lambda n: b"HTTP/1.1 %d Fine\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" % (500 + n),
        "http", "substr(uri, 2)::INT", "status - 500",
    ),
    "head": Talk(
        80, b"",
        lambda n: b"%s /%d HTTP/1.1\r\nHost: h.example\r\n\r\n" % (b"HEAD" if n % 2 else b"GET", n),
        lambda n: b"HTTP/1.1 %d Fine\r\nContent-Length: 90\r\n\r\n" % (500 + n) + (b"" if n % 2 else b"x" * 90),
        "http", "substr(uri, 2)::INT", "status - 500",
    ),
    "post": Talk(
        80, b"",
        lambda n: b"POST /%d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" % n,
        lambda n: b"HTTP/1.1 %d Fine\r\nContent-Length: 0\r\n\r\n" % (500 + n),
        "http", "substr(uri, 2)::INT", "status - 500",
    ),
    "ftp": Talk(
        21, b"220 FTP server ready\r\n",
        lambda n: b"CWD %d\r\n" % n,
        lambda n: b"250 %d is the directory\r\n" % n,
        "ftp", "argument::INT", "TRY_CAST(split_part(replies[-1], ' ', 2) AS INT)",
    ),
    "smtp": Talk(
        25, b"220 mail.example ESMTP\r\n",
        lambda n: b"RCPT TO:<%d>\r\n" % n,
        lambda n: b"250-first line\r\n250 %d accepted\r\n" % n,
        "smtp", "rcpt_to::INT", "TRY_CAST(split_part(replies[-1], ' ', 2) AS INT)",
    ),
    "pop3": Talk(
        110, b"+OK POP3 ready\r\n",
        lambda n: b"RETR %d\r\n" % n,
        lambda n: b"+OK %d follows\r\nSubject: x\r\n\r\ntext of a mail\r\n.\r\n" % n,
        "pop3", "argument::INT", "TRY_CAST(split_part(reply, ' ', 2) AS INT)",
    ),
    "imap": Talk(
        143, b"* OK IMAP4 ready\r\n",
        lambda n: b"t%d SELECT %d\r\n" % (n, n),
        lambda n: b"* 3 EXISTS\r\nt%d OK %d selected\r\n" % (n, n),
        "imap", "argument::INT", "TRY_CAST(split_part(reply, ' ', 1) AS INT)",
    ),
    "redis": Talk(
        6379, b"",
        lambda n: b"*%d\r\n$3\r\nDEL\r\n" % (n + 2) + b"$1\r\nk\r\n" * (n + 1),
        lambda n: b"-E%d no\r\n" % n,
        "redis", "argument_count::INT - 1", "substr(error, 2)::INT",
    ),
    "memcached": Talk(
        11211, b"",
        lambda n: b"get" + b" k" * (n + 1) + b"\r\n",
        lambda n: b"VERSION %d\r\n" % n,
        "memcached", "argument_count::INT - 1", "server_version::INT",
    ),
    "rtsp": Talk(
        554, b"",
        lambda n: b"SETUP rtsp://h/%d RTSP/1.0\r\nCSeq: %d\r\n\r\n" % (n, n),
        lambda n: b"RTSP/1.0 %d Fine\r\nCSeq: %d\r\n\r\n" % (500 + n, n),
        "rtsp", "split_part(uri, '/', 4)::INT", "status - 500",
    ),
}  # fmt: skip


def order_of(count: int, rng: random.Random, style: str) -> list[tuple[bool, int]]:
    """Order in which requests (True) and responses are sent."""
    if style == "lock-step":
        return [(asks, n) for n in range(count) for asks in (True, False)]
    width = rng.randint(2, 4)
    order: list[tuple[bool, int]] = []
    asked = answered = 0
    while answered < count:
        if asked < count and (style != "batches" or answered == asked):
            for _ in range(width if style == "batches" else width - (asked - answered)):
                if asked < count:
                    order.append((True, asked))
                    asked += 1
        for _ in range(asked - answered if style == "batches" else 1):
            order.append((False, answered))
            answered += 1
    return order


def connection(talk: Talk, port: int, style: str, rng: random.Random) -> tuple[list[bytes], list[int]]:
    """Frames of a connection, and which of them have payload."""
    a, b = ("10.0.0.2", port), ("192.0.2.80", talk.port)
    mine, theirs = 101, 501
    frames = [tcp_frame(a, b, 100, 0, SYN), tcp_frame(b, a, 500, 101, SYN | ACK), tcp_frame(a, b, 101, 501, ACK)]
    payload = []

    def say(asks: bool, data: bytes) -> None:
        nonlocal mine, theirs
        half = 0 if rng.random() < 0.7 or len(data) < 4 else len(data) // 2
        for piece in (data[:half], data[half:]) if half else (data,):
            payload.append(len(frames))
            if asks:
                frames.append(tcp_frame(a, b, mine, theirs, PSH | ACK, piece))
                mine += len(piece)
            else:
                frames.append(tcp_frame(b, a, theirs, mine, PSH | ACK, piece))
                theirs += len(piece)

    if talk.greeting:
        say(False, talk.greeting)
    for asks, n in order_of(rng.randint(2, 9), rng, style):
        say(asks, (talk.request if asks else talk.response)(n))
        if rng.random() < 0.3:
            frames.append(tcp_frame(a, b, mine, theirs, ACK))
    frames += [tcp_frame(a, b, mine, theirs, FIN | ACK), tcp_frame(b, a, theirs, mine + 1, FIN | ACK)]
    return frames, payload


def captured(path: Path, talk: Talk, style: str, seed: int, loss: float) -> Path:
    """A capture of connections whose packets are reordered, duplicated, and lost with this probability."""
    rng = random.Random(seed)
    placed: list[tuple[float, Captured]] = []
    for i in range(FLOWS):
        frames, payload = connection(talk, 20_000 + i, style, rng)
        lossy = loss * rng.choice((0.3, 1, 2))
        begun = i * 20 * STEP
        for k, frame in enumerate(frames):
            if k in payload and rng.random() < lossy:
                continue
            ts = START + begun + k * STEP
            copies = 1 + (rng.random() < 0.1)
            placed += [(ts + rng.uniform(0, REORDERED), Captured(ts, frame)) for _ in range(copies)]
    placed.sort(key=lambda one: one[0])
    path.write_bytes(pcap_file([packet for _, packet in placed]))
    return path


def pairs(session: ReplayedSession, talk: Talk) -> tuple[int, int, int]:
    """Rows with request and response, those of them that do not belong together, and marked rows."""
    mark = "false" if talk.table == "rtsp" else "pair_unknown"  # RTSP numbers its messages
    rows = session.ask(f"SELECT {talk.asked}, {talk.answered}, {mark} FROM {talk.table}")
    both = [(asked, answered) for asked, answered, _ in rows if asked is not None and answered is not None]
    return len(both), sum(asked != answered for asked, answered in both), sum(unknown for _, _, unknown in rows)


EACH = pytest.mark.parametrize("style", ["lock-step", "batches", "window"])


@EACH
@pytest.mark.parametrize("name", TALKS)
def test_reordered_and_duplicated_packets_change_no_pair(name: str, style: str, tmp_path: Path) -> None:
    talk = TALKS[name]
    session = replay(tmp_path / "s.duckdb", captured(tmp_path / "a.pcap", talk, style, 1, 0), workers=0)
    both, wrong, unknown = pairs(session, talk)
    assert (wrong, unknown) == (0, 0)
    (requests,) = session.ask(f"SELECT count({talk.asked}) FROM {talk.table}")[0]
    (responses,) = session.ask(f"SELECT count({talk.answered}) FROM {talk.table}")[0]
    assert both == requests == responses
    assert session.ask("SELECT count(*) FROM anomalies WHERE kind = 'pair_unknown'") == [(0,)]


@EACH
@pytest.mark.parametrize("loss", [0.05, 0.3])
@pytest.mark.parametrize("name", TALKS)
def test_no_loss_makes_a_wrong_pair(name: str, loss: float, style: str, tmp_path: Path) -> None:
    talk = TALKS[name]
    session = replay(tmp_path / "s.duckdb", captured(tmp_path / "a.pcap", talk, style, 2, loss), workers=0)
    both, wrong, unknown = pairs(session, talk)
    assert wrong == 0
    assert both > FLOWS / 4
    ((counted,),) = session.ask("SELECT coalesce(sum(count), 0) FROM anomalies WHERE kind = 'pair_unknown'")
    assert counted == unknown
