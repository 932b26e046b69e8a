"""The page about redaction, ``docs/redaction.md``: written by ``python -m rustnet.policy.redaction.page``."""

import sys

from rustnet.policy.redaction.keys import SHORTEST_PASSPHRASE
from rustnet.policy.redaction.policies import POLICIES
from rustnet.policy.redaction.policy_files import EXAMPLE, METHODS
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

What identifies people, machines and organisations can be replaced in all that rustnet shows or exports. Each column has
a kind ([tables.md](tables.md)), and a policy says what becomes of the values of a kind. A text without a kind is
replaced by what it is; what cannot be classified becomes `[redacted]`. Looks decide nothing: a word stays only if it is
listed in the program.

    rustnet flows s.duckdb --redact            # so do show, query, stats, processes, hosts, sockets, routes and alerts
    rustnet query s.duckdb slow-dns --redact strict
    rustnet browse s.duckdb --redact           # or the key X in the browser; always: the setting redact.mode
    rustnet export s.duckdb --redact mine.toml -o shared

`--redact` takes the next word only if it is `share`, `strict`, `timing-only` or ends with `.toml`; any other word, a
session above all, is an argument of the command. `--redact=POLICY` is always the policy. Without one it is that of the
setting `redact.policy` ([configuration.md](configuration.md)), else `share`. In Python:
`rustnet.open("s.duckdb", redact="share")`.

Commands that read a session and Python get tables of which every value is replaced as it is read. Filters, parameters
and SQL are therefore about replacements: `host:{HOST}-…`, `net:10.3.0.0/16`; no alias and no expression leads around.
A value that is hidden is NULL where tables are joined by it: addresses and hardware addresses. Commands that write
packets as they were captured (`extract`, `enrich`, `show --packet`) have no such option.

## The key

The same value has the same replacement, wherever it occurs, under the same key; another key gives others. The key is in
the file `redaction.key` next to the configuration file, or that of `--redact-key FILE` or the setting
`redact.key_file`; a screen and an export under it agree, and all that was shared under it can be joined.
`--redact-key new` takes a random key that is kept nowhere, and nobody can join its output with another one.

The file is created with a random key and mode 0600; a file of your own with a text of at least {SHORTEST_PASSPHRASE}
characters is a passphrase. Under sudo it is the file of the user who called it, read and created with that user's
rights. The key is stored in no session and written to no output. Whoever has it can work out the original of every
address.
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

Hardware addresses keep the vendor's 24 bits (those without a vendor their first 8), or by policy become locally
administered ones. Broadcast, groups of protocols and virtual routers stay.

Other replacements begin with a mark and end with {LENGTH} symbols, the same for the same text after each mark:

| mark | stands for |
| --- | --- |
"""

_LIMITS = f"""
In a host's name each label has its own replacement, whatever its case. By policy the public suffix (`com`, `co.uk`) and
labels that are the same everywhere (`www`, `mail`, `_ldap`, `in-addr`) stay, but never the one below a public suffix,
and not those of suffixes that somebody has registered (`github.io`) or that belong to one organisation (`bmw`). The
suffixes are those of the Public Suffix List. An address in the place of a name, or in the name for a reverse lookup, is
replaced as an address.

## Numbers and times

Times to live become the value with which systems begin (32, 64, 128 or 255), under `strict` and `timing-only`. In
packets these policies also replace sequence numbers and time stamps of TCP (shifted for each direction of a flow, so
that streams stay whole) and the identifiers of packets (fragments stay together). A policy of your own can also replace
the ports that systems choose for clients, from 32768 on but for those of services, each by another one, the same for
the same port.

Times stay under all three policies, because most findings are about when. A policy of your own can shift them, all by
the same span, so that order and intervals stay: a given one, or one of up to so many days that is derived from the key,
and then the same in all outputs under the key. With `time_of_day` it is one of whole days: working hours remain to be
seen. A shift does not protect from somebody who has recorded the same traffic, or knows one of the moments.

## A policy of your own

`--redact mine.toml`, or `redact.policy = "mine.toml"`. What the file does not change is as in its base:

```toml
{EXAMPLE}```

| kind | possible |
| --- | --- |
{{kinds}}

Other kinds are of numbers, moments and the words of protocols. A column's own method goes before that of its kind; one
that hides it also holds for results whose table is not known. The browser takes no policy that shifts times or
replaces ports.

## What it does not protect

Times, sizes, numbers of packets, ports and the order of events stay: somebody who has recorded the same traffic, or
knows when something happened, can recognise it; who keeps a log of a router that translates addresses finds a flow by
its time and port. Prefixes show which addresses are neighbours. Pseudonyms show that two values are the same. A key
that leaks, and an address whose original is known, tell about others with the same prefix.

Whoever sits at the browser has the session: a word that is typed there and is no replacement is looked for in the
originals, and a number that a statement works out there (the length of a name, the difference of two address numbers)
stays. Redact mode protects from those who see the screen, a copy or an exported text, not from the one who types.

## Filters in the browser

In its redact mode a filter is typed over what is shown: `host:{HOST}-…` or `net:10.3.0.0/16` mean what the replacement
stands for. Originals of addresses are worked out from the key, those of the last {REMEMBERED:,} pseudonyms are
remembered; where the original is not known, the filter is refused.
"""  # noqa: S608 -- no SQL


def _row(kind: Kind, meaning: str) -> str:
    cells = [kind.value, meaning, *(policy.methods[kind].value for policy in POLICIES.values())]
    return f"| {' | '.join(cells)} |"


def page() -> str:
    """Text of ``docs/redaction.md``."""
    marks = "\n".join(f"| `{mark}-` | {meaning} |" for mark, meaning in _MARKS.items())
    policies = "\n".join(f"- `{policy.name}`: {policy.meaning}" for policy in POLICIES.values())
    head = f"| kind | what it is | {' | '.join(f'`{name}`' for name in POLICIES)} |"
    of_mixed = [policy.methods[Kind.MIXED].value for policy in POLICIES.values()]
    possible = {kind.value: ", ".join(f"`{word}`" for word in words) for kind, words in METHODS.items()}
    kinds = "\n".join(f"| {kind} | {words} |" for kind, words in possible.items())
    rows = "\n".join(_row(kind, meaning) for kind, meaning in kind_docs().items())
    return (
        f"{_INTRODUCTION}\n## Policies\n\n{policies}\n\n{head}\n|{' --- |' * (2 + len(POLICIES))}\n{rows}\n"
        f"| none | a value whose kind is not known; numbers stay | {' | '.join(of_mixed)} |\n"
        f"{_FORMS}{marks}\n{_LIMITS.format(kinds=kinds)}"
    )


if __name__ == "__main__":
    sys.stdout.write(page())
