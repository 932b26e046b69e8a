"""Network quality: round trips, retransmissions, zero windows, bufferbloat, failed connections, response times."""

from rustnet.export.report.blocks import Paragraph, Section
from rustnet.export.report.cells import percent
from rustnet.export.report.source import Show, Source
from rustnet.i18n import _
from rustnet.present import values

_TCP = """-- title: TCP in figures
-- description: Connections, segments and retransmissions.
-- column: connections count
-- column: segments count
-- column: retransmissions count
-- column: rtt_median_ms duration
SELECT count(*) AS connections, coalesce(sum(src_packets + dst_packets), 0)::BIGINT AS segments,
    coalesce(sum(src_retransmissions + dst_retransmissions), 0)::BIGINT AS retransmissions,
    round(median(rtt_ms), 3) AS rtt_median_ms, round(quantile_cont(rtt_ms, 0.95), 3) AS rtt_p95_ms,
    count(rtt_ms) AS measured
FROM flows WHERE protocol = 'tcp'"""


def section(source: Source) -> Section:
    """Paths, retransmissions, zero windows, bufferbloat, failures, response times."""
    part = Section("quality", _("Network quality"), _("How well did the network and the services work?"))
    tcp = source.own(_TCP).first
    if tcp["connections"]:
        _in_words(part, tcp)
    else:
        part.absent(_("There is no TCP connection, so neither round trips nor retransmissions can be measured."))
    part.add(source.query("path-quality").table(_("Quality by path"), [
        Show("local_ip", _("local end")), Show("remote_ip", _("remote end")), Show("flows", _("connections")),
        Show("rtt_p50_ms", _("median round trip")), Show("rtt_p95_ms", _("95th percentile")),
        Show("handshake_p50_ms", _("median handshake")), Show("segments", _("packets")),
        Show("sent_again_percent", _("sent again"), percent),
        Show("received_again_percent", _("received again"), percent),
        Show("zero_windows", _("zero windows")), Show("missed_bytes", _("not captured")),
        Show("note", _("limits"), wide=True),
    ]))  # fmt: skip
    _flows(part, source)
    bloat = source.query("bufferbloat")
    part.add(bloat.table(_("Bufferbloat: round trips under load"), [
        Show("local_ip", _("local end")), Show("remote_ip", _("remote end")), Show("direction", _("direction")),
        Show("grade", _("grade")), Show("confidence", _("confidence")), Show("baseline_ms", _("idle")),
        Show("loaded_ms", _("under load")), Show("increase_ms", _("increase")), Show("load_mbit", _("load, Mbit/s")),
        Show("note", _("limits"), wide=True),
    ]))  # fmt: skip
    if tcp["connections"] and not bloat:
        part.absent(_("No transfer was large enough to load a path, so bufferbloat cannot be judged."))
    part.add(source.query("response-times").table(_("Response times of services"), [
        Show("service", _("service")), Show("measured", _("from … to …")), Show("servers", _("servers")),
        Show("samples", _("samples")), Show("p50_ms", _("median")), Show("p90_ms", "90 %"), Show("p95_ms", "95 %"),
        Show("p99_ms", "99 %"), Show("max_ms", _("longest")), Show("slowest_flow", _("slowest flow")),
    ], _("As captured: with the network between the place of capture and the server.")))  # fmt: skip
    return part


def _in_words(part: Section, tcp: dict[str, int]) -> None:
    again = values.percent(tcp["retransmissions"], tcp["segments"])
    words = _("{connections} TCP connections with {segments} packets; {n} segments were retransmitted ({share}).")
    part.add(Paragraph(words.format(connections=f"{tcp['connections']:,}", segments=f"{tcp['segments']:,}",
                                    n=f"{tcp['retransmissions']:,}", share=again)))  # fmt: skip
    if tcp["measured"]:
        words = _("The median round trip of {n} connections is {median}; 95 % have at most {p95}.")
        median, p95 = (values.short_duration(tcp[name] * 1e6) for name in ("rtt_median_ms", "rtt_p95_ms"))
        part.add(Paragraph(words.format(n=f"{tcp['measured']:,}", median=median, p95=p95)))
    if tcp["segments"] and tcp["retransmissions"] >= 0.02 * tcp["segments"]:
        part.finding("warn", _("{share} of TCP packets are retransmissions.").format(share=again))


def _flows(part: Section, source: Source) -> None:
    part.add(source.query("retransmitters", 20).table(_("Connections with the most retransmissions"), [
        Show("flow_id", _("flow")), Show("src_ip", _("initiator")), Show("dst_ip", _("responder")),
        Show("dst_port", _("port")),
        Show("hostname", _("name"), wide=True), Show("app", _("application")),
        Show("retransmissions", _("retransmissions"), bar=True), Show("fast", _("fast ones")),
        Show("percent", _("of packets"), percent), Show("out_of_order", _("out of order")),
        Show("missed_bytes", _("not captured")), Show("rtt_ms", _("round trip")),
    ]))  # fmt: skip
    part.add(source.query("zero-windows", 20).table(_("Receivers that stopped the sender (zero windows)"), [
        Show("flow_id", _("flow")), Show("src_ip", _("initiator")), Show("dst_ip", _("responder")),
        Show("dst_port", _("port")),
        Show("hostname", _("name"), wide=True), Show("app", _("application")),
        Show("src_zero_windows", _("by the initiator")),
        Show("dst_zero_windows", _("by the responder")), Show("zero_windows", _("both"), bar=True),
        Show("duration_ms", _("duration")), Show("process_name", _("process")),
    ]))  # fmt: skip
    failed = source.query("failed-connections")
    part.add(failed.table(_("Connections that failed"), [
        Show("dst_ip", _("target")), Show("protocol", _("protocol")), Show("dst_port", _("port")),
        Show("service", _("service")),
        Show("outcome", _("outcome")), Show("hostnames", _("names"), further="further_hostnames", wide=True),
        Show("attempts", _("attempts"), bar=True), Show("sources", _("sources")),
        Show("source_ips", _("from"), wide=True),
        Show("first_seen", _("first")), Show("last_seen", _("last")),
    ]))  # fmt: skip
