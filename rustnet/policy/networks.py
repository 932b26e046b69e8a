"""Networks that IANA reserves for a purpose, and the words for those purposes (scopes).

The registries are those of IPv4 (RFC 6890) and IPv6 special-purpose addresses, and the IPv6 address space, of which
only 2000::/3 is global unicast.
"""

GLOBAL, RESERVED, NAT64, SIX_TO_FOUR = "global", "reserved", "nat64", "6to4"

NETWORKS: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this-network"),
    ("0.0.0.0/32", "unspecified"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "cgnat"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", RESERVED),  # of protocols of the IETF, but for the anycast addresses of PCP and TURN
    ("192.0.0.9/32", GLOBAL),
    ("192.0.0.10/32", GLOBAL),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", RESERVED),  # relays of 6to4, until 2015
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", RESERVED),
    ("255.255.255.255/32", "broadcast"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("64:ff9b::/96", NAT64),
    ("64:ff9b:1::/48", "nat64-local"),
    ("100::/64", "discard"),
    ("2000::/3", GLOBAL),
    ("2001::/23", RESERVED),  # of protocols of the IETF, but for those that follow
    ("2001::/32", "teredo"),
    ("2001:1::1/128", GLOBAL),  # anycast addresses of PCP, TURN and DNS-SD
    ("2001:1::2/128", GLOBAL),
    ("2001:1::3/128", GLOBAL),
    ("2001:2::/48", "benchmarking"),
    ("2001:3::/32", GLOBAL),  # AMT
    ("2001:4:112::/48", GLOBAL),  # AS112
    ("2001:20::/28", "identifier"),  # ORCHIDv2
    ("2001:30::/28", "identifier"),  # remote identification of drones
    ("2001:db8::/32", "documentation"),
    ("2002::/16", SIX_TO_FOUR),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment-routing"),
    ("fc00::/7", "unique-local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
"""Networks and their scopes; the smallest one holds."""
