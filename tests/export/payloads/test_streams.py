"""TCP connections put together for their rewriters."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.export.redacted_packets.payload import STREAM_BYTES, Interval, PayloadContext, StreamRewriter
from rustnet.export.redacted_packets.streams import FIN, RST, SYN, Streams
from tests.export.payloads.support import CLIENT, SERVER, context
from tests.support.effort import examples

ISN = 0xFFFF_FF00
Piece = tuple[int, bytes]


class Recorder:
    """Rewriter that keeps every second block of four bytes in upper case, and remembers what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[bool, bytes, list[Interval], bool]] = []

    def __call__(self, data: bytearray, holes: Sequence[Interval], context: PayloadContext) -> list[Interval]:
        self.calls.append((context.from_client, bytes(data), list(holes), context.from_start))
        kept = [Interval(at, min(at + 4, len(data))) for at in range(0, len(data), 8)]
        upper = data.upper()
        data[:] = bytes(len(data))
        for start, stop in kept:
            data[start:stop] = upper[start:stop]
        return kept


def choose(rewriter: StreamRewriter) -> Streams:
    return Streams(lambda what: rewriter if what.app == "dns" else None)


def tcp(client: bool = CLIENT, app: str = "dns") -> PayloadContext:
    return context(app, "tcp", client=client)


def feed(streams: Streams, pieces: Sequence[Piece], client: bool = CLIENT, isn: int = ISN, syn: bool = True) -> None:
    if syn:
        streams.add(1, tcp(client), isn, SYN, b"")
    for at, payload in pieces:
        streams.add(1, tcp(client), (isn + 1 + at) % (1 << 32), 16, payload)


def ask(streams: Streams, at: int, size: int, client: bool = CLIENT, isn: int = ISN) -> tuple[int, bytes]:
    payload = bytearray(b"?" * size)
    sequence = (isn + 1 + at) % (1 << 32)
    kept = streams.segment(1, from_client=client, sequence=sequence, flags=16, payload=payload)
    assert len(payload) == size
    assert not any(payload[kept:])
    return kept, bytes(payload)


def expected(data: bytes) -> bytes:
    return b"".join(data[at : at + 4].upper() + bytes(len(data[at + 4 : at + 8])) for at in range(0, len(data), 8))


DATA = bytes(97 + at % 26 for at in range(600))


@settings(max_examples=examples(200))
@given(st.data())
def test_any_order_and_repetition(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(DATA) - 1), max_size=12)))
    pieces = [(a, DATA[a:z]) for a, z in zip([0, *cuts], [*cuts, len(DATA)], strict=True)]
    sent = data.draw(st.permutations(pieces + data.draw(st.lists(st.sampled_from(pieces), max_size=4))))
    recorder = Recorder()
    streams = choose(recorder)
    feed(streams, sent)
    streams.finish()
    assert recorder.calls == [(CLIENT, DATA, [], True)]
    for at, piece in sent:
        kept, shown = ask(streams, at, len(piece))
        assert shown == expected(DATA)[at : at + len(piece)]
        assert kept == len(shown.rstrip(b"\0"))


def test_order_of_arrival_without_a_beginning() -> None:
    recorder = Recorder()
    streams = choose(recorder)
    feed(streams, [(100, DATA[100:200]), (0, DATA[:100]), (200, DATA[200:300])], syn=False)
    streams.finish()
    assert recorder.calls == [(CLIENT, DATA[:300], [], False)]
    assert ask(streams, 96, 8)[1] == expected(DATA)[96:104]


def test_late_syn() -> None:
    recorder = Recorder()
    streams = choose(recorder)
    feed(streams, [(10, DATA[10:20])], syn=False)
    feed(streams, [(0, DATA[:10])])
    streams.finish()
    assert recorder.calls == [(CLIENT, DATA[:20], [], True)]


