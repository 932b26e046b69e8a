"""The summary: key figures in sentences, and what stands out."""

from collections.abc import Sequence

from rustnet.export.report.blocks import Fact, Facts, Paragraph, Remark, Remarks, Section
from rustnet.export.report.cells import percent as percent_cell
from rustnet.export.report.sections.talkers import ADDRESSES, ADDRESSES_OF
from rustnet.export.report.source import Answer, Fields, Show, Source
from rustnet.i18n import _, ngettext
from rustnet.present.text import safe
from rustnet.present.values import bit_rate, duration, humanised, percent, short_moment

MOST_FINDINGS = 40
_ORDER = ("bad", "warn", "fact", "good")

_TOTALS = """-- title: Totals
-- description: Flows, packets, bytes, addresses and owners.
-- column: flows count
-- column: hosts count
SELECT (SELECT count(*) FROM flows) AS flows, (SELECT count(process_id) FROM flows) AS owned,
    (SELECT count(*) FROM (SELECT src_ip FROM flows WHERE src_ip IS NOT NULL UNION
        SELECT dst_ip FROM flows WHERE dst_ip IS NOT NULL)) AS hosts,
    (SELECT count(*) FROM captures) AS captures, count(*) AS packets, coalesce(sum(length), 0)::BIGINT AS bytes,
    count(*) FILTER (flow_id IS NULL) AS undecoded, min(ts) AS first_ts, max(ts) AS last_ts
FROM packets"""

_APPS = """-- title: Applications
-- description: Applications, else protocols, by bytes.
-- parameter: limit int 10 Most rows
-- column: app word
SELECT coalesce(app, protocol) AS app, count(*) AS flows, sum(src_packets + dst_packets)::BIGINT AS packets,
    sum(src_bytes + dst_bytes)::BIGINT AS bytes,
    round(100.0 * sum(src_bytes + dst_bytes) / nullif(sum(sum(src_bytes + dst_bytes)) OVER (), 0), 2) AS percent,
    bool_and(coalesce(app_source, '') = 'port') AS guessed
FROM flows
GROUP BY coalesce(app, protocol)
ORDER BY bytes DESC, app
LIMIT $limit"""


def totals(source: Source) -> Answer:
    """Figures of the whole, which the timeline needs as well."""
    return source.own(_TOTALS)


def section(source: Source, figures: Answer, sections: Sequence[Section]) -> Section:
    """Sentences, key figures, what stands out in the other sections, applications."""
    part = Section("summary", _("Summary"), "")
    whole = figures.first
    if not whole["packets"]:
        part.absent(_("Nothing of the session is within the scope of this report."))
        return part
    for words in sentences(source, whole):
        part.add(Paragraph(words))
    part.add(Facts(_figures(whole, addresses=not source.hides_addresses), large=True))
    findings = sorted(
        (each for other in sections for each in other.findings), key=lambda each: _ORDER.index(each.grade)
    )
    if not findings:
        words = _("None of the checks in this report has a result. That does not show that nothing happened.")
        findings = [Remark("fact", words)]
    part.add(Remarks(findings[:MOST_FINDINGS], _("What stands out")))
    part.add(source.own(_APPS, 10).table(_("Applications by bytes"), [
        Show("app", _("application")), Show("guessed", _("guessed")), Show("flows", _("flows")),
        Show("packets", _("packets")),
        Show("bytes", _("bytes"), bar=True), Show("percent", _("share"), percent_cell),
    ], _("Without an application, the protocol. Guessed: only from ports.")))  # fmt: skip
    return part


def sentences(source: Source, whole: Fields) -> list[str]:
    """The session in sentences."""
    captures = ngettext("{n} capture", "{n} captures", whole["captures"]).format(n=f"{whole['captures']:,}")
    packets = ngettext("{n} packet", "{n} packets", whole["packets"]).format(n=f"{whole['packets']:,}")
    lines = []
    first, last = whole["first_ts"], whole["last_ts"]
    if isinstance(first, int) and isinstance(last, int):
        template = _("{captures}, {packets} ({size} on the wire) from {first} to {last} ({span}).")
        if source.scope.text:
            template = _("Of {captures}: {packets} ({size} on the wire) from {first} to {last} ({span}).")
        lines.append(
            template.format(
                captures=captures, packets=packets, size=humanised(whole["bytes"]), first=short_moment(first),
                last=short_moment(last), span=duration(last - first),
            )
        )  # fmt: skip
    flows = ngettext("{n} flow", "{n} flows", whole["flows"]).format(n=f"{whole['flows']:,}")
    if source.hides_addresses:
        lines.append(_("They belong to {flows}, whose addresses are hidden.").format(flows=flows))
    else:
        hosts = ngettext("{n} address", "{n} addresses", whole["hosts"]).format(n=f"{whole['hosts']:,}")
        lines.append(_("They belong to {flows} between {hosts}.").format(flows=flows, hosts=hosts))
        lines += _busiest(source)
    if whole["owned"]:
        template = _("{owned} of the flows ({share}) have a process as their owner.")
        lines.append(template.format(owned=f"{whole['owned']:,}", share=percent(whole["owned"], whole["flows"])))
    return lines


def _busiest(source: Source) -> list[str]:
    """The application and the address with the most bytes."""
    app = next(iter(source.own(_APPS, 10)), None)
    talker = next(iter(source.query("endpoints", ADDRESSES, of=ADDRESSES_OF)), None)
    if app is None or talker is None:
        return []
    template = _("Most bytes are {app} ({share}); the busiest address is {ip} with {size} (without ARP).")
    share = percent(app["bytes"], _bytes_of_flows(source))
    app_name, ip = (safe(str(value)) for value in (app["app"], talker["ip"]))
    return [template.format(app=app_name, share=share, ip=ip, size=humanised(talker["bytes"]))]


_BYTES = """-- title: Bytes of flows
-- description: All bytes of flows.
SELECT coalesce(sum(src_bytes + dst_bytes), 0)::BIGINT AS bytes FROM flows"""


def _bytes_of_flows(source: Source) -> int:
    return int(source.own(_BYTES).first["bytes"])


def _figures(whole: Fields, *, addresses: bool) -> list[Fact]:
    first, last = whole["first_ts"], whole["last_ts"]
    facts = [
        Fact(_("packets"), f"{whole['packets']:,}"),
        Fact(_("on the wire"), humanised(whole["bytes"]), _("{n} bytes").format(n=f"{whole['bytes']:,}")),
        Fact(_("flows"), f"{whole['flows']:,}"),
    ]
    if addresses:
        facts.append(Fact(_("addresses"), f"{whole['hosts']:,}"))
    if isinstance(first, int) and isinstance(last, int):
        facts.append(Fact(_("duration"), duration(last - first)))
        if last > first:
            facts.append(Fact(_("mean rate"), bit_rate(whole["bytes"] * 8e9 / (last - first))))
    return facts
