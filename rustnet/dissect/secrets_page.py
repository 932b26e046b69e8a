"""The page that states, per protocol and column, what is kept of a text and what is cut: ``docs/secrets.md``.

It is written by ``python -m rustnet.dissect.secrets_page``; a test compares it with this module.
"""

import sys

from rustnet.dissect.framework.secrets import screened
from rustnet.dissect.registry import DISSECTORS
from rustnet.records import columns, table_name

NONE = "none in the clear"

CREDENTIALS: dict[str, str] = {
    "proxy": NONE,
    "tls": NONE,
    "http2": "as of http: values of authorization, proxy-authorization and cookies, bodies, other fields; debug data of"
    " GOAWAY",
    "http": "values of Authorization, Proxy-Authorization and cookies, bodies, other fields",
    "ssh": NONE,
    "smtp": "everything of AUTH but the mechanism and the user; messages; unknown commands",
    "lmtp": "as smtp",
    "managesieve": "responses of AUTHENTICATE but for the user; scripts; unknown commands",
    "nntp": "arguments of AUTHINFO but for the user and the mechanism; articles; unknown commands",
    "ftp": "arguments of PASS, ACCT and of commands that may carry passwords; unknown commands",
    "pop3": "arguments of PASS, APOP and AUTH but for the user; unknown commands",
    "imap": "arguments of LOGIN and AUTHENTICATE but for the user; messages; literals",
    "mysql": "answers to the server's challenge, passwords in the clear, statements",
    "postgresql": "passwords, answers of SASL, statements",
    "socks": "the password",
    "xmpp": "what SASL elements contain, but for the user; stanzas",
    "rdp": "cookies other than the user's name",
    "vnc": NONE,
    "tds": "the password, although it is only scrambled; statements",
    "redis": "arguments of commands, but for the user of AUTH and HELLO",
    "mqtt": "the password, the will's message, messages",
    "telnet": "what is typed, but for the name at a login prompt",
    "irc": "arguments of PASS, OPER, AUTHENTICATE and of services (IDENTIFY, REGISTER …); messages",
    "finger": NONE,
    "gopher": NONE,
    "kafka": "SASL's messages, and the bodies of requests",
    "mongodb": "SASL's messages but for the user; documents",
    "memcached": "SASL's response but for the user; keys and values",
    "cassandra": "the response to a challenge but for the user; statements",
    "amqp": "SASL's response but for the user; messages",
    "smb": "the password of a share, hashes of NTLM; contents of files",
    "kerberos": "tickets and encrypted parts",
    "ldap": "passwords and SASL credentials of a bind, values that are compared, changed or searched for in"
    " attributes of passwords, values of extended operations that set one",
    "dcerpc": "hashes of NTLM, contents of calls",
    "nfs": "contents of files",
    "sip": "values of Authorization and Proxy-Authorization, bodies but for streams of a session description",
    "rtsp": "values of Authorization, bodies but for streams of a session description",
    "bittorrent": NONE,
    "netbios": NONE,
    "dhcp": "authentication options",
    "dhcpv6": "authentication options",
    "ntp": "keys and digests",
    "snmp": "the community, unless it is `public` or `private`; values of objects but for the system's name and"
    " description",
    "ssdp": NONE,
    "syslog": "messages",
    "tftp": "contents of files",
    "bgp": "digests",
    "dnp3": "contents of messages",
    "modbus": "contents of messages",
    "mdns": "records of other types than those of answers",
    "llmnr": NONE,
    "dns": "keys and digests",
    "quic": NONE,
    "stun": "digests",
    "dtls": NONE,
    "wireguard": NONE,
    "openvpn": NONE,
    "ipsec": "keys and digests",
    "radius": "the password, although it is only obfuscated; answers to challenges, messages of EAP",
    "coap": "bodies",
    "rtcp": NONE,
    "rtp": "streams",
    "arp": NONE,
    "icmp": "data",
    "icmpv6": "data",
    "igmp": NONE,
    "lldp": NONE,
    "cdp": NONE,
    "stp": NONE,
    "lacp": NONE,
}
"""What of a protocol's credentials and contents is never a column's value."""

_HEAD = """\
# Secrets: what is kept and what is cut

Written by `python -m rustnet.dissect.secrets_page`; do not edit.

No password is stored. Three rules see to that, for every text that is recorded: the columns of all protocols, the
details of `anomalies`, learned names and `flows.hostname`.

1. **Credentials have no column.** What a protocol has for them is recorded as seen (`has_password`,
   `has_authorization` …), not as a value.
2. **What is a secret by its place in a text is cut** and replaced by `***`; the rest of the text stays.
   - Passwords of users in URIs: `rtsp://admin:***@camera/1`, `sip:bob:***@example.com`, also percent-encoded and
     within other URIs; a token in the place of the user. The user remains. Where a column may hold an authority alone,
     `bob:***@proxy:443` as well.
   - Values of parameters that are named like a secret, in queries, paths (`;password=`), fragments and any other
     text: names that are or end in password, passwd, passphrase, pwd, pass, secret, token, session id, signature,
     credential, jwt, otp, or a kind of key (`api_key`, `client_secret`, `access_token`, `X-Amz-Signature` …), and the
     names key, auth, sig, sid, session, ticket, assertion, bearer, pin and code. Case, signs between words, digits at
     the end and percent-encoding of the name do not matter. Flags (`token=true`) and empty values stay, and so do codes
     of fewer than six characters (`code=404`).
   - In free texts (replies, errors), what is called a password, and commands with credentials that are quoted.
3. **What was seen as a credential in a flow is cut from all of its other texts**, whatever their form: a server may
   repeat it. Up to 256 credentials are remembered, of those that rule 2 cuts the first 16.

What is no secret by any of these rules is stored: a password typed as a user's name, in a path, in the name of a host
or a file. Identifiers of sessions within protocols (`rtsp.session`, `sip.call_id`, QUIC connection identifiers) are
kept, because they join messages. `snmp.community` has `public` and `private`. Command lines of processes, and what a
capture file says of its origin, are read by the same rules and more ([sidecars.md](sidecars.md)); comments of packets,
which people write, stay as they are. A capture itself is never changed: what `extract` copies contains what was sent.

## By protocol

*Never stored* are the credentials and contents that the protocol carries. The texts of the columns in *searched* are a
sender's: rules 2 and 3 apply; those in **bold** may hold an authority alone. All other columns are numbers, times,
words of a closed vocabulary, or computed by rustnet.

| protocol | never stored | recorded as seen | searched |
| --- | --- | --- | --- |
"""


def secrets_page() -> str:
    """Text of the page."""
    rows = []
    for dissector in DISSECTORS:
        seen, searched = [], []
        for record in dissector.records:
            named = f"{table_name(record)}." if len(dissector.records) > 1 else ""
            seen += [f"`{named}{one.name}`" for one in columns(record) if one.name.startswith("has_")]
            for name, bare, _ in screened(record)[1]:
                searched.append(f"**`{named}{name}`**" if bare else f"`{named}{name}`")
        shown = (CREDENTIALS[dissector.name], ", ".join(seen) or "-", ", ".join(searched) or "-")
        rows.append(f"| {dissector.name} | {' | '.join(shown)} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(secrets_page())
