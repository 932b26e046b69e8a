"""Checks of ``rustnet doctor``: versions, compiled modules, optional tools, privileges, disk."""

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
from rustnet.isolation import NEUTRAL_DIRECTORY, environment, find_program

_REQUIRED = ("click", "cryptography", "duckdb", "lz4", "numpy", "platformdirs", "textual", "zstandard")
CONSTANTS = "numbers"
"""Module whose .pxd has nothing but constants: it is not compiled itself."""
_MIN_FREE_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check."""

    name: str
    grade: str
    """``ok``, ``limited`` (works with fewer features) or ``broken``."""
    found: str
    fix: str = ""
    """Command that fixes it."""


def _python() -> Iterator[Check]:
    version = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    grade = "ok" if sys.version_info >= (3, 11) else "broken"
    yield Check("Python", grade, version, "" if grade == "ok" else "install Python 3.11 or newer")
    yield Check("rustnet", "ok", f"{__version__}, {Path(__file__).parents[1]}")


def _packages() -> Iterator[Check]:
    for name in _REQUIRED:
        try:
            yield Check(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, "broken", _("not installed"), f"{sys.executable} -m pip install {name}")


def _compiled() -> Iterator[Check]:
    """Check that every module with Cython declarations is compiled."""
    root = Path(__file__).parents[1]
    names = [f"rustnet.{p.parent.name}.{p.stem}" for p in sorted(root.glob("*/*.pxd")) if p.stem != CONSTANTS]
    slow = []
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or not (spec.origin or "").endswith((".so", ".pyd")):
            slow.append(name)
    if not slow:
        yield Check(_("compiled engine"), "ok", _("all {n} modules").format(n=len(names)))
        return
    words = _("{n} of {all} modules are not compiled and run hundreds of times slower: {names}").format(
        n=len(slow), all=len(names), names=", ".join(slow)
    )
    source = root.parent / "setup.py"
    fix = (
        f"{sys.executable} {source} build_ext -i"
        if source.is_file()
        else f"{sys.executable} -m pip install --force-reinstall --no-binary rustnet rustnet"
    )
    yield Check(_("compiled engine"), "limited", words, fix)
    if find_program("cc") is None and find_program("gcc") is None:
        yield Check(_("C compiler"), "limited", _("not installed"), "apt install build-essential")


def _tools() -> Iterator[Check]:
    """Check the optional tools that decode a packet's full protocol tree."""
    what = _("full protocol trees (rustnet show --packet)")
    try:
        yield Check("scapy", "ok", importlib.metadata.version("scapy"))
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "scapy",
            "limited",
            _("not installed; needed for {what}").format(what=what),
            f"{sys.executable} -m pip install scapy",
        )
    try:
        yield Check("pyshark", "ok", importlib.metadata.version("pyshark"))
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "pyshark",
            "limited",
            _("not installed; needed for {what}").format(what="rustnet replay --with tshark"),
            f"{sys.executable} -m pip install pyshark",
        )
    program = find_program("tshark")
    if program is None:
        yield Check("tshark", "limited", _("not installed; needed for {what}").format(what=what), "apt install tshark")
        return
    try:
        version = subprocess.run(  # noqa: S603 -- a fixed program, no shell
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False,
            cwd=NEUTRAL_DIRECTORY, env=environment(), stdin=subprocess.DEVNULL,
        )  # fmt: skip
        yield Check("tshark", "ok", f"{(version.stdout.splitlines() or ['?'])[0]}, {program}")
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Check("tshark", "limited", f"{program}: {error}", "apt install --reinstall tshark")


