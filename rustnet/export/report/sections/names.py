"""Names: those by which flows reached their ends, how they are known, and traffic without any."""

from rustnet.export.report.blocks import Section
from rustnet.export.report.source import Show, Source
from rustnet.i18n import _

_NAMES = """-- title: Names of responders
-- description: Names by which flows reached their ends, by bytes.
-- parameter: limit int 50 Most rows
-- column: learned_from word
WITH shown AS ( -- what is costly is worked out for these alone
    SELECT hostname, sum(src_bytes + dst_bytes)::BIGINT AS bytes FROM flows WHERE hostname IS NOT NULL
    GROUP BY hostname ORDER BY bytes DESC, hostname LIMIT $limit
)
SELECT hostname, list_sort(list_distinct(list(hostname_source))) AS learned_from,
    list_sort(list_distinct(list(dst_ip)))[1:5] AS dst_ips, greatest(count(DISTINCT dst_ip) - 5, 0) AS further_ips,
    count(DISTINCT src_ip) AS clients, count(*) AS flows, sum(src_bytes)::BIGINT AS bytes_sent,
    sum(dst_bytes)::BIGINT AS bytes_received, shown.bytes, min(started_at) AS first_seen, max(ended_at) AS last_seen
FROM shown JOIN flows USING (hostname)
GROUP BY hostname, shown.bytes
ORDER BY shown.bytes DESC, hostname"""


def section(source: Source) -> Section:
    """Names by bytes, and contacts without a name."""
    part = Section("names", _("Names"), _("By which names were destinations reached, and which had none?"))
    answer = source.own(_NAMES, of="SELECT count(DISTINCT hostname) FROM flows")
    if not answer:
        part.absent(_("No flow has a name: neither DNS, nor a handshake or a request names a destination."))
    part.add(answer.table(_("Names of destinations by bytes"), [
        Show("hostname", _("name"), wide=True), Show("learned_from", _("learned from")),
        Show("dst_ips", _("addresses"), further="further_ips"), Show("clients", _("clients")),
        Show("flows", _("flows")),
        Show("bytes_sent", _("sent")), Show("bytes_received", _("received")), Show("bytes", _("bytes"), bar=True),
        Show("first_seen", _("first")), Show("last_seen", _("last")),
    ]))  # fmt: skip
    nameless = source.query("nameless")
    part.add(nameless.table(_("Public addresses that were contacted before any name was known"), [
        Show("process", _("process")), Show("address", _("address")), Show("country", _("country")),
        Show("ports", _("ports")), Show("named_itself", _("names of its own"), wide=True), Show("flows", _("flows")),
        Show("bytes_sent", _("sent")), Show("bytes_received", _("received")), Show("first_seen", _("first")),
    ], _("Names may have been asked for before the capture began, or over an encrypted channel.")))  # fmt: skip
    return part
