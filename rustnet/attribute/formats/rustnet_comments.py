"""Comments that RustNet writes on packets, and those that its enrichment script adds.

RustNet's annotated pcapng has at most one comment per packet: ``rustnet``, then ``key=value`` pairs; white space in
values has become ``_``. It shows what was known when the packet was written out, at most two seconds after it was
captured, so early packets of a flow may lack it. ``scripts/pcap_enrich.py`` matches a sidecar with the packets and
writes ``Loc:US City:X ZIP:Y AS123 PID:1 Process:p``, any part of which may be missing; values may contain spaces.
Names, places and applications in either are not about ownership and are read past.
"""

import re

from rustnet.attribute.formats.statement import ANSWERED, ANYWHERE, BEGAN, PATH, Statement, said, whole
from rustnet.attribute.observation import ProcessFacts

SOURCE = "rustnet-comment"
SCRIPT = "rustnet-script-comment"
UNSTATED = "unstated"

_PLACES = {"outgoing": BEGAN, "incoming": ANSWERED}
_LONGEST = 4096
_WRITTEN = re.compile(
    r"(?:Loc:\S* ?)?(?:City:.*? ?)?(?:ZIP:.*? ?)?(?:AS\d+ ?)?(?:PID:(\d{1,10})(?: |$))?(?:Process:(.*))?", re.ASCII
)


def rustnet_comments(comments: list[str]) -> list[Statement]:
    """Statements of comments that begin with ``rustnet``."""
    made = []
    for text in comments:
        if not text.startswith("rustnet ") or len(text) > 8 * _LONGEST:
            continue
        pairs = [pair.partition("=") for pair in text.split(" ")[1:]]
        get = {key: value for key, mark, value in reversed(pairs) if mark}.get
        facts = ProcessFacts(
            host=said(get("host")),
            pid=whole(get("pid")),
            ppid=whole(get("ppid")),
            name=said(get("process")),
            exe=said(get("exe"), PATH),
            uid=whole(get("uid")),
            pod=said(get("pod")),
            namespace=said(get("ns")),
            pod_uid=said(get("pod_uid")),
            container_name=said(get("container")),
            container_id=said(get("container_id")),
        )
        if facts.pid is not None or facts.name is not None:
            place = _PLACES.get(get("direction") or "", ANYWHERE)
            made.append(Statement(SOURCE, said(get("attr"), 64) or UNSTATED, facts, place))
    return made


def script_comments(comments: list[str]) -> list[Statement]:
    """Statements of comments that the enrichment script writes."""
    made = []
    for text in comments:
        if len(text) > _LONGEST or ("PID:" not in text and "Process:" not in text):
            continue
        found = _WRITTEN.fullmatch(text)
        if found and (found[1] or found[2]):
            made.append(Statement(SCRIPT, UNSTATED, ProcessFacts(pid=whole(found[1]), name=said(found[2]))))
    return made
