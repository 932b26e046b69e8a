"""Following a flow: the payload of both directions in order, and what is missing of it."""

import gzip
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustnet.errors import InputError
from rustnet.export import originals
from rustnet.export.captured import Originals
from rustnet.export.stream import JOINED_LATE, TUNNEL, Chunk, StreamPage, StreamReader, plan, text_of
from rustnet.query.session import FileSession
from tests.support.conversations import CLIENT, SERVER, http_flow
from tests.support.effort import examples
from tests.support.packets import ACK, FIN, SYN, ethernet, ip, tcp, tcp_frame, udp, udp_frame
from tests.support.paths import ROOT
from tests.support.pcap import pcap, write_pcap
from tests.support.sessions import replay

A, B = (CLIENT, 40000), (SERVER, 80)
UP, DOWN = bytes(range(256)) * 12, random.Random(1).randbytes(5_000)


def opened(tmp_path: Path, capture: Path) -> FileSession:
    replay(tmp_path / "s.duckdb", capture).con.close()
    return FileSession(tmp_path / "s.duckdb")


def follow(session: FileSession, flow_id: int, at: int | None = None, size: int = 1 << 20) -> list[StreamPage]:
    reader = StreamReader(plan(session, flow_id, at), Originals(session.path))
    pages = [reader.page(size)]
    while pages[-1].more:
        pages.append(reader.page(size))
    return pages


def flow_of(session: FileSession, protocol: str = "tcp") -> int:
    rows = session.execute("SELECT flow_id FROM flows WHERE protocol = ? ORDER BY src_bytes DESC", [protocol]).rows
    return int(rows[0][0])


def followed(tmp_path: Path, frames: list[bytes], *, protocol: str = "tcp", step: int = 1_000_000) -> tuple[Chunk, ...]:
    with opened(tmp_path, write_pcap(tmp_path / "c.pcap", frames, step=step)) as session:
        (page,) = follow(session, flow_of(session, protocol))
        assert not page.problem
        return page.chunks


def transfer() -> list[bytes]:
    """A connection that sends `UP`, answered by `DOWN`, both in segments of 500 bytes."""
    frames = [tcp_frame(A, B, 99, 0, SYN), tcp_frame(B, A, 499, 100, SYN | ACK), tcp_frame(A, B, 100, 500, ACK)]
    frames += [tcp_frame(A, B, 100 + i, 500, ACK, UP[i : i + 500]) for i in range(0, len(UP), 500)]
    end = 100 + len(UP)
    frames += [tcp_frame(B, A, 500 + i, end, ACK, DOWN[i : i + 500]) for i in range(0, len(DOWN), 500)]
    last = 500 + len(DOWN)
    return [*frames, tcp_frame(A, B, end, last, FIN | ACK), tcp_frame(B, A, last, end + 1, FIN | ACK),
            tcp_frame(A, B, end + 1, last + 1, ACK)]  # fmt: skip


def test_a_transfer(tmp_path: Path) -> None:
    chunks = followed(tmp_path, transfer())
    assert text_of(chunks) == (UP, DOWN)
    assert [c.from_src for c in chunks] == [True] * 7 + [False] * 10
    assert [c.packet for c in chunks] == list(range(4, 21))
    assert not any(c.missing for c in chunks)


def test_retransmissions_come_once(tmp_path: Path) -> None:
    frames = transfer()
    overlapping = tcp_frame(A, B, 100 + 250, 500, ACK, UP[250:1_250])
    # The same segment once more, as another packet (another IP identification), and one that overlaps two.
    again = ethernet(ip(CLIENT, SERVER, 6, tcp(40000, 80, 100, 500, ACK, UP[:500]), ident=9))
    frames[5:5] = [again, overlapping]
    chunks = followed(tmp_path, frames)
    assert text_of(chunks) == (UP, DOWN)


@settings(max_examples=examples(8))
@given(st.randoms(use_true_random=False))
def test_any_order_of_packets(tmp_path_factory: pytest.TempPathFactory, rng: random.Random) -> None:
    frames = transfer()
    body = frames[3:10]
    rng.shuffle(body)
    answer = frames[10:20]
    rng.shuffle(answer)
    chunks = followed(tmp_path_factory.mktemp("order"), [*frames[:3], *body, *answer, *frames[20:]], step=100_000)
    assert text_of(chunks) == (UP, DOWN)


