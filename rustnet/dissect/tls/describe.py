"""What a row has of the hellos: names, offers, choices and fingerprints."""

from typing import Any

import cython

from rustnet.dissect.tls.names import cipher_name, group_name, version_name

if not cython.compiled:  # compiled, these come from the .pxd as C functions and numbers
    from rustnet.dissect.tls.fingerprints import ja3, ja3s, ja4
    from rustnet.dissect.tls.handshake import EARLY_DATA, ENCRYPTED_SNI, PRE_SHARED_KEY, ClientHello, ServerHello

MAX_OFFERED = 32
"""Versions, and protocols, that are kept of a client's offer."""


def describe_client(row: Any, hello: ClientHello, transport: str = "t") -> None:
    """Fill the client's fields of a row; ``transport`` is JA4's letter."""
    row.sni = hello.sni
    if transport == "t":  # JA3 is defined for TLS over TCP only
        row.ja3 = ja3(hello)
    row.ja4 = ja4(hello, transport)
    row.offered_versions = [version_name(v) for v in hello.versions[:MAX_OFFERED] or (hello.legacy_version,)]
    if hello.alpn:
        row.offered_alpn = list(hello.alpn[:MAX_OFFERED])
    extensions = hello.extensions
    row.ech = hello.encrypted
    row.esni = ENCRYPTED_SNI in extensions
    row.early_data = EARLY_DATA in extensions


def describe_server(row: Any, hello: ServerHello, client: ClientHello | None, transport: str = "t") -> None:
    """Fill the server's fields of a row."""
    row.version = version_name(hello.version)
    row.cipher = cipher_name(hello.cipher)
    if transport == "t":
        row.ja3s = ja3s(hello)
    row.alpn = hello.alpn
    if hello.group is not None:
        row.key_group = group_name(hello.group)
    if PRE_SHARED_KEY in hello.extensions:
        row.resumed = True
    elif is_13(hello.version):
        row.resumed = False
    elif client is not None:
        row.resumed = len(client.session_id) > 0 and client.session_id == hello.session_id


def describe_second(row: Any, hello: ClientHello, transport: str = "t") -> None:
    """Fill the fields of a row for the second ClientHello."""
    if transport != "d":
        second = ja3(hello)
        row.retry_ja3 = second if second != row.ja3 else None
    second = ja4(hello, transport)
    row.retry_ja4 = second if second != row.ja4 else None


def is_13(version: int) -> bool:
    """Whether everything after the ServerHello of this version is encrypted (TLS 1.3, its drafts, DTLS 1.3)."""
    return version in {0x0304, 0xFEFC} or version >> 8 in {0x7F, 0xFB}
