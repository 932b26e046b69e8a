"""Packet comments of RustNet, and of its enrichment script.

RustNet's annotated pcapng has at most one comment per packet: ``rustnet``, then ``key=value`` pairs; white space in
values is replaced by ``_``. It has the process known when the packet was written, at most two seconds after capture, so
early packets of a flow may lack it. ``scripts/pcap_enrich.py`` matches a sidecar with the packets and writes
``Loc:US City:X ZIP:Y AS123 PID:1 Process:p``, of which any part may be missing; values may contain spaces. Host names,
locations and applications in either do not concern ownership and are ignored.
"""

import re

from rustnet.attribute.formats.statement import ANSWERED, ANYWHERE, BEGAN, PATH, Statement, decimal
from rustnet.attribute.observation import ProcessFacts
from rustnet.attribute.values import bounded_text

SOURCE = "rustnet-comment"
SCRIPT = "rustnet-script-comment"
UNSTATED = "unstated"

_PLACES = {"outgoing": BEGAN, "incoming": ANSWERED}
_LONGEST = 4096
_SCRIPT_COMMENT = re.compile(
    r"(?:Loc:\S* ?)?(?:City:.*? ?)?(?:ZIP:.*? ?)?(?:AS\d+ ?)?(?:PID:(\d{1,10})(?: |$))?(?:Process:(.*))?", re.ASCII
)


def rustnet_comments(comments: list[str]) -> list[Statement]:
    """Statements of comments that begin with ``rustnet``."""
    statements = []
    for text in comments:
        if not text.startswith("rustnet ") or len(text) > 8 * _LONGEST:
            continue
        pairs = [pair.partition("=") for pair in text.split(" ")[1:]]
        get = {key: value for key, mark, value in reversed(pairs) if mark}.get
        facts = ProcessFacts(
            host=bounded_text(get("host")),
            pid=decimal(get("pid")),
            ppid=decimal(get("ppid")),
            name=bounded_text(get("process")),
            exe=bounded_text(get("exe"), PATH),
            uid=decimal(get("uid")),
            pod=bounded_text(get("pod")),
            namespace=bounded_text(get("ns")),
            pod_uid=bounded_text(get("pod_uid")),
            container_name=bounded_text(get("container")),
            container_id=bounded_text(get("container_id")),
        )
        if facts.pid is not None or facts.name is not None:
            place = _PLACES.get(get("direction") or "", ANYWHERE)
            statements.append(Statement(SOURCE, bounded_text(get("attr"), 64) or UNSTATED, facts, place))
    return statements


def script_comments(comments: list[str]) -> list[Statement]:
    """Statements of the enrichment script's comments."""
    statements = []
    for text in comments:
        if len(text) > _LONGEST or ("PID:" not in text and "Process:" not in text):
            continue
        match = _SCRIPT_COMMENT.fullmatch(text)
        if match and (match[1] or match[2]):
            statements.append(
                Statement(SCRIPT, UNSTATED, ProcessFacts(pid=decimal(match[1]), name=bounded_text(match[2])))
            )
    return statements
