"""Where to: countries and autonomous systems of public destinations."""

from rustnet.export.report.blocks import Section
from rustnet.export.report.cells import plain
from rustnet.export.report.source import Show, Source
from rustnet.i18n import _

_OF = """SELECT count(*) FROM (SELECT DISTINCT {column} FROM flows
    WHERE direction IN ('outbound', 'external') AND protocol NOT IN ('arp', 'rarp'))"""

_KNOWN = """-- title: What is known of addresses
-- description: Tables of addresses that were applied, and flows with a country or a network.
SELECT (SELECT count(*) FROM data_sources) + (SELECT count(*) FROM flows
    WHERE coalesce(src_country, dst_country) IS NOT NULL OR coalesce(src_asn, dst_asn) IS NOT NULL) AS known"""


def section(source: Source) -> Section:
    """Countries, autonomous systems, and countries by program."""
    part = Section("places", _("Countries and networks"), _("To which countries and networks did traffic go?"))
    if source.hides_addresses:
        part.absent(_("Addresses are hidden by the policy of redaction."))
        return part
    countries = source.query("destinations-by-country", of=_OF.format(column="coalesce(dst_country, '-')"))
    if not countries:
        part.absent(_("No flow goes to a public address, so there is no country or network to name."))
        return part
    if not source.own(_KNOWN).first["known"]:
        part.absent(_("No table of addresses (countries, autonomous systems) was applied."))
        return part
    part.add(countries.table(_("Public destinations by country"), [
        Show("country", _("country")), Show("as_names", _("busiest networks"), further="further_as_names", wide=True),
        Show("addresses", _("addresses")), Show("sources", _("sources")), Show("processes", _("processes")),
        Show("flows", _("flows")), Show("bytes_sent", _("sent")), Show("bytes_received", _("received")),
        Show("bytes", _("bytes"), bar=True), Show("first_seen", _("first")), Show("last_seen", _("last")),
    ], _("The country is where the block of addresses is registered or used by the tables named under custody, not "
         "where a person is; '-' is unknown.")))  # fmt: skip
    systems = source.query("destinations-by-as", of=_OF.format(column="(dst_asn, dst_as_name)"))
    part.add(systems.table(_("Public destinations by autonomous system"), [
        Show("asn", "AS", plain), Show("as_name", _("network"), wide=True),
        Show("countries", _("countries"), further="further_countries"),
        Show("hostnames", _("names"), further="further_hostnames", wide=True), Show("addresses", _("addresses")),
        Show("sources", _("sources")), Show("flows", _("flows")), Show("bytes_sent", _("sent")),
        Show("bytes_received", _("received")), Show("bytes", _("bytes"), bar=True),
    ]))  # fmt: skip
    part.add(source.query("process-countries").table(_("Countries by program"), [
        Show("process_name", _("program")), Show("exe", _("path"), wide=True), Show("country", _("country")),
        Show("addresses", _("addresses")), Show("flows", _("flows"), bar=True), Show("bytes_sent", _("sent")),
        Show("bytes_received", _("received")), Show("first_seen", _("first")),
        Show("first_destination", _("first destination"), wide=True),
    ]))  # fmt: skip
    return part
