"""Exact bytes of packets by their offsets."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rustnet.errors import InputError
from rustnet.sources.seek import PacketReader
from tests.support.patterned import Packet, pcap, pcapng, read


def wanted(packets: list[Packet]) -> list[tuple[int, int]]:
    return [(p.offset, len(p.data)) for p in packets]


@pytest.mark.parametrize("packer", [None, "gzip", "zstd", "xz", "lz4"])
@pytest.mark.parametrize("make", [pcap, pcapng])
def test_reads_indexed_packets(tmp_path: Path, packer: str | None, make: Callable[[list[int]], bytes]) -> None:
    raw = make([(i * 37) % 1500 for i in range(2000)])
    path = tmp_path / "x"
    path.write_bytes(
        subprocess.run([packer, "-c"], input=raw, capture_output=True, check=True).stdout if packer else raw
    )
    packets, _ = read(path)
    with PacketReader(str(path)) as reader:
        assert reader.compression == packer
        for chosen in (packets, packets[::7], packets[-1:], packets[1000:1003], [], [packets[0], packets[-1]]):
            assert list(reader.read(wanted(chosen))) == [p.data for p in chosen]


@pytest.mark.parametrize("packer", [None, "gzip"])
def test_rejects_another_file(tmp_path: Path, packer: str | None) -> None:
    raw = pcap([60, 60])
    path = tmp_path / "x"
    path.write_bytes(
        subprocess.run([packer, "-c"], input=raw, capture_output=True, check=True).stdout if packer else raw
    )
    reader = PacketReader(str(path))
    with pytest.raises(InputError, match="not the ingested file"):
        list(reader.read([(40, 60), (116, 61)]))
    with pytest.raises(InputError, match="not the ingested file"):
        list(reader.read([(10**6, 60)]))
    with pytest.raises(ValueError, match="ascend"):
        list(reader.read([(116, 60), (40, 60)]))
    with pytest.raises(InputError, match="standard input"):
        PacketReader("-")
    with pytest.raises(InputError, match="no such file"):
        PacketReader(str(tmp_path / "missing"))
