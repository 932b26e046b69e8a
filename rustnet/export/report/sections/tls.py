"""TLS and certificates: versions, servers, faults, old versions, failures, clients by fingerprint."""

from rustnet.export.report.blocks import Section
from rustnet.export.report.source import Show, Source
from rustnet.i18n import _, ngettext

_VERSIONS = """-- title: Versions of TLS
-- description: Handshakes by the version that the server chose, over TCP and QUIC.
-- column: version word
-- column: transport word
-- column: ciphers word
SELECT version, transport, count(*) AS handshakes, count(*) FILTER (established) AS established,
    count(DISTINCT dst_ip) AS servers, count(DISTINCT src_ip) AS clients,
    list_sort(list_distinct(list(cipher) FILTER (cipher IS NOT NULL)))[1:8] AS ciphers,
    greatest(count(DISTINCT cipher) - 8, 0) AS further_ciphers
FROM (
    SELECT version, cipher, established, flow_id, 'tcp' AS transport FROM tls
    UNION ALL
    SELECT 'QUIC ' || version, cipher, established, flow_id, 'udp' FROM quic
) AS hello LEFT JOIN flows ON flows.flow_id = hello.flow_id
GROUP BY version, transport
ORDER BY handshakes DESC, version, transport"""

_CLIENTS = """-- title: TLS clients by fingerprint
-- description: JA4 fingerprints of TLS and QUIC clients, with the names that they asked for.
-- parameter: limit int 50 Most rows
-- column: ja4 fingerprint
-- column: snis host
-- column: process_names software
WITH hellos AS (
    SELECT hello.*, flows.src_ip, flows.process_id
    FROM (
        SELECT ja4, sni, flow_id FROM tls WHERE ja4 IS NOT NULL
        UNION ALL
        SELECT ja4, sni, flow_id FROM quic WHERE ja4 IS NOT NULL
    ) AS hello LEFT JOIN flows ON flows.flow_id = hello.flow_id
), shown AS ( -- what is costly is worked out for these alone
    SELECT ja4, count(DISTINCT src_ip) AS clients, count(*) AS handshakes FROM hellos GROUP BY ja4
    ORDER BY clients, handshakes DESC, ja4 LIMIT $limit
)
SELECT ja4, clients, list_sort(list_distinct(list(src_ip)))[1:5] AS client_ips, handshakes,
    list_sort(list_distinct(list(lower(sni)) FILTER (sni IS NOT NULL)))[1:5] AS snis,
    greatest(count(DISTINCT lower(sni)) - 5, 0) AS further_snis,
    list_sort(list_distinct(list(processes.name) FILTER (processes.name IS NOT NULL)))[1:5] AS process_names
FROM shown JOIN hellos USING (ja4) LEFT JOIN processes ON processes.process_id = hellos.process_id
GROUP BY ja4, clients, handshakes
ORDER BY clients, handshakes DESC, ja4"""

_SERVERS_OF = """SELECT count(*) FROM (
    SELECT DISTINCT lower(sni), dst_ip, dst_port FROM tls LEFT JOIN flows ON flows.flow_id = tls.flow_id)"""
_CLIENTS_OF = "SELECT count(DISTINCT ja4) FROM (SELECT ja4 FROM tls UNION SELECT ja4 FROM quic)"


