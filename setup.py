"""Build of the compiled modules: plain .py sources with a companion .pxd that gives the C types."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

COMPILED = [
    "rustnet.sources.frames",
    "rustnet.sources.walk",
    "rustnet.engine.packet",
    "rustnet.engine.reader",
    "rustnet.engine.tunnels",
    "rustnet.engine.transport",
    "rustnet.engine.network",
    "rustnet.engine.decode",
    "rustnet.engine.index",
    "rustnet.engine.flow",
    "rustnet.engine.tcp",
    "rustnet.engine.streams",
    "rustnet.engine.table",
    "rustnet.engine.tracker",
    "rustnet.engine.columns",
    "rustnet.engine.text",
    "rustnet.dissect.conversation",
    "rustnet.dissect.dispatch",
    "rustnet.dissect.dns",
    "rustnet.dissect.dns_message",
    "rustnet.dissect.http",
    "rustnet.dissect.tls",
    "rustnet.dissect.tls_handshake",
    "rustnet.dissect.tls_fingerprints",
]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": True,  # the input is hostile: an out-of-range read is an exception, never a wild read
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "annotation_typing": False,  # types come from the .pxd files; annotations are for readers and mypy
    "embedsignature": True,
}


def extensions() -> list[Extension]:
    """Compiled modules that exist as sources; RUSTNET_PURE=1 builds none (everything also runs uncompiled)."""
    if os.environ.get("RUSTNET_PURE"):
        return []
    flags = ["-O2", "-fno-strict-overflow"] if os.name == "posix" else []
    modules = [Extension(name, [name.replace(".", "/") + ".py"], extra_compile_args=flags) for name in COMPILED if Path(name.replace('.', '/') + '.py').exists()]
    return cythonize(modules, compiler_directives=DIRECTIVES, nthreads=0)


setup(ext_modules=extensions())
