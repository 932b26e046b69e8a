"""What a parsing process needs and must not load itself: after its fork it opens no file."""

import codecs
import hashlib

from rustnet.analysis.capture import Analysis
from rustnet.dissect import registry
from rustnet.dissect.http.http2 import load_header_blocks
from rustnet.dissect.quic.crypto import load_ciphers
from rustnet.i18n import load_messages
from rustnet.records import columns

ENCODINGS = ("ascii", "latin-1", "utf-8", "utf-16-le", "utf-16-be", "utf-16", "utf-32", "idna", "punycode", "cp437",
             "cp1252", "unicode-escape", "hex")  # fmt: skip
"""Codecs of Python that are loaded at their first use."""


def preload(dissect: bool) -> None:
    """Load tables, codecs and libraries that parsers load when they need them."""
    for encoding in ENCODINGS:
        codecs.lookup(encoding)
    hashlib.sha256()
    for cls in registry.tables() if dissect else ():
        columns(cls)
    Analysis(1, 1, dissect)  # the tables of services and ports
    load_ciphers()
    load_header_blocks()
    load_messages()