def test_lost_segments_are_stated(tmp_path: Path) -> None:
    frames = transfer()
    del frames[12]  # the third segment of the answer
    del frames[4]  # the second segment of the request
    chunks = followed(tmp_path, frames)
    assert text_of(chunks) == (UP[:500] + UP[1_000:], DOWN[:1_000] + DOWN[1_500:])
    holes = [(c.from_src, c.missing) for c in chunks if c.missing]
    assert holes == [(True, 500), (False, 500)]
    at = next(i for i, c in enumerate(chunks) if c.missing)
    assert b"".join(c.data for c in chunks[:at]) == UP[:500]


def test_what_the_snap_length_cut_is_stated(tmp_path: Path) -> None:
    capture = tmp_path / "c.pcap"
    capture.write_bytes(pcap(transfer(), snaplen=354))  # 300 bytes of payload
    with opened(tmp_path, capture) as session:
        (page,) = follow(session, flow_of(session))
    up, down = text_of(page.chunks)
    assert up == b"".join(UP[i : i + 500][:300] for i in range(0, len(UP), 500))
    assert down == b"".join(DOWN[i : i + 500][:300] for i in range(0, len(DOWN), 500))
    assert sum(c.missing for c in page.chunks) == len(UP) + len(DOWN) - len(up) - len(down)


def test_a_capture_that_begins_late(tmp_path: Path) -> None:
    with opened(tmp_path, write_pcap(tmp_path / "c.pcap", transfer()[5:])) as session:
        (page,) = follow(session, flow_of(session))
    assert page.notes == (JOINED_LATE,)
    sent = {c.data for c in page.chunks}
    assert DOWN[:500] in sent
    assert UP[1_000:1_500] in sent


def test_datagrams_and_fragments(tmp_path: Path) -> None:
    big = random.Random(2).randbytes(3_000)
    packet = udp(50000, 53, big)
    other = udp(50001, 53, b"x" * 3_000)
    pieces = [
        ethernet(ip(CLIENT, SERVER, 17, body[i : i + 1_000], ident=ident, offset=i, more=i + 1_000 < len(body)))
        for ident, body in ((7, packet), (8, other))
        for i in range(0, len(body), 1_000)
    ]
    frames = [udp_frame((CLIENT, 50000), (SERVER, 53), b"first"), *pieces,
              udp_frame((SERVER, 53), (CLIENT, 50000), b"answer")]  # fmt: skip
    with opened(tmp_path, write_pcap(tmp_path / "c.pcap", frames)) as session:
        rows = session.execute("SELECT flow_id FROM flows WHERE src_port = 50000").rows
        (page,) = follow(session, rows[0][0])
    assert [(c.from_src, c.data) for c in page.chunks] == [(True, b"first"), (True, big), (False, b"answer")]


def test_a_datagram_that_cannot_be_put_together(tmp_path: Path) -> None:
    """The index has the packet that completes it; here its file offsets lead to a capture without the others."""
    frames = [
        udp_frame((CLIENT, 50000), (SERVER, 53), b"question"),
        udp_frame((SERVER, 53), (CLIENT, 50000), b"a" * 90),
    ]
    capture = tmp_path / "c.pcap"
    capture.write_bytes(pcap(frames, snaplen=60))
    with opened(tmp_path, capture) as session:
        (page,) = follow(session, flow_of(session, "udp"))
    assert [(c.from_src, c.data, c.missing) for c in page.chunks] == [(True, b"question", 0), (False, b"a" * 18, 72)]


def test_inside_a_tunnel(tmp_path: Path) -> None:
    def carried(frame: bytes) -> bytes:
        return ethernet(ip("203.0.113.1", "203.0.113.2", 47, struct.pack(">HH", 0, 0x0800) + frame[14:]))

    with opened(tmp_path, write_pcap(tmp_path / "c.pcap", [carried(f) for f in transfer()])) as session:
        (page,) = follow(session, flow_of(session))
        (outer,) = follow(session, flow_of(session, "gre"))
    assert text_of(page.chunks) == (UP, DOWN)
    assert outer.notes == (TUNNEL,)
    assert outer.chunks == ()


