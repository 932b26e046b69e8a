"""Filters in redact mode: what is typed over replacements becomes what it stands for, and what is shown is replaced."""

import re
from collections.abc import Callable

from rustnet.i18n import N_
from rustnet.policy.redaction import REDACTED, Redactor
from rustnet.query.filters import And, FilterError, Node, Not, Or, Term, Value, parse
from rustnet.query.keywords import KEYWORDS
from rustnet.records import Kind

KINDS: dict[str, Kind | None] = dict.fromkeys((word.name for word in KEYWORDS), None) | {
    "src": Kind.ADDRESS, "dst": Kind.ADDRESS, "ip": Kind.ADDRESS, "mac": Kind.MAC, "host": Kind.HOST,
    "process": Kind.SOFTWARE, "cmd": Kind.COMMAND_LINE, "user": Kind.USER, "uid": Kind.IDENTIFIER,
    "container": Kind.OBJECT, "pod": Kind.OBJECT, "ns": Kind.OBJECT, "country": Kind.PLACE,
    "asn": Kind.AUTONOMOUS_SYSTEM, "ja4": Kind.FINGERPRINT, "ja3": Kind.FINGERPRINT, "hassh": Kind.FINGERPRINT,
    "cert": Kind.MIXED, "dns": Kind.HOST, "uri": Kind.URI, "agent": Kind.SOFTWARE, "community": Kind.DIGEST,
}  # fmt: skip
"""Kind of the values of each keyword; None: words and numbers, which stay."""

_PARTIAL = re.compile(r"((?:\d{1,3}\.){1,3})(\*?)", re.ASCII)
_RANGE = re.compile(r"[0-9A-Fa-f:.]{3,45}-[0-9A-Fa-f:.]{3,45}")
_PLAIN = re.compile(r"[\w.*:/@-]+", re.ASCII)


def original_filter(text: str, redactor: Redactor) -> str:
    """Filter over the originals of one that was typed over replacements. Raises `FilterError` where none is known."""

    def original(term: Term, value: Value) -> str:
        kind = KINDS[term.keyword.name] if term.keyword else Kind.MIXED
        if kind is None or (term.keyword is None and value.text.isdecimal()):
            return value.text
        problem = ""
        if redactor.is_unknown(value.text):
            problem = N_("it is not known what this stands for")
        elif value.form == "word" and _RANGE.fullmatch(value.text) and redactor.original(value.text.split("-")[0]):
            problem = N_("in redact mode there are no ranges of addresses, only networks")
        if problem:
            raise FilterError(problem, text, value.start, value.end)
        if value.form == "regex":
            return value.text
        return _partial(value.text, redactor) or redactor.original(value.text) or value.text

    return _changed(text, original)


def redacted_filter(text: str, redactor: Redactor) -> str:
    """Filter as it may be shown in redact mode; `[redacted]` for what is no filter."""

    def replaced(term: Term, value: Value) -> str:
        kind = KINDS[term.keyword.name] if term.keyword else Kind.MIXED
        if kind is None:
            return value.text
        if value.form == "regex":
            return REDACTED
        bare = value.text.strip("*")
        shown = redactor.value(kind, bare) if bare else ""
        before, _found, after = value.text.partition(bare) if bare else (value.text, "", "")
        return f"{before}{shown}{after}"

    try:
        return _changed(text, replaced)
    except FilterError:
        return REDACTED if text.strip() else text


def _partial(text: str, redactor: Redactor) -> str:
    """Original of the beginning of an IPv4 address, such as `10.0.`; empty for others."""
    match = _PARTIAL.fullmatch(text)
    if match is None:
        return ""
    numbers = match[1].count(".")
    whole = redactor.original(match[1] + ".".join(["0"] * (4 - numbers)) + f"/{8 * numbers}")
    return ".".join(whole.split(".")[:numbers]) + "." + match[2] if whole else ""


def _changed(text: str, change: Callable[[Term, Value], str]) -> str:
    """Filter with other values, each quoted where its form needs that."""
    node = parse(text)
    pieces, at = [], 0
    for term, value in sorted(_values(node), key=lambda pair: pair[1].start):
        changed = change(term, value)
        if changed != value.text:
            pieces += [text[at : value.start], value.op, _written(changed, value)]
            at = value.end
    return "".join([*pieces, text[at:]])


def _values(node: Node | None) -> list[tuple[Term, Value]]:
    """All values of a filter with their terms."""
    match node:
        case None:
            return []
        case Term():
            return [(node, value) for value in node.values]
        case Not():
            return _values(node.item)
        case And() | Or():
            return [pair for item in node.items for pair in _values(item)]


def _written(text: str, value: Value) -> str:
    """A value in the form that it had, or in quotes if it needs them."""
    if value.form == "regex":
        return "/" + text.replace("/", "\\/").replace("[", "\\[").replace("]", "\\]") + "/"
    if value.form == "word" and _PLAIN.fullmatch(text) and not text.startswith(("/", "-")):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
