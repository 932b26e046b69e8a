"""Build of the compiled modules: plain .py sources, most with a companion .pxd that gives the C types."""

import os
import subprocess
import sys
from typing import Any

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

PER_PACKET = [
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
    "rustnet.engine.listener",
    "rustnet.engine.generations",
    "rustnet.engine.tcp",
    "rustnet.engine.streams",
    "rustnet.engine.table",
    "rustnet.engine.tracker",
    "rustnet.engine.shares",
    "rustnet.engine.sha1",
    "rustnet.engine.columns",
    "rustnet.export.splice",
    "rustnet.attribute.formats.scan",
]
"""Run for every packet, or every line of a sidecar: typed by their .pxd."""

PER_MESSAGE = [
    "rustnet.columnar",
    "rustnet.analysis.collector",
    "rustnet.store.rows",
    "rustnet.engine.text",
    "rustnet.engine.fragments",
    "rustnet.dissect.framework.conversation",
    "rustnet.dissect.framework.dispatch",
    "rustnet.dissect.dns.parser",
    "rustnet.dissect.dns.message",
    "rustnet.dissect.dns.names",
    "rustnet.dissect.dns.texts",
    "rustnet.dissect.quic.packet",
    "rustnet.dissect.http.parser",
    "rustnet.dissect.http.fields",
    "rustnet.dissect.tls.parser",
    "rustnet.dissect.tls.probe",
    "rustnet.dissect.tls.handshake",
    "rustnet.dissect.tls.fingerprints",
    "rustnet.dissect.framework.reading",
    "rustnet.dissect.framework.ber",
    "rustnet.dissect.framework.lines",
    "rustnet.dissect.rtp",
    "rustnet.dissect.quic.parser",
    "rustnet.dissect.tls.x509",
    "rustnet.dissect.redis",
]
"""Run for every message of the frequent protocols: with Python's own rules, most of them typed by their .pxd."""

DIRECTIVES: dict[str, Any] = {
    "language_level": 3,
    "boundscheck": True,  # the input is hostile: an out-of-range read is an exception, never a wild read
    "cdivision": True,
    "initializedcheck": False,
    "annotation_typing": False,  # types come from the .pxd files; annotations are for readers and mypy
    "embedsignature": True,
}
FLAGS = ["-O3", "-fno-strict-overflow"] if os.name == "posix" else []
SHARED = "rustnet._cyutility"
"""Cython's own helpers, compiled once instead of in every module."""


def compiled(names: list[str], **directives: object) -> list[Extension]:
    """Extensions for ``names``, which are modules with sources in the tree."""
    modules = [Extension(name, [name.replace(".", "/") + ".py"], extra_compile_args=FLAGS) for name in names]
    extensions: list[Extension] = cythonize(
        modules,
        compiler_directives={**DIRECTIVES, **directives},
        nthreads=os.cpu_count() or 1,
        shared_utility_qualified_name=SHARED,
    )
    return extensions


def shared_utility() -> Extension:
    """The extension of Cython's helpers, whose C source Cython writes itself."""
    source = SHARED.replace(".", "/") + ".c"
    subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "cython", f"--generate-shared={source}"], check=True
    )
    return Extension(SHARED, [source], extra_compile_args=FLAGS)


def extensions() -> list[Extension]:
    """All compiled modules; RUSTNET_PURE=1 builds none (everything also runs uncompiled, slowly)."""
    if os.environ.get("RUSTNET_PURE"):
        return []
    return [*compiled(PER_PACKET, wraparound=False), *compiled(PER_MESSAGE), shared_utility()]


setup(
    ext_modules=extensions(),
    packages=[*find_packages(include=["rustnet", "rustnet.*"]), "rustnet.queries", "rustnet.sidecar"],
    package_dir={"rustnet.queries": "queries", "rustnet.sidecar": "sidecar"},
    package_data={
        "rustnet": ["py.typed", "**/*.pxd", "enrich/*.tsv"],
        "rustnet.queries": ["*.sql"],
        "rustnet.sidecar": ["*.json", "*.md"],
    },
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
)
