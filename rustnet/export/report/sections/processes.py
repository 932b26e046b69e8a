"""By which program: owners of flows with their destinations and evidence, contested flows, and flows without owner."""

from rustnet.export.report.blocks import Paragraph, Section, Table
from rustnet.export.report.source import Answer, Show, Source
from rustnet.i18n import _
from rustnet.present.values import percent

_COVERED = """-- title: Flows with an owner
-- description: Flows with an owner, contested ones, and claims.
SELECT count(*) AS flows, count(process_id) AS owned, count(*) FILTER (process_contested) AS contested_flows,
    count(*) FILTER (process_id IS NULL AND unowned_reason = 'no_sidecar') AS unread_flows
FROM flows"""

_EVIDENCE = """-- title: Evidence of ownership
-- description: How the owners of flows are known.
-- column: source word
-- column: quality word
-- column: match word
SELECT claims.source, claims.quality, claims.match, count(DISTINCT claims.flow_id) AS flows,
    count(DISTINCT claims.process_id) AS processes, max(distance_ms) AS distance_ms
FROM claims JOIN flows ON flows.flow_id = claims.flow_id AND flows.process_id = claims.process_id
GROUP BY claims.source, claims.quality, claims.match
ORDER BY flows DESC, claims.source, claims.quality, claims.match"""


def section(source: Source) -> Section:
    """Processes, their destinations, the evidence, and what is not known."""
    part = Section("processes", _("Processes"), _("Which programs own the traffic, and how is that known?"))
    covered = source.own(_COVERED)
    flows, owned, contested = (covered.first[name] for name in ("flows", "owned", "contested_flows"))
    if not flows:
        part.absent(_("There are no flows that a process could own."))
        return part
    if not owned and covered.first["unread_flows"] == flows:
        part.absent(
            _(
                "The session was made without a source of owners, so nothing is known of processes: a capture alone "
                "does not have them. A recording of connections on the captured machine (a sidecar) does."
            )
        )
        return part
    words = _("{owned} of {flows} flows ({share}) have an owner; of {contested} flows the claims disagree.")
    values = {
        "owned": f"{owned:,}",
        "flows": f"{flows:,}",
        "share": percent(owned, flows),
        "contested": f"{contested:,}",
    }
    part.add(Paragraph(words.format(**values)))
    if contested:
        part.finding("warn", _("Claims on the owner of {n} flows disagree.").format(n=f"{contested:,}"))
    _owners(part, source)
    part.add(_contested(source.query("contested")))
    part.add(source.query("unowned").table(_("Flows without an owner, and why"), [
        Show("reason", _("reason")), Show("why", _("in words"), wide=True), Show("protocol", _("protocol")),
        Show("flows", _("flows"), bar=True), Show("bytes", _("bytes")),
        Show("busiest", _("busiest remote end"), wide=True),
        Show("claimed_by", _("nearest claims"), further="further_claimants", wide=True), Show("off_by_ms", _("off by")),
    ]))  # fmt: skip
    return part


def _owners(part: Section, source: Source) -> None:
    part.add(source.query("process-destinations").table(_("Programs and their destinations"), [
        Show("process_name", _("program")), Show("exe", _("path"), wide=True), Show("host", _("machine")),
        Show("processes", _("processes")), Show("usernames", _("users"), further="further_usernames", wide=True),
        Show("hostnames", _("names"), further="further_hostnames", wide=True), Show("addresses", _("addresses")),
        Show("ports", _("ports"), further="further_ports"), Show("flows", _("flows"), bar=True),
        Show("bytes_sent", _("sent")), Show("bytes_received", _("received")), Show("first_seen", _("first")),
        Show("last_seen", _("last")),
    ]))  # fmt: skip
    part.add(source.query("owners").table(_("Processes and their remote ends"), [
        Show("process_name", _("process")), Show("pid", "PID"), Show("username", _("user")),
        Show("parent", _("parent")),
        Show("remote_addr", _("remote address")), Show("remote_port", _("port")),
        Show("hostname", _("name"), wide=True),
        Show("apps", _("applications"), further="further_apps"), Show("flows", _("flows")),
        Show("bytes_sent", _("sent")),
        Show("bytes_received", _("received")), Show("sources", _("known from")), Show("contested", _("contested")),
    ]))  # fmt: skip
    part.add(source.own(_EVIDENCE).table(_("How owners are known"), [
        Show("source", _("source")), Show("quality", _("quality")), Show("match", _("match")),
        Show("flows", _("flows")),
        Show("processes", _("processes")), Show("distance_ms", _("largest distance in time")),
    ], _("The claims that won: the source that named the process, and how exactly it named the flow.")))  # fmt: skip


def _contested(answer: Answer) -> Table | None:
    return answer.table(_("Flows whose claims disagree"), [
        Show("flow_id", _("flow")), Show("src_ip", _("initiator")), Show("src_port", _("port")),
        Show("dst_ip", _("responder")),
        Show("dst_port", _("port")), Show("process_name", _("process")), Show("pid", "PID"),
        Show("username", _("user")),
        Show("wins", _("wins")), Show("source", _("source")), Show("quality", _("quality")),
        Show("distance_ms", _("distance in time")), Show("evidence", _("evidence"), wide=True),
    ])  # fmt: skip
