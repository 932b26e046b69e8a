"""Reads one packet from its original capture."""

from pathlib import Path

from rustnet.query.detail import StoredPacket
from rustnet.sources.linktypes import link_name
from rustnet.sources.seek import PacketReader


def packet_bytes(path: Path, packet: StoredPacket) -> bytes:
    """Bytes of a packet as they were captured. Raises `InputError` if the file cannot be read."""
    with PacketReader(str(path)) as reader:
        return next(iter(reader.read([(packet.file_offset, packet.captured)])))


def link_type(packet: StoredPacket) -> str:
    """Name of the link type of a packet's interface."""
    return "-" if packet.link_type is None else link_name(packet.link_type)
