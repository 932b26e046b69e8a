"""Rewriters of payloads by protocol, and what each keeps in words."""

from dataclasses import dataclass

from rustnet.export.redacted_packets.payload import DatagramRewriter, PayloadContext, StreamRewriter
from rustnet.export.redacted_packets.payloads import (
    dhcp,
    dhcpv6,
    dns,
    http,
    lines,
    media,
    netbios,
    quic,
    small,
    ssh,
    tls,
)
from rustnet.export.redacted_packets.payloads.page import datagram, stream
from rustnet.policy.redaction import Method, Policy
from rustnet.records import Kind


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is kept of one protocol's messages."""

    kept: str
    """What stays as it is."""
    replaced: str
    """What is replaced, as long as it was."""
    removed: str
    """What becomes zeros, or is cut."""
    datagram: DatagramRewriter | None = None
    stream: StreamRewriter | None = None
    tables: tuple[str, ...] = ()
    """Tables with what is kept, other than the one that has the protocol's name."""


_DNS = Protocol(
    "header, record types, classes, times to live, and numbers of records",
    "names, addresses, the client's network of EDNS",
    "texts, keys, signatures, hashes, cookies, and data of other types",
    dns.rewrite,
    dns.rewrite_stream,
    ("dns",),
)

_MEDIA = Protocol(
    "types, lengths, priorities, error codes, numbers and times of media packets",
    "addresses, ports, user names, realms, software, identifiers of transactions and sources",
    "keys, proofs, reasons of errors, reports, media",
    datagram(media.write),
    stream(media.write_stream),
    ("stun", "rtp", "rtcp", "tls"),
)
_TLS = ("tls",)
_LINES = "what follows in the line; messages, and everything that is no command or status"

PROTOCOLS: dict[str, Protocol] = {
    "dns": _DNS,
    "mdns": _DNS,
    "llmnr": _DNS,
    "netbios": Protocol(
        "headers, suffixes, flags and types of names",
        "names, addresses, hardware addresses",
        "statistics, contents of datagrams, messages of a session",
        datagram(netbios.write_datagram),
        stream(netbios.write_stream),
    ),
    "dhcp": Protocol(
        "header, codes and lengths of options, types, masks, times and sizes, list of requested options",
        "addresses, hardware addresses, host names and domains, routes, identifiers, vendor and user class, file, URLs",
        "messages for people, and options that are not known",
        datagram(dhcp.write),
    ),
    "dhcpv6": Protocol(
        "types, numbers, codes and lengths of options, times, status, list of requested options",
        "addresses, prefixes, hardware addresses, identifiers, host names and domains, vendor class, relays",
        "messages for people, and options that are not known",
        datagram(dhcpv6.write),
    ),
    "tls": Protocol(
        "headers of records and messages; of the hellos versions, cipher suites, groups, signature algorithms, known "
        "protocols, types and lengths of extensions",
        "the server's name",
        "random numbers, session ids, keys, tickets, certificates, and all that is encrypted",
        stream=stream(tls.write),
    ),
    "dtls": Protocol(
        "as of tls, of hellos that are in one datagram; numbers of records",
        "the server's name",
        "as of tls, and cookies",
        datagram(media.write),
        tables=("tls", "stun", "rtp", "rtcp"),
    ),
    "quic": Protocol(
        "form of the header, type, version, versions that are offered, lengths, spin bit",
        "connection ids",
        "tokens, and all contents: the server's name as well",
        datagram(quic.write),
    ),
    "http": Protocol(
        "method, version, status, usual phrase, known names of fields, length and type of content, and words that "
        "control the connection and the cache; sizes of chunks",
        "target, host, user agent, server, referrer, location, and other names of fields",
        "bodies, cookies, credentials (their scheme stays), and all other values",
        stream=stream(http.write),
        tables=_TLS,
    ),
    "ssdp": Protocol(
        "as of http, kind of a notification",
        "as of http, target, unique name of a service",
        "all other values",
        datagram(http.write_datagram),
    ),
    "ssh": Protocol(
        "version of the protocol, usual names of algorithms, types and lengths of packets and keys",
        "software, and other names of algorithms",
        "cookie, keys, and all that is encrypted",
        stream=stream(ssh.write),
    ),
    "ntp": Protocol(
        "header, known reference clocks, times (shifted where times are)",
        "address of the reference",
        "keys, digests, extensions, contents of control messages",
        datagram(small.write_ntp),
    ),
    "smtp": Protocol("commands, status codes", "", _LINES, stream=stream(lines.write_smtp), tables=_TLS),
    "lmtp": Protocol("commands, status codes", "", _LINES, stream=stream(lines.write_smtp), tables=("smtp", *_TLS)),
    "ftp": Protocol(
        "commands, status codes",
        "ends of data connections, if the replacements are as long",
        _LINES,
        stream=stream(lines.write_ftp),
    ),
    "pop3": Protocol(
        "commands, status, number of messages and size", "", _LINES, stream=stream(lines.write_pop3), tables=_TLS
    ),
    "imap": Protocol("tags, commands, status", "", _LINES, stream=stream(lines.write_imap), tables=_TLS),
    "irc": Protocol("commands, numbers of replies", "", _LINES, stream=stream(lines.write_irc), tables=_TLS),
    "stun": _MEDIA,
    "rtp": _MEDIA,
    "rtcp": _MEDIA,
    "snmp": Protocol(
        "version, type, number and status of a message",
        "",
        "community, objects and their values; all of version 3 but the version",
        datagram(small.write_snmp),
    ),
    "syslog": Protocol("priority", "", "all else", datagram(small.write_syslog)),
    "sip": Protocol("method or status code", "", "all else", datagram(small.write_sip), stream(small.write_sip)),
    "wireguard": Protocol("type", "index of the sender or receiver", "all else", datagram(small.write_wireguard)),
    "openvpn": Protocol("type, number of the key", "session", "all else", datagram(small.write_openvpn)),
    "ipsec": Protocol(
        "of IKE the header",
        "of IKE the indexes of the association",
        "all else",
        datagram(small.write_ipsec),
        tables=("ike",),
    ),
    "radius": Protocol("code, number, length", "", "all else", datagram(small.write_radius)),
    "coap": Protocol("type, code, number", "token", "all else", datagram(small.write_coap)),
    "tftp": Protocol("type, number of the block", "", "all else", datagram(small.write_tftp)),
    "mqtt": Protocol("type of the first messages", "", "all else", stream=stream(small.write_mqtt)),
}
"""By `flows.app`; of all others nothing is kept."""


def _protocol(context: PayloadContext) -> Protocol | None:
    policy = context.redactor.policy
    if policy.methods[Kind.HOST] is Method.HIDE:
        return None
    protocol = PROTOCOLS.get(context.app)
    if protocol is None or (policy.columns and _has_own_columns(policy, {context.app, "flows", *protocol.tables})):
        return None
    return protocol


def _has_own_columns(policy: Policy, tables: set[str]) -> bool:
    """Whether a policy has a method of its own for columns of tables: payloads know kinds only."""
    return any(key.split(".")[0] in tables and own is not Method.KEEP for key, own in policy.columns.items())


def datagram_rewriter(context: PayloadContext) -> DatagramRewriter | None:
    """Rewriter of a flow's datagrams; None: nothing of them is kept."""
    protocol = _protocol(context)
    return protocol.datagram if protocol else None


def stream_rewriter(context: PayloadContext) -> StreamRewriter | None:
    """Rewriter of a TCP connection's directions; None: nothing of them is kept."""
    protocol = _protocol(context)
    return protocol.stream if protocol else None
