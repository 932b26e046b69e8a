"""Session descriptions (SDP, RFC 8866), as SIP and RTSP carry them: the media streams offered."""

from rustnet.dissect.framework.reading import number, text

MAX_MEDIA = 16
_MAX_LINES = 200


def media(body: bytes) -> list[str] | None:
    """Streams that a description offers, each as ``audio 192.0.2.1:49170 RTP/AVP``; None if it has none.

    Ports of rejected streams are 0. An address is empty if the description has none.
    """
    if not body.startswith(b"v="):
        return None
    common = ""
    streams: list[tuple[str, str, str, str]] = []
    for line in body[:16_384].split(b"\n", _MAX_LINES)[:_MAX_LINES]:
        if line.startswith(b"c="):
            address = _address(text(line[2:]))
            if not streams:
                common = address
            else:
                kind, _, port, protocol = streams[len(streams) - 1]
                streams[len(streams) - 1] = (kind, address, port, protocol)
        elif line.startswith(b"m=") and len(streams) < MAX_MEDIA:
            words = text(line[2:]).split()
            if len(words) >= 3 and number(words[1].partition("/")[0], 65_535) is not None:
                streams.append((words[0], common, words[1].partition("/")[0], words[2]))
    texts = [
        f"{kind} {f'[{address}]' if ':' in address else address}:{port} {protocol}"
        for kind, address, port, protocol in streams
    ]
    return texts or None


def _address(value: str) -> str:
    """Address of a connection line, ``IN IP4 192.0.2.1/127``."""
    words = value.split()
    return words[2].partition("/")[0] if len(words) >= 3 else ""
