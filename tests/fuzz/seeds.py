"""Captures that the fuzzer starts from: every link type and tunnel, every protocol's conversation, real programs."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from rustnet.sources.files import open_source
from tests.dissect.samples import SAMPLES, Sample
from tests.engine.decode_cases import CASES
from tests.engine.link_cases import CASES as LINK_CASES
from tests.engine.tag_cases import TAG_CASES
from tests.support.packets import (
    ACK,
    ETHERNET,
    FIN,
    PSH,
    RST,
    SYN,
    Captured,
    ethernet,
    ip,
    kind_of,
    paced,
    tcp_frame,
    udp_frame,
)
from tests.support.paths import ROOT

CLIENT, SERVER, CLIENT6, SERVER6 = "192.0.2.1", "198.51.100.2", "2001:db8::1", "2001:db8::2"
STEP = 3_000_000
MOST = 150
"""Packets of one seed."""

Seed = tuple[Captured, ...]


def conversation(sample: Sample, version: int, size: int) -> Seed:
    """A protocol's conversation as packets; TCP with handshake and goodbye, in segments of at most ``size`` bytes."""
    client, server = (CLIENT, SERVER) if version == 4 else (CLIENT6, SERVER6)
    a, b = (client, 40_000), (server, sample.port)
    ends = ((a, b), (b, a))
    frames: list[bytes] = []
    if sample.transport == "udp":
        frames += [udp_frame(*ends[not from_client], data[:65_000]) for from_client, data in sample.talk]
        return seed(frames)
    seq = {True: 0xFFFF_F000, False: 77}

    def say(from_client: bool, flags: int, data: bytes = b"") -> None:
        frames.append(tcp_frame(*ends[not from_client], seq[from_client], seq[not from_client], flags, data))
        seq[from_client] = (seq[from_client] + len(data) + bool(flags & (SYN | FIN))) & 0xFFFF_FFFF

    say(True, SYN)
    say(False, SYN | ACK)
    say(True, ACK)
    for from_client, data in sample.talk:
        for at in range(0, len(data), size):
            say(from_client, ACK | PSH, data[at : at + size])
        say(not from_client, ACK)
    say(True, FIN | ACK)
    say(False, FIN | ACK)
    say(True, ACK)
    say(True, RST)
    return seed(frames)


def seed(frames: Sequence[bytes], link: int = ETHERNET) -> Seed:
    """Frames at equal distances in time."""
    return tuple(paced(frames, step=STEP, link=link))


def fragments() -> Seed:
    """A datagram in pieces, over both versions of IP."""
    frames = []
    for src, dst in ((CLIENT, SERVER), (CLIENT6, SERVER6)):
        for at in range(0, 2_400, 400):
            packet = ip(src, dst, 17, bytes(400), ident=3, offset=at, more=at < 2_000)
            frames.append(ethernet(packet, kind_of(packet)))
    return seed(frames)


def stored(path: Path) -> Seed:
    """The first packets of a capture of real programs."""
    found: list[Captured] = []
    source = open_source(str(path))
    try:
        for frames in source.batches():
            found += [
                Captured(frames.ts[i], frames.frame(i), frames.link[i], frames.length[i])
                for i in range(min(frames.count, MOST - len(found)))
            ]
            if len(found) >= MOST:
                break
    finally:
        source.close()
    return tuple(found)


@cache
def seeds() -> tuple[tuple[str, Seed], ...]:
    """Named seeds, always in the same order."""
    made: list[tuple[str, Seed]] = []
    for name in sorted(SAMPLES):
        for i, sample in enumerate(SAMPLES[name]):
            if sample.transport in ("tcp", "udp"):
                made.append((f"{name} {i}", conversation(sample, 4, 1_400)))
                made.append((f"{name} {i} in small pieces", conversation(sample, 6, 60)))
    made.append(("fragments", fragments()))
    cases = CASES + TAG_CASES + LINK_CASES
    for link in sorted({case.link for case in cases}):
        frames = [case.data for case in cases if case.link == link]
        made.append((f"link {link}", seed(frames, link)))
    paths = sorted((ROOT / "sample_pcaps").glob("*.pcap*"))
    made += [(path.name, stored(path)) for path in paths if path.suffix in (".pcap", ".pcapng", ".zst")]
    return tuple(made)