def test_retransmission_with_another_content_shows_nothing_of_it() -> None:
    recorder = Recorder()
    streams = choose(recorder)
    feed(streams, [(0, b"abcdefghijkl"), (4, b"SECRETSECRETSECRET")])
    streams.finish()
    assert recorder.calls[0][1] == b"abcdefghijkl" + b"SECRETSECRETSECRET"[8:]
    assert ask(streams, 4, 8) == (8, b"\0\0\0\0IJKL")


def test_holes() -> None:
    recorder = Recorder()
    streams = choose(recorder)
    feed(streams, [(5, b"fghij"), (20, b"uvw")])
    streams.finish()
    assert recorder.calls == [(CLIENT, bytes(5) + b"fghij" + bytes(10) + b"uvw", [(0, 5), (10, 20)], True)]


def test_client_first_with_one_memory() -> None:
    recorder = Recorder()
    streams = choose(recorder)
    server, client = tcp(SERVER), tcp(CLIENT)
    streams.add(1, server, 9, 16, b"answer")
    streams.add(1, client, 5, 16, b"question")
    streams.finish()
    assert [call[0] for call in recorder.calls] == [CLIENT, SERVER]
    assert server.memory is client.memory


def test_ended_connections_are_rewritten_at_once() -> None:
    recorder = Recorder()
    streams = choose(recorder)
    feed(streams, [(0, b"abc")])
    feed(streams, [(0, b"def")], client=SERVER)
    streams.add(1, tcp(CLIENT), ISN + 4, FIN | 16, b"")
    assert not recorder.calls
    streams.add(1, tcp(SERVER), ISN + 10, FIN | 16, b"")  # its last bytes come later
    assert not recorder.calls
    feed(streams, [(3, b"ghijkl")], client=SERVER, syn=False)
    assert [call[1] for call in recorder.calls] == [b"abc", b"defghijkl"]
    other = choose(recorder)
    feed(other, [(0, b"abc")])
    other.add(1, tcp(CLIENT), ISN + 4, RST, b"")
    assert len(recorder.calls) == 3


def test_sequence_numbers_that_begin_again() -> None:
    recorder = Recorder()
    streams = choose(recorder)
    feed(streams, [(0, DATA[:8])])
    for gigabytes in range(1, 6):
        feed(streams, [(gigabytes << 29, b"far away")] * 2, syn=False)
    feed(streams, [(1 << 32, b"SECOND ROUND")], syn=False)
    streams.finish()
    assert recorder.calls[0][1] == DATA[:8]


def test_what_is_after_the_first_bytes_is_removed() -> None:
    recorder = Recorder()
    streams = choose(recorder)
    block = b"z" * 50_000
    feed(streams, [(at, block) for at in range(0, 600_000, len(block))])
    streams.finish()
    assert recorder.calls[0][1] == b"z" * STREAM_BYTES
    assert ask(streams, STREAM_BYTES - 8, 16) == (4, b"ZZZZ" + bytes(12))
    assert ask(streams, 500_000, 100)[0] == 0


def test_bounds_of_memory() -> None:
    recorder = Recorder()
    streams = Streams(lambda _what: recorder, pending=1000, kept=600)
    for flow in range(5):
        streams.add(flow, tcp(), 0, 16, DATA)
    assert streams.early == 4
    streams.finish()
    assert streams.without_room == 3  # two of 300 bytes have room
    assert streams.segment(0, from_client=CLIENT, sequence=0, flags=16, payload=bytearray(8)) == 4
    assert streams.segment(4, from_client=CLIENT, sequence=0, flags=16, payload=bytearray(8)) == 0


@pytest.mark.parametrize("flow", [1, 2])
def test_unknown_flows_and_apps_keep_nothing(flow: int) -> None:
    streams = choose(Recorder())
    streams.add(1, tcp(app="other"), 0, 16, b"secret")
    streams.finish()
    payload = bytearray(b"secret")
    assert streams.segment(flow, from_client=CLIENT, sequence=0, flags=16, payload=payload) == 0
    assert payload == bytes(6)
