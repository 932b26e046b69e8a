"""Genuine conversations of every protocol: what the split tests and the fuzzers start from."""

from dataclasses import dataclass

from tests.dissect.samples_layer2 import LAYER2
from tests.dissect.samples_lookup import LOOKUP
from tests.dissect.samples_services import SERVICES
from tests.dissect.samples_streams import STREAMS
from tests.dissect.samples_udp_secure import UDP_SECURE
from tests.dissect.samples_web import (
    DNS_QUERY,
    DNS_RESPONSE,
    HTTP_TALK,
    MDNS_RESPONSE,
    SSH_TALK,
    dns,
    framed,
    question,
    tls_talk,
)
from tests.support.http2 import grpc_talk

PROXY_HEADER = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\xc6\x33\x64\x14\xc7\x38\x01\xbb"
"""Version 2, with the same ends as the line of version 1."""


@dataclass(frozen=True)
class Sample:
    """One conversation."""

    transport: str
    port: int
    talk: tuple[tuple[bool, bytes], ...]


SAMPLES: dict[str, tuple[Sample, ...]] = {
    "dns": (
        Sample("udp", 53, ((True, DNS_QUERY), (False, DNS_RESPONSE))),
        Sample("tcp", 53, ((True, framed(DNS_QUERY) * 2), (False, framed(DNS_RESPONSE) * 2))),
    ),
    "mdns": (
        Sample("udp", 5353, ((True, MDNS_RESPONSE),)),
        Sample("udp", 5353, ((True, dns(0, (question("a.local", 12, 0x8001), question("b.local", 255)))),)),
    ),
    "llmnr": (Sample("udp", 5355, ((True, dns(0, (question("wpad"),))),)),),
    "http": (Sample("tcp", 80, tuple(HTTP_TALK)),),
    "http2": (Sample("tcp", 50051, tuple(grpc_talk())),),
    "tls": (Sample("tcp", 443, tls_talk(12)), Sample("tcp", 443, tls_talk(13))),
    "ssh": (Sample("tcp", 22, tuple(SSH_TALK)),),
    "proxy": (
        Sample("tcp", 9999, ((True, b"PROXY TCP4 203.0.113.9 198.51.100.20 51000 443\r\n"),)),
        Sample("tcp", 9999, ((True, PROXY_HEADER),)),
        Sample("udp", 9999, ((True, PROXY_HEADER + b"hello"),)),
    ),
    **{name: tuple(Sample(*parts) for parts in made) for name, made in STREAMS.items()},
    **{name: tuple(Sample(*parts) for parts in made) for name, made in SERVICES.items()},
    **{name: tuple(Sample(*parts) for parts in made) for name, made in LOOKUP.items()},
    **{name: tuple(Sample(*parts) for parts in made) for name, made in UDP_SECURE.items()},
    **{name: tuple(Sample(*parts) for parts in made) for name, made in LAYER2.items()},
}
