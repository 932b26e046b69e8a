"""Events of flows, with their processes."""

from collections.abc import Iterator

from rustnet.export.ecs.common import CACHED, FLOW_COLUMNS, Common, line, moment
from rustnet.export.timeline import Fields, Source, present

_COLUMNS = (
    *FLOW_COLUMNS, "started_at", "ended_at", "src_packets", "dst_packets", "src_bytes", "dst_bytes", "end_reason",
    "state", "conn_state", "syn_tries", "process_contested",
)  # fmt: skip
_PROCESS = (
    "process_id", "host", "pid", "ppid", "name", "exe", "cmdline", "cwd", "uid", "username", "started_at", "parent_exe",
    "parent_cmdline", "exe_sha256", "container_id", "container_name", "container_image", "container_runtime", "pod",
    "namespace",
)  # fmt: skip
_ENDED = frozenset({"fin", "rst", "idle", "reused"})


def flow_source(common: Common) -> Source:
    """All flows, at their beginning."""
    owners: dict[int, Fields] = {}

    def texts(row: Fields) -> Iterator[str]:
        made = _flow(common, row)
        process = row["p.process_id"]
        if process is not None:
            owner = owners.get(process)
            if owner is None:
                if len(owners) >= CACHED:
                    owners.clear()
                owner = owners[process] = _owner(row)
            made |= owner
            if row["p.username"]:
                made["related"]["user"] = [row["p.username"]]
            if row["f.process_contested"]:
                made["labels"]["process_contested"] = "true"
        yield line(made)

    return Source("flows", "started_at", texts, flow=_COLUMNS, process=_PROCESS)


def _flow(common: Common, row: Fields) -> Fields:
    """Return the event of a flow, without its process."""
    types = ["connection"]
    if row["f.syn_tries"] is not None:
        types.append("start")
    if row["f.end_reason"] in _ENDED:
        types.append("end")
    made = common.event(row, "flow", ["network"], types)
    started, ended = row["f.started_at"], row["f.ended_at"]
    event = made["event"]
    event["start"], event["end"], event["duration"] = moment(started), moment(ended), ended - started
    event["reason"] = row["f.end_reason"]
    source, destination, network, labels = made["source"], made["destination"], made["network"], made["labels"]
    source["packets"], source["bytes"] = row["f.src_packets"], row["f.src_bytes"]
    destination["packets"], destination["bytes"] = row["f.dst_packets"], row["f.dst_bytes"]
    network["packets"] = row["f.src_packets"] + row["f.dst_packets"]
    network["bytes"] = row["f.src_bytes"] + row["f.dst_bytes"]
    if row["f.state"]:
        labels["state"] = row["f.state"]
    if row["f.conn_state"]:
        labels["conn_state"] = row["f.conn_state"]
    return made


def _owner(row: Fields) -> Fields:
    """Return the process that owns a flow, its user, container and host."""
    user = present({"id": None if row["p.uid"] is None else str(row["p.uid"]), "name": row["p.username"]})
    started = row["p.started_at"]
    process = present({
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
    host = present({"name": row["p.host"]})
    return present({"process": process, "user": user, "container": container, "orchestrator": pod, "host": host})
