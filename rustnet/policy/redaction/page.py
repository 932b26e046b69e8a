"""The page about redaction, ``docs/redaction.md``: written by ``python -m rustnet.policy.redaction.page``."""

import sys

from rustnet.policy.redaction.keys import SHORTEST_PASSPHRASE
from rustnet.policy.redaction.policies import POLICIES
from rustnet.policy.redaction.pseudonyms import (
    DIGEST,
    FINGERPRINT,
    HOST,
    IDENTIFIER,
    LENGTH,
    NAME,
    OBJECT,
    OPTION,
    PATH,
    PLACE,
    REMEMBERED,
    SOFTWARE,
    SYSTEM,
    TERM,
    USER,
    VALUE,
)
from rustnet.records import Kind, kind_docs

_MARKS = {
    HOST: "label of a host's name, or a machine's name",
    USER: "person or account",
    PATH: "component of a path or of a URI's path",
    SOFTWARE: "words of a program's or device's self-description",
    OBJECT: "database, queue, interface, container and the like",
    IDENTIFIER: "identifier",
    DIGEST: "hash of a particular thing",
    FINGERPRINT: "fingerprint of a program",
    NAME: "value in a distinguished name",
    TERM: "word of a protocol",
    SYSTEM: "name of an autonomous system",
    PLACE: "city",
    VALUE: "value in a query or a command line",
    OPTION: "name of an option or a parameter",
}

_INTRODUCTION = f"""# Redaction

Written by `python -m rustnet.policy.redaction.page`; do not edit.

What identifies people, machines and organisations can be replaced in all that rustnet shows: `rustnet browse --redact`,
the key `X` in the browser, or always, by the setting `redact.mode` ([configuration.md](configuration.md)). Each column
has a kind ([tables.md](tables.md)), and a policy says what becomes of the values of a kind. A text without a kind is
replaced by what it is; what cannot be classified becomes `[redacted]`. Looks decide nothing: a word stays only if it is
listed in the program.

The same value has the same replacement, wherever it occurs, under the same key; another key gives others. Without
`redact.key_file` the key is a random one of that run of the program, and nobody can join what was shown in two runs.
With it, all that was shown or shared under that key can be joined. The file is created with a random key and mode 0600;
a file of your own with a text of at least {SHORTEST_PASSPHRASE} characters is a passphrase. The key is stored in no
session and written to no output. Whoever has it can work out the original of every address.
"""

_FORMS = f"""
## What replacements look like

Addresses keep their structure: two addresses that have the first n bits in common have replacements with the first n
bits in common, and no more (Crypto-PAn). An address stays within its range of special purpose: a private one stays in
10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, a link-local, documentation or multicast one in its range; loopback,
unspecified, broadcast and the groups of protocols (224.0.0.0/23, ff00::/12) stay as they are. The bits on the way to
such a range stay as well, so that an address next to a small one keeps more of its first bits than others. An IPv4
address within an IPv6 address (mapped, NAT64, 6to4) is replaced as such. No other address stays as it is, except the
neighbours of single reserved ones, such as 255.255.255.254.

Hardware addresses keep the vendor's 24 bits, or by policy become locally administered ones. Broadcast, groups of
protocols and virtual routers stay.

Other replacements begin with a mark and end with {LENGTH} symbols, the same for the same text after each mark:

| mark | stands for |
| --- | --- |
"""

_LIMITS = f"""
In a host's name each label has its own replacement, whatever its case. By policy the public suffix (`com`, `co.uk`) and
labels that are the same everywhere (`www`, `mail`, `_ldap`, `in-addr`) stay, but never the one below a public suffix,
and not those of suffixes that somebody has registered (`github.io`) or that belong to one organisation (`bmw`).
An address in the place of a name, or in the name for a reverse lookup, is replaced as an address.

## What it does not protect

Times, sizes, numbers of packets, ports and the order of events stay: somebody who has recorded the same traffic, or
knows when something happened, can recognise it. Prefixes show which addresses are neighbours. Pseudonyms show that two
values are the same. A key that leaks, and an address whose original is known, tell about others with the same prefix.

Whoever sits at the browser has the session: a word that is typed and is no replacement is looked for in the originals,
and a number that a statement works out (the length of a name, the difference of two address numbers) stays. Redact mode
protects from those who see the screen, a copy or an exported text, not from the one who types.

## Filters

In redact mode a filter is typed over what is shown: `host:{HOST}-…` or `net:10.3.0.0/16` mean what the replacement
stands for. Originals of addresses are worked out from the key, those of the last {REMEMBERED:,} pseudonyms are
remembered; where the original is not known, the filter is refused.
"""


def _row(kind: Kind, meaning: str) -> str:
    cells = [kind.value, meaning, *(policy.methods[kind].value for policy in POLICIES.values())]
    return f"| {' | '.join(cells)} |"


def page() -> str:
    """Text of ``docs/redaction.md``."""
    marks = "\n".join(f"| `{mark}-` | {meaning} |" for mark, meaning in _MARKS.items())
    policies = "\n".join(f"- `{policy.name}`: {policy.meaning}" for policy in POLICIES.values())
    head = f"| kind | what it is | {' | '.join(f'`{name}`' for name in POLICIES)} |"
    of_mixed = [policy.methods[Kind.MIXED].value for policy in POLICIES.values()]
    rows = "\n".join(_row(kind, meaning) for kind, meaning in kind_docs().items())
    return (
        f"{_INTRODUCTION}\n## Policies\n\n{policies}\n\n{head}\n|{' --- |' * (2 + len(POLICIES))}\n{rows}\n"
        f"| none | a value whose kind is not known; numbers stay | {' | '.join(of_mixed)} |\n"
        f"{_FORMS}{marks}\n{_LIMITS}"
    )


if __name__ == "__main__":
    sys.stdout.write(page())