def test_pages_join(tmp_path: Path) -> None:
    with opened(tmp_path, write_pcap(tmp_path / "c.pcap", transfer())) as session:
        flow_id = flow_of(session)
        pages = follow(session, flow_id, size=700)
        (whole,) = follow(session, flow_id)
    assert len(pages) > 5
    assert tuple(c for page in pages for c in page.chunks) == whole.chunks


def test_up_to_a_time(tmp_path: Path) -> None:
    with opened(tmp_path, write_pcap(tmp_path / "c.pcap", transfer())) as session:
        flow_id = flow_of(session)
        at = session.execute("SELECT epoch_ns(ts) FROM packets WHERE number = 6").rows[0][0]
        (page,) = follow(session, flow_id, at)
    assert text_of(page.chunks) == (UP[:1_500], b"")


def test_a_compressed_capture_among_other_flows(tmp_path: Path) -> None:
    capture = tmp_path / "c.pcap.gz"
    frames = [frame for pair in zip(transfer(), [http_flow(40000 + n, path=f"/{n}")[3] for n in range(1, 30)],
                                    strict=False) for frame in pair]  # fmt: skip
    capture.write_bytes(gzip.compress(pcap(frames)))
    with opened(tmp_path, capture) as session:
        (flow_id,) = session.execute("SELECT flow_id FROM flows WHERE src_port = 40000").rows[0]
        (page,) = follow(session, flow_id)
    assert text_of(page.chunks) == (UP, DOWN)


def test_a_changed_or_missing_file_is_not_shown(tmp_path: Path) -> None:
    capture = write_pcap(tmp_path / "c.pcap", transfer())
    with opened(tmp_path, capture) as session:
        flow_id = flow_of(session)
        data = capture.read_bytes()
        capture.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        (page,) = follow(session, flow_id)
        assert page.chunks == ()
        assert "SHA-256" in page.problem
        capture.write_bytes(data[:-1])
        assert "bytes" in follow(session, flow_id)[0].problem
        capture.unlink()
        assert "no such file" in follow(session, flow_id)[0].problem
        with pytest.raises(InputError):
            plan(session, 10**9)


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    real = originals.digest

    def counted(path: Path) -> str:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(originals, "digest", counted)
    with opened(tmp_path, write_pcap(tmp_path / "c.pcap", transfer())) as session:
        known = Originals(session.path)
        for _ in range(3):
            assert StreamReader(plan(session, flow_of(session)), known).page().chunks
    assert len(hashed) == 1


@pytest.mark.parametrize("name", ["web.pcap", "mail-ftp.pcap", "dns.pcap", "scan.pcap.zst"])
def test_samples_have_the_payload_that_their_flows_count(tmp_path: Path, name: str) -> None:
    """New bytes of each direction: payload without what was sent again."""
    with opened(tmp_path, ROOT / "sample_pcaps" / name) as session:
        known = Originals(session.path)
        rows = session.execute(
            "SELECT flow_id, src_payload, dst_payload FROM flows WHERE src_retransmissions + dst_retransmissions = 0 "
            "AND src_port IS NOT NULL AND src_missed_bytes + dst_missed_bytes = 0 AND duplicates = 0 "
            "AND src_payload + dst_payload > 0 ORDER BY src_payload + dst_payload DESC LIMIT 40"
        ).rows
        assert rows
        for flow_id, src, dst in rows:
            page = StreamReader(plan(session, flow_id), known).page()
            assert tuple(map(len, text_of(page.chunks))) == (src, dst), flow_id


def test_http_of_a_sample(tmp_path: Path) -> None:
    with opened(tmp_path, ROOT / "sample_pcaps" / "web.pcap") as session:
        (flow_id,) = session.execute("SELECT flow_id FROM http GROUP BY 1 HAVING count(*) = 3").rows[0]
        (page,) = follow(session, flow_id)
        messages = session.execute("SELECT uri, status, packet FROM http WHERE flow_id = ? ORDER BY packet",
                                   [flow_id]).rows  # fmt: skip
    up, down = text_of(page.chunks)
    assert [line.split()[1].decode() for line in up.split(b"\r\n") if line.startswith(b"GET")] == [
        m[0] for m in messages
    ]
    assert [int(part[:3]) for part in down.split(b"HTTP/1.1 ")[1:]] == [m[1] for m in messages]
    assert [c.packet for c in page.chunks if c.from_src] == [m[2] for m in messages]
