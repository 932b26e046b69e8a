"""Anomalies and alerts: what rules raised, what looks like scans or beacons, credentials, and malformed packets."""

from rustnet.export.report.blocks import Section
from rustnet.export.report.cells import ratio
from rustnet.export.report.source import Answer, Show, Source
from rustnet.i18n import _, ngettext

_ALERTS = """-- title: Alerts
-- description: Alerts that were raised, the gravest first.
-- parameter: limit int 100 Most rows
-- column: alert word
-- column: severity word
-- column: summary mixed
SELECT ts, severity, alert, summary, flow_id
FROM alerts
ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 WHEN 'low' THEN 3 ELSE 4 END, ts,
    alert_id
LIMIT $limit"""

_CHECKED = """-- title: Checks for alerts
-- description: Rules that were checked.
SELECT count(*) AS rules FROM alert_checks"""


def section(source: Source) -> Section:
    """Alerts, scans, beacons, credentials, odd ports, anomalies."""
    part = Section(
        "security", _("Anomalies and alerts"), _("What was reported, looks like an attack, or is malformed?")
    )
    alerts = source.own(_ALERTS, 100)
    if alerts:
        n = _number(alerts)
        part.finding("bad", ngettext("{n} alert was raised.", "{n} alerts were raised.", n).format(n=f"{n:,}"))
    elif source.own(_CHECKED).first["rules"]:
        part.absent(_("Rules for alerts were checked; none raised one."))
    else:
        part.absent(_("No rules for alerts were checked in this session (`rustnet alerts` does)."))
    part.add(alerts.table(_("Alerts"), [
        Show("ts", _("time")), Show("severity", _("severity")), Show("alert", _("alert")),
        Show("summary", _("summary"), wide=True),
        Show("flow_id", _("flow")),
    ]))  # fmt: skip
    _suspicious(part, source)
    anomalies = source.query("anomalies", 100)
    if not anomalies:
        part.absent(_("Nothing malformed, cut off or ambiguous was met while decoding."))
    part.add(anomalies.table(_("Anomalies of packets and streams"), [
        Show("kind", _("kind")), Show("times", _("times"), bar=True), Show("flows", _("flows")),
        Show("example", _("for example"), wide=True), Show("details", _("different details")),
        Show("first_packet", _("first packet")), Show("example_flow", _("a flow")), Show("first_seen", _("first")),
        Show("last_seen", _("last")),
    ]))  # fmt: skip
    return part


def _suspicious(part: Section, source: Source) -> None:
    scans = source.query("scans")
    n = _number(scans)
    _count(part, scans, "bad", ngettext("{n} scan of ports or hosts.", "{n} scans of ports or hosts.", n))
    part.add(scans.table(_("Scans"), [
        Show("src_ip", _("source")), Show("kind", _("kind")), Show("scan", _("method")), Show("target", _("target")),
        Show("protocol", _("protocol")), Show("width", _("ports or hosts"), bar=True), Show("attempts", _("attempts")),
        Show("failed_share", _("failed"), ratio), Show("first_seen", _("first")), Show("last_seen", _("last")),
    ]))  # fmt: skip
    credentials = source.query("cleartext-credentials")
    words = ngettext(
        "Credentials of {n} login were sent without encryption.",
        "Credentials of {n} logins were sent without encryption.",
        _number(credentials),
    )
    _count(part, credentials, "warn", words)
    part.add(credentials.table(_("Credentials in the clear"), [
        Show("server", _("server")), Show("port", _("port")), Show("app", _("application")),
        Show("username", _("user")),
        Show("method", _("method")), Show("times", _("times"), bar=True), Show("clients", _("clients")),
        Show("client_ips", _("from"), wide=True), Show("first_seen", _("first")), Show("last_seen", _("last")),
    ], _("A password, a token, or a hash from which a password can be guessed (Digest, CRAM-MD5), for each server, "
         "user and method; an anonymous login reveals none. Values are not kept.")))  # fmt: skip
    beacons = source.query("beacons")
    words = ngettext(
        "{n} conversation recurs at regular intervals.", "{n} conversations recur at regular intervals.",
        _number(beacons),
    )  # fmt: skip
    _count(part, beacons, "fact", words)
    part.add(beacons.table(_("Connections at regular intervals"), [
        Show("src_ip", _("source")), Show("destination", _("destination"), wide=True), Show("dst_port", _("port")),
        Show("apps", _("applications"), further="further_apps"), Show("process_names", _("processes"), wide=True),
        Show("flows", _("flows")), Show("interval_ms", _("median interval")), Show("jitter", _("jitter"), ratio),
        Show("first_seen", _("first")), Show("last_seen", _("last")),
    ], _("Clocks, updates, monitoring and mail programs do that as well.")))  # fmt: skip
    odd = source.query("odd-ports")
    words = ngettext("{n} service ran on an unusual port.", "{n} services ran on unusual ports.", _number(odd))
    _count(part, odd, "fact", words)
    part.add(odd.table(_("Services on unusual ports"), [
        Show("server", _("server")), Show("port", _("port")), Show("app", _("application")),
        Show("protocol", _("protocol")),
        Show("direction", _("direction")), Show("hostnames", _("names"), further="further_hostnames", wide=True),
        Show("process_names", _("processes"), wide=True), Show("flows", _("flows"), bar=True),
        Show("clients", _("clients")),
        Show("bytes_sent", _("sent")), Show("bytes_received", _("received")), Show("first_seen", _("first")),
    ]))  # fmt: skip


def _count(part: Section, answer: Answer, grade: str, words: str) -> None:
    if answer:
        part.finding(grade, words.format(n=f"{_number(answer):,}"))


def _number(answer: Answer) -> int:
    """Number of rows, or of those that are shown if it is not known."""
    return answer.total or len(answer.rows)