def section(source: Source) -> Section:
    """Versions, servers, certificates, failures, clients."""
    part = Section(
        "tls", _("TLS and certificates"), _("Which connections were encrypted, how, and with what certificates?")
    )
    versions = source.own(_VERSIONS)
    if not versions:
        part.absent(_("No TLS or QUIC handshake was seen, so there are no versions, names or certificates to show."))
        return part
    part.add(versions.table(_("Handshakes by version"), [
        Show("version", _("version")), Show("transport", _("transport")), Show("handshakes", _("handshakes"), bar=True),
        Show("established", _("reached encryption")), Show("servers", _("servers")), Show("clients", _("clients")),
        Show("ciphers", _("ciphers"), further="further_ciphers", wide=True),
    ]))  # fmt: skip
    part.add(source.query("tls-servers", of=_SERVERS_OF).table(_("TLS servers"), [
        Show("sni", _("name asked for (SNI)"), wide=True), Show("server", _("server")), Show("port", _("port")),
        Show("versions", _("versions")), Show("alpns", "ALPN"), Show("handshakes", _("handshakes"), bar=True),
        Show("established", _("reached encryption")), Show("clients", _("clients")),
        Show("alerts", _("alerts"), wide=True),
        Show("first_seen", _("first")), Show("last_seen", _("last")),
    ]))  # fmt: skip
    _certificates(part, source)
    failures = source.query("tls-failures")
    part.add(failures.table(_("Handshakes that did not reach encryption"), [
        Show("sni", _("name asked for (SNI)"), wide=True), Show("server", _("server")), Show("port", _("port")),
        Show("alert", _("alert")), Show("alert_from", _("sent by")), Show("handshakes", _("handshakes"), bar=True),
        Show("clients", _("clients")), Show("conn_states", _("connection states")), Show("first_seen", _("first")),
        Show("last_seen", _("last")),
    ], _("Without an alert, the connection or the capture ended first.")))  # fmt: skip
    part.add(source.own(_CLIENTS, of=_CLIENTS_OF).table(_("Clients by fingerprint (JA4), rarest first"), [
        Show("ja4", "JA4"), Show("clients", _("clients")), Show("client_ips", _("addresses")),
        Show("handshakes", _("handshakes")), Show("snis", _("names asked for"), further="further_snis", wide=True),
        Show("process_names", _("processes"), wide=True),
    ], _("A fingerprint is that of a library and its settings: different programs may share one.")))  # fmt: skip
    return part


def _certificates(part: Section, source: Source) -> None:
    """Certificates with faults, all certificates, and old versions."""
    faulty = source.query("tls-bad-certificates")
    if faulty:
        n = faulty.total or len(faulty.rows)
        words = ngettext(
            "{n} certificate is expired, not yet valid, self-signed, or of another name.",
            "{n} certificates are expired, not yet valid, self-signed, or of another name.",
            n,
        )
        part.finding("warn", words.format(n=f"{n:,}"))
    part.add(faulty.table(_("Certificates with a fault"), [
        Show("server", _("server")), Show("port", _("port")), Show("faults", _("faults")),
        Show("sni", _("name asked for (SNI)"), wide=True), Show("subject", _("subject"), wide=True),
        Show("issuer", _("issuer"), wide=True), Show("not_before", _("valid from")),
        Show("not_after", _("valid until")),
        Show("handshakes", _("handshakes")), Show("established", _("reached encryption")),
        Show("clients", _("clients")),
    ], _("By the capture's clock. No signature is verified; a client may have rejected the certificate.")))  # fmt: skip
    certificates = source.query("tls-certificates")
    if not certificates:
        part.absent(_("No certificate was seen in the clear: TLS 1.3 and QUIC encrypt them."))
    part.add(certificates.table(_("Certificates in the clear"), [
        Show("subject", _("subject"), wide=True), Show("issuer", _("issuer"), wide=True), Show("remarks", _("remarks")),
        Show("sans", _("names"), wide=True), Show("not_before", _("valid from")), Show("not_after", _("valid until")),
        Show("key_type", _("key")), Show("key_bits", _("bits")), Show("handshakes", _("handshakes")),
        Show("cert_sha256", "SHA-256", wide=True),
    ]))  # fmt: skip
    old = source.query("tls-old-versions")
    if old:
        n = sum(row["handshakes"] for row in old if isinstance(row["handshakes"], int))
        words = ngettext("{n} handshake used SSL or TLS below 1.2.", "{n} handshakes used SSL or TLS below 1.2.", n)
        part.finding("warn", words.format(n=f"{n:,}"))
    part.add(old.table(_("Versions below TLS 1.2"), [
        Show("server", _("server")), Show("port", _("port")), Show("version", _("version")),
        Show("chosen", _("chosen")),
        Show("sni", _("name asked for (SNI)"), wide=True), Show("handshakes", _("handshakes")),
        Show("established", _("reached encryption")), Show("clients", _("clients")),
        Show("process_names", _("processes"), wide=True),
    ], _("Chosen by the server, or offered by a client whose server was not seen.")))  # fmt: skip
