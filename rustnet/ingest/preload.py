"""What a parsing process needs and must not load itself: after its fork it opens no file."""

import codecs
import ctypes
import hashlib
import os
import signal
import sys

from rustnet.analysis.capture import Analysis
from rustnet.dissect.quic.crypto import load_ciphers

ENCODINGS = ("ascii", "latin-1", "utf-8", "utf-16-le", "utf-16-be", "utf-16", "utf-32", "idna", "punycode", "cp437",
             "cp1252", "unicode-escape", "hex")  # fmt: skip
"""Codecs of Python that are loaded at their first use."""
PR_SET_PDEATHSIG = 1
"""As in ``<linux/prctl.h>``."""

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def preload(dissect: bool) -> None:
    """Load tables, codecs and libraries that parsers load when they need them."""
    for encoding in ENCODINGS:
        codecs.lookup(encoding)
    hashlib.sha256()
    Analysis(1, 1, dissect)  # the tables of services and ports
    load_ciphers()


def end_with_parent(parent: int) -> None:
    """Let the system kill this process when its parent ends; ends it at once if it has already ended."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
