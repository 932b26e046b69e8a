"""What a process lacks to capture, and the exact command that grants it."""

import os
import shlex
import shutil
import socket
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rustnet.i18n import _
from rustnet.sandbox import privileges

NET_RAW = 13
"""CAP_NET_RAW."""
FILE_CAPABILITIES = "cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search=ep"
"""What ``setcap`` gives to an interpreter: packets, promiscuous interfaces, and owners of flows."""
ROOTS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where sudo looks for programs, whatever the user's own path is."""
CONTAINERS = ("/.dockerenv", "/run/.containerenv")
WHOLE_USER_NAMESPACE = ["0", "0", "4294967295"]
MOST_INTERFACES = 64


@dataclass(frozen=True, slots=True)
class Lack:
    """Why packets cannot be captured, and what changes that."""

    why: str
    command: str


def may_capture(interface: str) -> str:
    """Try to open an interface for capturing; returns why that is not possible, or nothing. Changes nothing."""
    if not hasattr(socket, "AF_PACKET"):
        return _("needs Linux")
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as ring:
            ring.bind((interface, 0))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def interfaces() -> dict[str, str]:
    """The first interfaces of this machine, each with why it cannot be captured, or nothing."""
    return {name: may_capture(name) for _index, name in socket.if_nameindex()[:MOST_INTERFACES]}


def lacking_to_capture(arguments: Sequence[str]) -> Lack | None:
    """What this process lacks to open rings; None if it has the capability.

    ``arguments`` are the words of the command line after the program's name.
    """
    if not sys.platform.startswith("linux") or privileges.held() >> NET_RAW & 1:
        return None
    if privileges.held("Bnd") >> NET_RAW & 1 == 0:
        words = _("CAP_NET_RAW is out of reach: no program that this process starts can get it (bounding set)")
        if _in_container():
            return Lack(words, "docker run --cap-add NET_RAW --cap-add NET_ADMIN …")
        return Lack(words, "systemctl edit …  # CapabilityBoundingSet=, AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN")
    if why := _ineffective():
        return Lack(why, sudo_command(arguments))
    words = _("this needs the privilege CAP_NET_RAW, which user {user} does not have here")
    return Lack(words.format(user=os.geteuid()), sudo_command(arguments))


def _ineffective() -> str:
    """Why the capabilities of the interpreter's file have no effect; empty if it has none."""
    if not file_capabilities(interpreter()):
        return ""
    if os.statvfs(interpreter()).f_flag & os.ST_NOSUID:
        return _("{path} has capabilities, but lies on a file system mounted with nosuid").format(path=interpreter())
    with Path("/proc/self/status").open(encoding="ascii", errors="replace") as status:
        if any(line.split() == ["NoNewPrivs:", "1"] for line in status):
            words = _("{path} has capabilities, but this process was started so that it gets none (no_new_privs)")
            return words.format(path=interpreter())
    if Path("/proc/self/uid_map").read_text("ascii").split() != WHOLE_USER_NAMESPACE:
        return _("{path} has capabilities, but not in this user namespace").format(path=interpreter())
    return _("{path} has capabilities, but CAP_NET_RAW is not among them").format(path=interpreter())


def _in_container() -> bool:
    return any(map(os.path.exists, CONTAINERS)) or "container" in os.environ


def sudo_command(arguments: Sequence[str]) -> str:
    """The command that runs the same as root, quoted for a shell."""
    return shlex.join(["sudo", *program(), *arguments])


def program() -> list[str]:
    """Words that start this program for root, whose path is another."""
    started = Path(sys.argv[0] if sys.argv else "")
    if started.name == "__main__.py" or not started.name:
        return [sys.executable, "-m", "rustnet"]
    found = shutil.which(started.name, path=ROOTS_PATH)
    whole = started if started.is_absolute() or os.sep not in str(started) else Path.cwd() / started
    if found and (not whole.is_absolute() or os.path.realpath(found) == os.path.realpath(whole)):
        return [started.name]
    own = shutil.which(str(whole)) or str(whole)
    return [str(Path(own).absolute())]


def interpreter() -> str:
    """The file of the Python interpreter that runs this program: links are followed, as capabilities are of files."""
    return os.path.realpath(sys.executable)


def file_capabilities(path: str) -> bool:
    """Whether a program has capabilities of its own."""
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


def is_shared(path: str) -> bool:
    """Whether others' programs run with this interpreter too: it is not a copy in this program's own environment."""
    inside = Path(path).is_relative_to(Path(sys.prefix).resolve())
    return sys.prefix == sys.base_prefix or not inside or not stat.S_ISREG(os.lstat(path).st_mode)


def setcap_command() -> str:
    """The command that lets this interpreter capture for every user who may start it."""
    return shlex.join(["sudo", "setcap", FILE_CAPABILITIES, interpreter()])


def private_copy_commands(folder: str) -> list[str]:
    """Commands that make an environment whose interpreter is a file of its own, and let only that one capture."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = os.path.join(folder, "bin", name)  # noqa: PTH118 -- as text for a shell
    return [
        shlex.join([os.path.realpath(sys.executable), "-m", "venv", "--copies", folder]),
        shlex.join([python, "-m", "pip", "install", "rustnet"]),
        shlex.join(["sudo", "setcap", FILE_CAPABILITIES, python]),
    ]
