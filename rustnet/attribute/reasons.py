"""Reasons why records of a source yield no claim, with their sentences for the summary."""

from collections.abc import Mapping

from rustnet.i18n import N_, _

INVALID = N_("{n} are invalid")
OTHER_KIND = N_("{n} are of another kind than connections of IP sockets")
REMOVED = N_("{n} state that a socket is gone")
NO_ENDS = N_("{n} have no remote address with its port, and no local port")
NO_PROTOCOL = N_("{n} have a protocol that is unknown here")
NO_PROCESS = N_("{n} name no process")
OTHER_TIME = N_("{n} are outside of the capture's time")
OTHER_ENDS = N_("{n} have ends that no flow of the capture has")

Reasons = Mapping[str, int]
"""Numbers of records by reason."""


def listed(reasons: Reasons) -> str:
    """Reasons as text, the most frequent one first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(_(reason).format(n=f"{count:,}") for reason, count in ordered if count)


def sentence(name: str, reasons: Reasons, *, late: bool) -> str:
    """Why a file yields no claim, or (``late``) none that is valid at its flow's time."""
    template = _("{name}: {records:,} records, no claim: {reasons}")
    if late:
        template = _("{name}: {records:,} records, no claim at its flow's time: {reasons}")
    return template.format(name=name, records=sum(reasons.values()), reasons=listed(reasons))
