"""What a conversation with a secret is, and how its lines are written."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

Steps = list[tuple[str, bytes]]
"""Who sends what: ``>`` the client, ``<`` the server; ``!`` and ``?`` are their bytes that were not captured."""


@dataclass(frozen=True)
class Case:
    """One conversation; ``steps`` get a secret and a decoy."""

    name: str
    port: int
    steps: Callable[[bytes, bytes], Steps]
    decoy: bool = True
    """The session contains the decoy."""
    opened: bool = True
    """The beginning of the connection was captured."""
    udp: bool = False
    app: bool = True
    """A parser has recognised it."""


def b64(raw: bytes) -> bytes:
    """A text in Base64."""
    return base64.b64encode(raw)


def lines(*said: str) -> Callable[[bytes, bytes], Steps]:
    """Conversation of lines: ``{s}`` is the secret, ``{d}`` the decoy, ``{bs}``, ``{bd}`` and ``{plain}`` in Base64."""

    def steps(secret: bytes, decoy: bytes) -> Steps:
        s, d = secret.decode(), decoy.decode()
        values = {
            "s": s, "d": d, "bs": b64(secret).decode(), "bd": b64(decoy).decode(), "S": s.upper(), "n": len(s),
            "m": len(d), "plain": b64(b"\0" + decoy + b"\0" + secret).decode(),
            "xoauth2": b64(b"user=" + decoy + b"\1auth=Bearer " + secret + b"\1\1").decode(),
            "basic": b64(decoy + b":" + secret).decode(),
            "cram": b64(b"u " + secret).decode(), "bwords": b64(secret + b" y").decode(),
        }  # fmt: skip
        return [
            (one[0], (one[1:] if one.endswith("\0") else one[1:] + "\r\n").rstrip("\0").format(**values).encode())
            for one in said
        ]

    return steps