def _capturing() -> Iterator[Check]:
    """Which interfaces this process may capture from, and what grants that."""
    from rustnet.sandbox import grants  # noqa: PLC0415 -- here only

    name = _("capturing")
    if not sys.platform.startswith("linux"):
        yield Check(name, "limited", _("checked on Linux only"))
        return
    tried = grants.interfaces()
    yes = [interface for interface, reason in tried.items() if not reason]
    no = [f"{interface} ({reason})" for interface, reason in tried.items() if reason]
    lack = grants.lacking_to_capture(["live"])
    if lack is None:
        words = _("possible on {interfaces}").format(interfaces=", ".join(yes) or "-")
        if no:
            words += "; " + _("not on {interfaces}").format(interfaces=", ".join(no))
        yield Check(name, "ok" if yes else "limited", words)
        return
    words = _("not possible: {why}; not needed to read captures").format(why=lack.why)
    yield Check(name, "limited", words, lack.command)
    python = grants.interpreter()
    if grants.is_shared(python):
        words = _(
            "without sudo: every program that {python} runs would get the privilege, for every user; better make an "
            "environment with a copy of it first ({command}), or let root run rustnet helper"
        ).format(python=python, command=grants.private_copy_commands("rustnet-live")[0])
    else:
        words = _("without sudo: whoever may start {python} gets the privilege").format(python=python)
    yield Check(_("capturing without sudo"), "limited", words, grants.setcap_command())


def _attribution() -> Iterator[Check]:
    """How flows of a live capture can be given owners."""
    if not sys.platform.startswith("linux"):
        return
    from rustnet.probe.ebpf.reasons import UnavailableError  # noqa: PLC0415 -- here only
    from rustnet.probe.ebpf.source import open_events  # noqa: PLC0415

    name = _("owners of live flows")
    try:
        open_events().close()
    except UnavailableError as reason:
        words = _("by socket tables and /proc, which miss short connections; not by eBPF: {reason}")
        yield Check(name, "limited", words.format(reason=reason))
    else:
        yield Check(name, "ok", _("by eBPF"))


def _sandbox() -> Iterator[Check]:
    """Layers of the sandbox around hostile bytes that this machine has."""
    from rustnet.sandbox import IN_FORCE, NOT_NEEDED, try_out  # noqa: PLC0415 -- here only

    names = {
        "user": _("user"),
        "capabilities": _("capabilities"),
        "no_new_privileges": _("no new privileges"),
        "landlock": "Landlock",
        "system_calls": _("system calls (seccomp)"),
    }
    layers = try_out()
    grade = "ok" if all(layer.state in (IN_FORCE, NOT_NEEDED) for layer in layers) else "limited"
    parts = []
    for layer in layers:
        state = layer.state.replace("_", " ")
        about = f"{state}, {layer.detail}" if layer.detail and layer.state != IN_FORCE else layer.detail or state
        parts.append(f"{names[layer.name]} ({about})")
    yield Check(_("sandbox for parsing"), grade, "; ".join(parts))


def _environment() -> Iterator[Check]:
    """Terminal, locale and disk."""
    encoding = sys.stdout.encoding or "?"
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or _("not set")
    utf8 = encoding.lower().replace("-", "") == "utf8"
    yield Check(
        _("locale"), "ok" if utf8 else "limited", f"{locale}, {encoding}", "" if utf8 else "export LC_ALL=C.UTF-8"
    )
    size = shutil.get_terminal_size()
    kind = os.environ.get("TERM") or _("TERM is not set")
    size_text = f"{kind}, {size.columns} x {size.lines}" if sys.stdout.isatty() else _("output is not a terminal")
    yield Check(_("terminal"), "ok", size_text)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    words = _("{free} MB free in {folder}, for temporary sessions").format(free=f"{free / 1e6:,.0f}", folder=folder)
    yield Check(_("temporary files"), "ok" if free > _MIN_FREE_BYTES else "limited", words,
                "" if free > _MIN_FREE_BYTES else "export TMPDIR=/a/larger/disk")  # fmt: skip


CHECKS: tuple[Callable[[], Iterator[Check]], ...] = (
    _python,
    _packages,
    _compiled,
    _tools,
    _capturing,
    _attribution,
    _sandbox,
    _environment,
)
"""The checks, in order."""
