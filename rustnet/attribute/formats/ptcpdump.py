"""Packet comments of ptcpdump: several per packet, each with lines ``Key: value``.

Together they are one statement: the process, its thread, user and parent, its container and pod. Newlines in values are
not escaped, so a line without a known key continues the previous value. ``Args`` ending in ``...`` are truncated.
Threads and annotations (whole manifests) are ignored. Replies may lack comments; the flow's other packets have them.
"""

from rustnet.attribute.formats.statement import JSON, PATH, Statement, base_name, decimal
from rustnet.attribute.observation import ProcessFacts
from rustnet.attribute.values import bounded_text

SOURCE = "ptcpdump"
QUALITY = "comment"

_KEYS = frozenset({
    "PID", "Cmd", "Command", "Args", "ThreadId", "TID", "ThreadName", "UserId", "ParentPID", "ParentCmd",
    "ParentCommand", "ParentArgs", "ContainerName", "ContainerId", "ContainerImage", "ContainerLabels", "PodName",
    "PodNamespace", "PodUID", "PodLabels", "PodAnnotations",
})  # fmt: skip
_LINES = 256
"""Maximum number of lines of a packet's comments that are parsed."""


def ptcpdump_comments(comments: list[str]) -> list[Statement]:
    """The statement of a packet's comments, if they name a process or container."""
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
    exe = bounded_text(get("Cmd") or get("Command"), PATH)
    parent = bounded_text(get("ParentCmd") or get("ParentCommand"), PATH)
    ppid = decimal(get("ParentPID")) or None
    facts = ProcessFacts(
        pid=decimal(get("PID")) or None,
        ppid=ppid,
        name=base_name(exe) or bounded_text(get("ThreadName")),
        exe=exe,
        cmdline=bounded_text(get("Args"), PATH),
        uid=decimal(get("UserId")),
        lineage=(f"{base_name(parent) or '?'}({ppid or '?'})",) if parent or ppid else None,
        container_id=bounded_text(get("ContainerId")),
        container_name=bounded_text(get("ContainerName")),
        container_image=bounded_text(get("ContainerImage"), 1024),
        container_labels=bounded_text(get("ContainerLabels"), JSON),
        pod=bounded_text(get("PodName")),
        namespace=bounded_text(get("PodNamespace")),
        pod_uid=bounded_text(get("PodUID")),
        pod_labels=bounded_text(get("PodLabels"), JSON),
        parent_exe=parent,
        parent_cmdline=bounded_text(get("ParentArgs"), PATH),
    )
    if facts.pid is None and facts.name is None and facts.container_id is None:
        return []
    return [Statement(SOURCE, QUALITY, facts)]
