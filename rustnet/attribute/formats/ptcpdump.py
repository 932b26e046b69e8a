"""Comments that ptcpdump writes: several on a packet, each of lines ``Key: value``.

Together they are one statement: the process, its thread, user and parent, its container and pod. Newlines in values
are not escaped, so a line that begins with no key goes on with the value before it. ``Args`` that end in ``...`` were
cut off. Thread and annotations are read past: a thread is no owner, and annotations are whole manifests. Answers may
carry no comment; the flow has its owner from the other packets.
"""

from rustnet.attribute.formats.statement import JSON, PATH, Statement, base_name, said, whole
from rustnet.attribute.observation import ProcessFacts

SOURCE = "ptcpdump"
QUALITY = "comment"

_KEYS = frozenset({
    "PID", "Cmd", "Command", "Args", "ThreadId", "TID", "ThreadName", "UserId", "ParentPID", "ParentCmd",
    "ParentCommand", "ParentArgs", "ContainerName", "ContainerId", "ContainerImage", "ContainerLabels", "PodName",
    "PodNamespace", "PodUID", "PodLabels", "PodAnnotations",
})  # fmt: skip
_LINES = 256
"""Lines of a packet's comments that are looked at."""


def ptcpdump_comments(comments: list[str]) -> list[Statement]:
    """The one statement of a packet's comments; none if they name neither process nor container."""
    values: dict[str, str] = {}
    lines = 0
    for text in comments:
        key, mark, _ = text.partition(": ")
        if not mark or key not in _KEYS:
            continue
        for line in text.split("\n")[: _LINES - lines]:
            lines += 1
            word, mark, value = line.partition(":")
            if mark and word in _KEYS:
                key = word
                values.setdefault(key, value.strip())
            elif len(values[key]) < PATH:
                values[key] += "\n" + line
    get = values.get
    exe = said(get("Cmd") or get("Command"), PATH)
    parent = said(get("ParentCmd") or get("ParentCommand"), PATH)
    ppid = whole(get("ParentPID")) or None
    facts = ProcessFacts(
        pid=whole(get("PID")) or None,
        ppid=ppid,
        name=base_name(exe) or said(get("ThreadName")),
        exe=exe,
        cmdline=said(get("Args"), PATH),
        uid=whole(get("UserId")),
        lineage=(f"{base_name(parent) or '?'}({ppid or '?'})",) if parent or ppid else None,
        container_id=said(get("ContainerId")),
        container_name=said(get("ContainerName")),
        container_image=said(get("ContainerImage"), 1024),
        container_labels=said(get("ContainerLabels"), JSON),
        pod=said(get("PodName")),
        namespace=said(get("PodNamespace")),
        pod_uid=said(get("PodUID")),
        pod_labels=said(get("PodLabels"), JSON),
        parent_exe=parent,
        parent_cmdline=said(get("ParentArgs"), PATH),
    )
    if facts.pid is None and facts.name is None and facts.container_id is None:
        return []
    return [Statement(SOURCE, QUALITY, facts)]
