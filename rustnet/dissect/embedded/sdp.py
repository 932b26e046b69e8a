"""Session descriptions (SDP, RFC 8866), as SIP and RTSP carry them: where media will flow."""

from rustnet.dissect.framework.reading import number, text

MAX_MEDIA = 16
_MAX_LINES = 200


def media(body: bytes) -> list[str] | None:
    """Streams that a description offers, each as ``audio 192.0.2.1:49170 RTP/AVP``; None where it has none.

    Ports of rejected streams are 0. Addresses are as the description gives them, empty where it gives none.
    """
    if not body.startswith(b"v="):
        return None
    common = ""
    found: list[tuple[str, str, str, str]] = []
    for line in body[:16_384].split(b"\n", _MAX_LINES)[:_MAX_LINES]:
        if line.startswith(b"c="):
            address = _address(text(line[2:]))
            if not found:
                common = address
            else:
                kind, _, port, protocol = found[len(found) - 1]
                found[len(found) - 1] = (kind, address, port, protocol)
        elif line.startswith(b"m=") and len(found) < MAX_MEDIA:
            words = text(line[2:]).split()
            if len(words) >= 3 and number(words[1].partition("/")[0], 65_535) is not None:
                found.append((words[0], common, words[1].partition("/")[0], words[2]))
    made = [
        f"{kind} {f'[{address}]' if ':' in address else address}:{port} {protocol}"
        for kind, address, port, protocol in found
    ]
    return made or None


def _address(value: str) -> str:
    """Address of a connection line, ``IN IP4 192.0.2.1/127``."""
    words = value.split()
    return words[2].partition("/")[0] if len(words) >= 3 else ""
