"""Rings from the helper, a process of root that opens them for users whom it knows (``rustnet helper``)."""

import base64
import contextlib
import errno
import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from rustnet.errors import Phrase, RustnetError
from rustnet.i18n import N_
from rustnet.probe.helper import INSTRUCTION, MAX_INTERFACES, MAX_MESSAGE, SOCKET
from rustnet.probe.ring_socket import RING_BYTES, Program, RingInterface

SECONDS = 30
"""Time to wait for an answer."""
LARGEST = (1 << 32) - 1
"""Largest number in an answer."""

REASONS = {
    "user": N_("the helper's configuration allows this user nothing; root can add them to /etc/rustnet/helper.toml"),
    "not_allowed": N_("the helper's configuration does not allow this user to capture on {interface}"),
    "promiscuous": N_("the helper's configuration does not allow promiscuous mode on {interface}"),
    "snaplen": N_(
        "the helper's configuration allows {bytes} bytes of each packet on {interface}; use --snaplen {bytes}"
    ),
    "memory": N_("this user's captures already use the {megabytes} MB that the helper's configuration allows"),
    "rate": N_("this user asked the helper too often; try again in {seconds} s"),
    "configuration": N_("the helper allows nothing, because its configuration is wrong; its log says why"),
    "interface": N_("the helper cannot capture on {interface}: {words}"),
    "request": N_("the helper does not understand the request; it may be of another version"),
    "system": N_("the helper failed: {words}"),
}
"""What the helper's reasons mean."""


class HelperRefusedError(RustnetError):
    """The helper answered that it opens no ring."""


def request_rings(
    interfaces: Sequence[str],
    snaplen: int = 0,
    size: int = RING_BYTES,
    program_by_interface: Mapping[str, Program] | None = None,
    promiscuous: bool = False,
    path: str = SOCKET,
) -> tuple[list[int], list[RingInterface]]:
    """Descriptors of rings of the interfaces, and what their reader has to know of each.

    A ring may be smaller than ``size``. Raises `RustnetError` if there is no helper, or it refuses.
    """
    by_interface = program_by_interface or {}
    programs = list(dict.fromkeys(by_interface[name] for name in interfaces if by_interface.get(name)))
    packed = [base64.b64encode(b"".join(struct.pack(INSTRUCTION, *each) for each in program)) for program in programs]
    wanted = {name: programs.index(by_interface[name]) if by_interface.get(name) else None for name in interfaces}
    request = {
        "snaplen": snaplen,
        "size": size,
        "promiscuous": promiscuous,
        "interfaces": wanted,
        "programs": [each.decode("ascii") for each in packed],
    }
    data = json.dumps(request).encode("utf-8", "surrogatepass")
    if len(data) > MAX_MESSAGE or not 0 < len(wanted) <= MAX_INTERFACES:
        raise RustnetError("the capture filter is too large for the helper, or there are too many interfaces")
    answer, descriptors = _asked(path, data)
    try:
        return descriptors, _interfaces(answer, list(wanted), len(descriptors))
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def _asked(path: str, data: bytes) -> tuple[bytes, list[int]]:
    """Send a request; returns the answer and the descriptors that came with it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):  # unlike `settimeout`, also while others wait
            link.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", SECONDS, 0))
        try:
            link.connect(path)
            _pid, uid, _gid = struct.unpack("iII", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid not in (0, os.geteuid()):  # packets of a stranger's choice would be taken for captured ones
                raise RustnetError("{path}: the helper there does not belong to root", path=path)
            with contextlib.suppress(BrokenPipeError):  # it answered without reading
                link.send(data)
            answer, descriptors = _received(link)
        except (FileNotFoundError, ConnectionRefusedError):
            raise RustnetError("{path}: no helper answers; root starts it with: rustnet helper", path=path) from None
        except BlockingIOError:
            raise RustnetError("{path}: the helper did not answer", path=path) from None
        except OSError as error:
            raise RustnetError("{path}: the helper: {words}", path=path, words=error.strerror or error) from error
    return answer, descriptors


def _received(link: socket.socket) -> tuple[bytes, list[int]]:
    for _try in range(2):
        with contextlib.suppress(ConnectionResetError):  # it answered without reading: the answer comes after that
            answer, descriptors, _flags, _address = socket.recv_fds(
                link, MAX_MESSAGE, MAX_INTERFACES, socket.MSG_CMSG_CLOEXEC
            )
            return answer, descriptors
    raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def _interfaces(data: bytes, names: list[str], descriptors: int) -> list[RingInterface]:
    """The rings of an answer, which is checked like any input. Raises `RustnetError`."""
    try:
        answer = json.loads(data)
        if "error" in answer:
            reason = answer.pop("error")
            raise HelperRefusedError("{words}", words=Phrase(REASONS[reason], **{k: str(v) for k, v in answer.items()}))
        rings = [_interface(each) for each in answer["rings"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RustnetError("the helper's answer is not understood; it may be of another version") from error
    if [ring.name for ring in rings] != names or descriptors != len(names):
        raise RustnetError("the helper's answer is not understood; it may be of another version")
    return rings


def _interface(values: dict[str, Any]) -> RingInterface:
    """Values of a ring. Raises ValueError, TypeError."""
    kinds = {each.name: str if each.type in (str, "str") else int for each in fields(RingInterface)}
    for name, value in values.items():
        if type(value) is not kinds[name] or (isinstance(value, int) and not 0 <= value <= LARGEST):
            raise ValueError(name)
    return RingInterface(**values)
