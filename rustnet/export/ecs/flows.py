"""Events of flows, with their processes."""

from collections.abc import Iterator

from rustnet.export.ecs.common import FLOW_COLUMNS, Common, moment
from rustnet.export.formats import COMPACT, dumps
from rustnet.export.timeline import Fields, Source, present

_COLUMNS = (
    *FLOW_COLUMNS, "started_at", "ended_at", "src_packets", "dst_packets", "src_bytes", "dst_bytes", "end_reason",
    "state", "conn_state", "syn_tries", "process_contested",
)  # fmt: skip
_PROCESS = (
    "host", "pid", "ppid", "name", "exe", "cmdline", "cwd", "uid", "username", "started_at", "parent_exe",
    "parent_cmdline", "exe_sha256", "container_id", "container_name", "container_image", "container_runtime", "pod",
    "namespace",
)  # fmt: skip
_ENDED = frozenset({"fin", "rst", "idle", "reused"})


def flow_source(common: Common) -> Source:
    """All flows, at their beginning."""

    def texts(row: Fields) -> Iterator[str]:
        yield dumps(_flow(common, row), COMPACT)

    return Source("flows", "started_at", texts, flow=_COLUMNS, process=_PROCESS)


def _flow(common: Common, row: Fields) -> Fields:
    """Return the event of a flow."""
    types = ["connection"]
    if row["f.syn_tries"] is not None:
        types.append("start")
    if row["f.end_reason"] in _ENDED:
        types.append("end")
    made = common.event(row, "flow", ["network"], types)
    started, ended = row["f.started_at"], row["f.ended_at"]
    made["event"] |= {"start": moment(started), "end": moment(ended), "duration": ended - started,
                      "reason": row["f.end_reason"]}  # fmt: skip
    packets, size = 0, 0
    for name, side in (("source", "src"), ("destination", "dst")):
        made[name]["packets"], made[name]["bytes"] = row[f"f.{side}_packets"], row[f"f.{side}_bytes"]
        packets += row[f"f.{side}_packets"] or 0
        size += row[f"f.{side}_bytes"] or 0
    made["network"] |= {"packets": packets, "bytes": size}
    made["labels"] |= present({"state": row["f.state"], "conn_state": row["f.conn_state"]})
    if row["p.pid"] is not None or row["p.name"]:
        _owner(made, row)
    return made


def _owner(made: Fields, row: Fields) -> None:
    """Set the process that owns the flow, its user, container and host."""
    user = present({"id": None if row["p.uid"] is None else str(row["p.uid"]), "name": row["p.username"]})
    started = row["p.started_at"]
    made["process"] = present({
        "pid": row["p.pid"],
        "name": row["p.name"],
        "executable": row["p.exe"],
        "command_line": row["p.cmdline"],
        "working_directory": row["p.cwd"],
        "start": None if started is None else moment(started),
        "hash": present({"sha256": row["p.exe_sha256"]}),
        "parent": present({
            "pid": row["p.ppid"], "executable": row["p.parent_exe"], "command_line": row["p.parent_cmdline"],
        }),
        "user": user,
    })  # fmt: skip
    container = present({
        "id": row["p.container_id"], "name": row["p.container_name"], "runtime": row["p.container_runtime"],
        "image": present({"name": row["p.container_image"]}),
    })  # fmt: skip
    pod = present({
        "namespace": row["p.namespace"],
        "resource": {"name": row["p.pod"], "type": "pod"} if row["p.pod"] else None,
    })  # fmt: skip
    for name, fields in (("user", user), ("container", container), ("orchestrator", pod)):
        if fields:
            made[name] = fields
    if row["p.host"]:
        made["host"] = {"name": row["p.host"]}
    if row["p.username"]:
        made["related"]["user"] = [row["p.username"]]
    if row["f.process_contested"]:
        made["labels"]["process_contested"] = "true"
