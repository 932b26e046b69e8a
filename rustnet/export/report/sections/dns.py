"""DNS: servers, names, failures, slow answers and unusual names."""

from rustnet.export.report.blocks import Section
from rustnet.export.report.cells import ratio
from rustnet.export.report.source import Show, Source
from rustnet.i18n import _, ngettext

_ANY = """-- title: DNS messages
-- description: Number of DNS messages.
SELECT count(*) AS messages FROM dns"""

_QUERIES_OF = "SELECT count(*) FROM (SELECT DISTINCT lower(query), qtype FROM dns WHERE query IS NOT NULL)"


def section(source: Source) -> Section:
    """Servers, names, failures, slow and unusual ones."""
    part = Section("dns", "DNS", _("Which names were asked for, what failed or was slow, and what is unusual?"))
    encrypted = source.query("encrypted-dns")
    if not source.own(_ANY).first["messages"]:
        part.absent(
            _("No DNS message was seen: names may have been asked for elsewhere, or over an encrypted channel.")
        )
    else:
        _servers(part, source)
        _failures(part, source)
        _unusual(part, source)
    if encrypted:
        part.finding("fact", _("There is encrypted DNS: what was asked there is not known."))
    part.add(encrypted.table(_("Encrypted DNS"), [
        Show("server", _("server")), Show("port", _("port")), Show("protocol", _("protocol")), Show("reason", _("why")),
        Show("sni", _("name asked for (SNI)"), wide=True), Show("flows", _("flows")), Show("clients", _("clients")),
        Show("bytes_sent", _("sent")), Show("bytes_received", _("received")), Show("first_seen", _("first")),
    ]))  # fmt: skip
    return part


def _servers(part: Section, source: Source) -> None:
    part.add(source.query("dns-servers").table(_("DNS servers"), [
        Show("server", _("server")), Show("protocol", _("protocol")), Show("port", _("port")),
        Show("direction", _("direction")), Show("asked", _("questions"), bar=True),
        Show("answered", _("answers")), Show("failed", _("errors")),
        Show("unanswered", _("unanswered")), Show("clients", _("clients")), Show("median_ms", _("median time")),
        Show("p95_ms", _("95th percentile")),
    ]))  # fmt: skip
    part.add(source.query("dns-queries", of=_QUERIES_OF).table(_("Names asked for"), [
        Show("query", _("name"), wide=True), Show("qtype", _("type")), Show("asked", _("questions"), bar=True),
        Show("answered", _("answers")), Show("rcodes", _("results")), Show("clients", _("clients")),
        Show("answers", _("answers"), further="further_answers", wide=True), Show("rtt_ms", _("mean time")),
        Show("first_seen", _("first")), Show("last_seen", _("last")),
    ]))  # fmt: skip


def _failures(part: Section, source: Source) -> None:
    failures = source.query("dns-failures")
    if failures:
        n = failures.total or len(failures.rows)
        words = ngettext(
            "{n} name failed to resolve, or had no answer.", "{n} names failed to resolve, or had no answer.", n
        )
        part.finding("fact", words.format(n=f"{n:,}"))
    part.add(failures.table(_("Names that failed to resolve"), [
        Show("query", _("name"), wide=True), Show("qtype", _("type")), Show("failure", _("failure")),
        Show("times", _("times"), bar=True), Show("clients", _("clients")), Show("server_ips", _("servers"), wide=True),
        Show("first_seen", _("first")), Show("last_seen", _("last")),
    ]))  # fmt: skip
    part.add(source.query("slow-dns").table(_("Slow DNS answers"), [
        Show("ts", _("time")), Show("query", _("name"), wide=True), Show("qtype", _("type")),
        Show("waited_ms", _("waited")),
        Show("tries", _("tries")), Show("outcome", _("outcome")), Show("rcode", _("result")),
        Show("client", _("client")),
        Show("server", _("server")),
    ], _("Answers that took 100 ms or more, and questions without an answer in the capture.")))  # fmt: skip


def _unusual(part: Section, source: Source) -> None:
    part.add(source.query("dns-long-names").table(_("Long names"), [
        Show("query", _("name"), wide=True), Show("length", _("characters")), Show("longest_label", _("longest label")),
        Show("digit_share", _("digits"), ratio), Show("qtypes", _("types")), Show("asked", _("questions")),
        Show("clients", _("clients")), Show("first_seen", _("first")),
    ], _("A long name can carry data; content networks, blocklists and service discovery use them too.")))  # fmt: skip
    part.add(source.query("dns-many-subdomains").table(_("Domains with many names"), [
        Show("domain", _("domain"), wide=True), Show("names", _("names"), bar=True), Show("asked", _("questions")),
        Show("mean_name", _("mean characters")), Show("longest_name", _("most characters")), Show("qtypes", _("types")),
        Show("answered_share", _("answered"), ratio), Show("clients", _("clients")), Show("first_seen", _("first")),
    ]))  # fmt: skip
    part.add(source.query("dns-answer-changes").table(_("Names whose addresses changed"), [
        Show("query", _("name"), wide=True), Show("qtype", _("type")), Show("changes", _("changes"), bar=True),
        Show("addresses", _("addresses")), Show("ips", _("some of them"), wide=True), Show("answered", _("answers")),
        Show("first_seen", _("first")), Show("last_seen", _("last")),
    ]))  # fmt: skip
