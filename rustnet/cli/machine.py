"""What this machine has of what rustnet can use: the checks of ``rustnet doctor``."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rustnet import __version__
from rustnet.i18n import _

_NEEDED = ("click", "cryptography", "duckdb", "lz4", "numpy", "zstandard")
_ROOM = 2 << 30
_CAPABILITIES = {12: "CAP_NET_ADMIN", 13: "CAP_NET_RAW", 39: "CAP_BPF"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    grade: str
    """``ok``, ``limited`` (works, with less) or ``broken``."""
    found: str
    fix: str = ""
    """Command that makes it better."""


def _python() -> Iterator[Check]:
    version = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    grade = "ok" if sys.version_info >= (3, 11) else "broken"
    yield Check("Python", grade, version, "" if grade == "ok" else "install Python 3.11 or newer")
    yield Check("rustnet", "ok", f"{__version__}, {Path(__file__).parents[1]}")


def _packages() -> Iterator[Check]:
    for name in _NEEDED:
        try:
            yield Check(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, "broken", _("is not installed"), f"{sys.executable} -m pip install {name}")


def _compiled() -> Iterator[Check]:
    """Compiled modules: every module of the engine that has declarations for Cython."""
    root = Path(__file__).parents[1]
    names = [f"rustnet.{p.parent.name}.{p.stem}" for p in sorted(root.glob("*/*.pxd"))]
    slow = []
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or not (spec.origin or "").endswith((".so", ".pyd")):
            slow.append(name)
    if not slow:
        yield Check(_("compiled engine"), "ok", _("all {n} modules").format(n=len(names)))
        return
    words = _("{n} of {all} modules run uncompiled, hundreds of times slower: {names}").format(
        n=len(slow), all=len(names), names=", ".join(slow)
    )
    source = root.parent / "setup.py"
    fix = (
        f"{sys.executable} {source} build_ext -i"
        if source.is_file()
        else f"{sys.executable} -m pip install --force-reinstall --no-binary rustnet rustnet"
    )
    yield Check(_("compiled engine"), "limited", words, fix)
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        yield Check(_("C compiler"), "limited", _("is not installed"), "apt install build-essential")


def _tools() -> Iterator[Check]:
    """Look for optional tools for the full protocol tree of a packet."""
    what = _("full protocol trees (rustnet show --packet)")
    try:
        yield Check("scapy", "ok", importlib.metadata.version("scapy"))
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "scapy",
            "limited",
            _("is not installed; for {what}").format(what=what),
            f"{sys.executable} -m pip install scapy",
        )
    try:
        yield Check("pyshark", "ok", importlib.metadata.version("pyshark"))
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "pyshark",
            "limited",
            _("is not installed; for {what}").format(what="rustnet replay --with tshark"),
            f"{sys.executable} -m pip install pyshark",
        )
    program = shutil.which("tshark")
    if program is None:
        yield Check("tshark", "limited", _("is not installed; for {what}").format(what=what), "apt install tshark")
        return
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
        yield Check("tshark", "ok", f"{(done.stdout.splitlines() or ['?'])[0]}, {program}")
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Check("tshark", "limited", f"{program}: {error}", "apt install --reinstall tshark")


def _capturing() -> Iterator[Check]:
    """Privileges that capturing on this machine needs."""
    name = _("privileges to capture")
    if not sys.platform.startswith("linux"):
        yield Check(name, "limited", _("only Linux is looked at"))
        return
    held = 0
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
    lacking = [capability for bit, capability in _CAPABILITIES.items() if not held >> bit & 1]
    if not lacking:
        yield Check(name, "ok", ", ".join(_CAPABILITIES.values()))
        return
    words = _("lacks {names}; reading captures needs none of them").format(names=", ".join(lacking))
    yield Check(name, "limited", words, "sudo rustnet …")


def _place() -> Iterator[Check]:
    """Terminal, locale and disk."""
    encoding = sys.stdout.encoding or "?"
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or _("not set")
    fine = encoding.lower().replace("-", "") == "utf8"
    yield Check(
        _("locale"), "ok" if fine else "limited", f"{locale}, {encoding}", "" if fine else "export LC_ALL=C.UTF-8"
    )
    size = shutil.get_terminal_size()
    kind = os.environ.get("TERM") or _("TERM is not set")
    shown = f"{kind}, {size.columns} x {size.lines}" if sys.stdout.isatty() else _("output is not a terminal")
    yield Check(_("terminal"), "ok", shown)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    words = _("{free} MB free in {folder}, for temporary sessions").format(free=f"{free / 1e6:,.0f}", folder=folder)
    yield Check(_("temporary files"), "ok" if free > _ROOM else "limited", words,
                "" if free > _ROOM else "export TMPDIR=/a/larger/disk")  # fmt: skip


LOOKS: tuple[Callable[[], Iterator[Check]], ...] = (_python, _packages, _compiled, _tools, _capturing, _place)
"""The checks, in order."""
