"""Public suffixes of names: under which labels others register names, and which of these labels may stay.

The Public Suffix List has two parts. The labels of suffixes of registries stay. Suffixes of the private part, such as
`github.io`, are names that an organisation has registered itself, some of them very small ones: their labels become
pseudonyms, and so does the label below them. So do the labels that stand for a wildcard, and last labels that belong to
one organisation, such as `bmw`: of new generic ones only those stay that are listed in the vocabulary.
"""

import importlib.resources
from functools import cache
from typing import NamedTuple

from rustnet.policy.redaction import vocabulary

MOST_LABELS = 8
"""Most labels of a suffix that are looked at; the longest of the list have five."""
_NEW_GENERIC, _END = "// newGTLDs", "// ===END ICANN DOMAINS==="


class Suffixes(NamedTuple):
    """Rules of the list, without those of its private part."""

    registries: frozenset[str]
    """Suffixes whose labels stay."""
    every: frozenset[str]
    """All rules, with those of the private part, and with `*.` and `!` at the beginning of some."""
    ends: frozenset[str]
    """All rules without these beginnings, and their last labels, so that others need not be looked for."""


@cache
def suffixes() -> Suffixes:
    """Read the list of the installed package, in a hundredth of a second."""
    text = importlib.resources.files("publicsuffixlist").joinpath("public_suffix_list.dat").read_text("utf-8")
    registries: set[str] = set()
    every: set[str] = set()
    stay = True
    for line in text.splitlines():
        if line.startswith("//"):
            stay = stay and not line.startswith((_NEW_GENERIC, _END))
            continue
        rule = line.split(" ", 1)[0].lower()
        if not rule:
            continue
        forms = (rule,) if rule.isascii() else (rule, _in_ascii(rule))
        every.update(forms)
        if stay and rule[0] != "!":
            registries.update(form.removeprefix("*.") for form in forms)
    parts = [rule.removeprefix("*.").removeprefix("!").split(".") for rule in every]
    ends = frozenset(".".join(labels[at:]) for labels in parts for at in range(len(labels)))
    return Suffixes(frozenset(registries), frozenset(every), ends)


def _in_ascii(rule: str) -> str:
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in rule.split(".")
    )


def suffix_labels(labels: list[str]) -> tuple[int, int]:
    """How many of the last labels of a name, in small letters, stay, and how many are a public suffix.

    At least one label is below them, so a name that is a suffix loses its first label.
    """
    rules = suffixes()
    stay = public = 0
    for count in range(1, min(len(labels), MOST_LABELS + 1)):
        suffix = ".".join(labels[-count:])
        if suffix not in rules.ends:
            break
        if suffix in rules.registries and stay == count - 1:
            stay = count
        if f"!{suffix}" in rules.every:
            public = count - 1
            break
        if suffix in rules.every:
            public = count
        if f"*.{suffix}" in rules.every:
            public = count + 1
    last = labels[-1] if labels else ""
    if not stay and len(labels) > 1 and last in vocabulary.SUFFIXES:
        stay = 1
    return stay, min(max(stay, public), max(0, len(labels) - 1))
