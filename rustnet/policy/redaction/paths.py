"""Replacements of paths, URIs, command lines, names of software, and words of protocols: part by part."""

import re

from rustnet.policy.redaction import vocabulary
from rustnet.policy.redaction.names import MAX_PARTS, MAX_TEXT, Names
from rustnet.policy.redaction.pseudonyms import (
    IDENTIFIER,
    OPTION,
    PATH,
    REDACTED,
    SOFTWARE,
    TERM,
    VALUE,
    Pseudonyms,
    cached,
)

_SMALL = re.compile(r"\d{1,3}", re.ASCII)
_VERSION = re.compile(r"20\d{6}|[vV]?\d{1,4}(?:\.\d{1,5}){0,3}(?:[a-z]|p\d{1,2}|rc\d{1,2})?", re.ASCII)
_SEPARATORS = re.compile(r"([/\\])")
_DRIVE = re.compile(r"[A-Za-z]:")
_LINE = re.compile(r":\d{1,9}", re.ASCII)
_URI = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]{0,31}):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_PORT = re.compile(r"(.*?)(:\d{1,5})?", re.DOTALL)
_PAIRS = re.compile(r"([&;])")
_ARGUMENT = re.compile(r"\"[^\"]*\"?|'[^']*'?|[^\s\"']+")
_WORD = re.compile(r"[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*", re.ASCII)
_PARTS = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_PATH = re.compile(r"[/~]|\.{1,2}/|[A-Za-z]:[/\\]|\\\\")
_OID = re.compile(
    r"(?:1\.2\.840\.(?:113549|113556|10045|10040)|1\.3\.6\.1\.5|1\.3\.6\.1\.4\.1\.(?:311|1466)|2\.16\.840\.1\.113730|2\.5)"
    r"\.[\d.]{1,40}\Z",
    re.ASCII,
)
_PLAIN_ARGUMENT = re.compile(r"|/[A-Za-z?]|--?|[|<>;&]{1,2}")
QUAD = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)", re.ASCII)
"""What may be an IPv4 address within a text."""
_LIKE_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)


class Paths:
    """Replacements of texts that consist of parts."""

    def __init__(self, names: Names) -> None:
        self.names = names

    @property
    def pseudonyms(self) -> Pseudonyms:
        """Pseudonyms of the key."""
        return self.names.pseudonyms

    # ---- paths -------------------------------------------------------------------------------------------------------

    @cached
    def path(self, text: str) -> str:
        """Replace a path component by component; its directories that all systems have, and its ending, stay."""
        text = text[:MAX_TEXT]
        line = ""
        end = re.search(r":\d{1,9}\Z", text, re.ASCII)
        if end and _LINE.fullmatch(end[0]):  # file and line of a record
            text, line = text[: end.start()], end[0]
        pieces = _SEPARATORS.split(text, MAX_PARTS)
        share = text.startswith(("\\\\", "//"))
        shown = []
        for at, piece in enumerate(pieces[: 2 * MAX_PARTS]):
            if at % 2 or not piece:
                shown.append(piece)
            elif share and at == 4:
                shown.append(self.names.host(piece))
            elif at == 0 and _DRIVE.fullmatch(piece):
                shown.append(piece)
            else:
                shown.append(self._component(piece))
        return "".join(shown) + line

    def _component(self, name: str) -> str:
        """Replace a name in a path."""
        if all(self._is_usual(word, vocabulary.FOLDERS) for word in name.split(" ")) or (
            self.names.kept.words and _SMALL.fullmatch(name)
        ):
            return name
        if self._is_usual(name, vocabulary.SOFTWARE):
            return name
        stem, dot, ending = name.rpartition(".")
        if stem and dot and self._is_usual(ending, vocabulary.ENDINGS):
            whole = self._is_usual(stem, vocabulary.SOFTWARE) or self._is_usual(stem, vocabulary.FOLDERS)
            return name if whole else f"{self._component(stem)}.{ending}"
        if stem and _SMALL.fullmatch(ending) and self._is_usual(stem, vocabulary.SOFTWARE):
            return name  # python3.11
        return self.pseudonyms.of(PATH, name)

    def _is_usual(self, name: str, words: frozenset[str]) -> bool:
        return self.names.is_common(name, words)

    # ---- URIs --------------------------------------------------------------------------------------------------------

    @cached
    def uri(self, text: str) -> str:
        """Replace a URI, or a part of one: users, hosts, parts of the path, and all values of the query."""
        text = text[:MAX_TEXT]
        if text in ("", "*"):
            return text
        match = _URI.fullmatch(text)
        if match is None:
            return REDACTED
        scheme, authority, path, query, fragment = match.groups()
        if scheme is not None and authority is None and re.match(r"\d{1,5}(?:/|\Z)", path, re.ASCII):
            scheme, authority, path = None, *_host_and_rest(f"{scheme}:{path}")  # `host:443`
            lead = ""
        else:
            lead = "" if authority is None else "//"
        if scheme is None and authority is None and path.startswith("[") and (address := self.names.address(path)):
            return address
        shown = []
        if scheme is not None:
            known = scheme.lower() in vocabulary.SCHEMES
            shown.append((scheme if known else self.pseudonyms.of(VALUE, scheme)) + ":")
        if authority is not None:
            shown += [lead, self.authority(authority), self._uri_path(path)]
        elif scheme is not None:
            shown.append(self._opaque(scheme.lower(), path))
        else:
            shown.append(self._relative(path))
        if query is not None:
            shown.append("?" + self._query(query))
        if fragment is not None:
            shown.append("#" + (self.pseudonyms.of(VALUE, fragment) if fragment else ""))
        return "".join(shown)

    def authority(self, text: str) -> str:
        """Replace users and hosts with their port: `user:password@host:443`."""
        user, at, host = text.rpartition("@")
        shown = ""
        if at:
            name, colon, _password = user.partition(":")
            shown = (self.names.user(name) if name else "") + (f":{REDACTED}" if colon else "") + "@"
        return shown + (self.names.host(host) if host else "")

    def _relative(self, path: str) -> str:
        """Replace a target without scheme: a path, or a host, which has dots but no slash before them."""
        return self._uri_path(path) if "/" in path or "." not in path else self.names.host(path)

    def _uri_path(self, path: str) -> str:
        pieces = path.split("/", MAX_PARTS)[:MAX_PARTS]
        return "/".join(self._segment(piece) for piece in pieces)

    def _segment(self, name: str) -> str:
        if not name or self._is_usual(name, vocabulary.URI_WORDS):
            return name
        stem, dot, ending = name.rpartition(".")
        if stem and dot and self._is_usual(ending, vocabulary.ENDINGS):
            return name if self._is_usual(stem, vocabulary.URI_WORDS) else f"{self.pseudonyms.of(PATH, stem)}.{ending}"
        return self.pseudonyms.of(PATH, name)

    def _opaque(self, scheme: str, text: str) -> str:
        """Replace what follows a scheme without `//`: a mail address, a telephone number, the name of an object."""
        if scheme in ("mailto", "sip", "sips", "xmpp", "im", "pres", "aaa", "news", "stun", "turn"):
            address, semicolon, _parameters = text.partition(";")
            user, at, host = address.rpartition("@")
            end = f";{REDACTED}" if semicolon else ""
            if not at:
                return self.names.host(host) + end
            user = user.partition(":")[0]
            return f"{self.names.user(user)}@{self.names.host(host)}{end}"
        if text.startswith("/"):
            return self._uri_path(text)
        head, colon, rest = text.partition(":")
        if scheme == "urn" and colon and self._is_usual(head, frozenset({"uuid", "oid", "isbn", "ietf", "nid"})):
            return f"{head}:{self.pseudonyms.of(IDENTIFIER, rest)}"
        return self.pseudonyms.of(VALUE, text) if text else ""

    def _query(self, query: str) -> str:
        shown = []
        for at, piece in enumerate(_PAIRS.split(query, MAX_PARTS)[: 2 * MAX_PARTS]):
            name, equals, value = piece.partition("=")
            if at % 2:
                shown.append(piece)
            elif not equals:
                shown.append(self.pseudonyms.of(VALUE, name) if name else "")
            else:
                usual = not name or self._is_usual(name, vocabulary.URI_WORDS)
                shown.append(name if usual else self.pseudonyms.of(OPTION, name))
                shown.append("=" + (self.pseudonyms.of(VALUE, value) if value else ""))
        return "".join(shown)

    # ---- command lines -----------------------------------------------------------------------------------------------

    @cached
    def command_line(self, text: str) -> str:
        """Replace a program and its arguments; usual names of options stay, their values are replaced."""
        words = _ARGUMENT.findall(text[:MAX_TEXT])
        shown = [self._argument(word.strip("\"'"), first=not at) for at, word in enumerate(words[:MAX_PARTS])]
        return " ".join(shown + ["…"] * (len(words) > MAX_PARTS))

    def _argument(self, word: str, *, first: bool) -> str:
        if first:
            return self.path(word) if _SEPARATORS.search(word) else self.software(word)
        if (
            not word
            or re.fullmatch(r"/[A-Za-z?]", word)
            or word in ("-", "--", "|", ">", "<", ">>", "&&", "||", ";", "&")
        ):
            return word
        if word.startswith("-"):
            name, equals, value = word.partition("=")
            bare = name.lstrip("-")
            parts = bare.split("-") if len(bare) > 1 else [bare]
            usual = len(name) - len(bare) <= 2 and all(self._is_usual(part, vocabulary.OPTIONS) for part in parts)
            dashes = name[: min(2, len(name) - len(bare))]
            shown = name if usual else dashes + self.pseudonyms.of(OPTION, bare) if bare else dashes
            return f"{shown}={self.value_of_option(value)}" if equals else shown
        return self.value_of_option(word)

    def value_of_option(self, text: str) -> str:
        """Replace an argument by what it looks like: an address, a URI, a path, a user, a host, or anything."""
        address = self.names.address(text) or self.names.mac(text)
        usual = self._is_usual(text, vocabulary.OPTIONS) or self._is_usual(text, vocabulary.SOFTWARE)
        if address or not text or usual or (_SMALL.fullmatch(text) and self.names.kept.words):
            return address or text
        host = _PORT.fullmatch(text)
        if "://" in text:
            return self.uri(text)
        if _PATH.match(text):
            return self.path(text)
        if "@" in text:
            return self.names.user(text)
        return self.names.host(text) if host and ends_like_a_host(host[1]) else self.pseudonyms.of(VALUE, text)

    # ---- words -------------------------------------------------------------------------------------------------------

    @cached
    def software(self, text: str) -> str:
        """Replace words of a self-description that are not those of widespread programs and systems."""
        text = text[:MAX_TEXT]
        shown, at = [], 0
        for match in _WORD.finditer(text):
            follows = at > 0 and match.start() == at + 1 and text[at] == "/"
            if self._stays(match[0]) and (follows or not _LIKE_ADDRESS.fullmatch(match[0])):
                shown += [self._gap(text[at : match.start()]), match[0]]
                at = match.end()
        shown.append(self._gap(text[at:]))
        return "".join(shown)

    def _gap(self, text: str) -> str:
        """Replace what is between words that stay, without the punctuation around it."""
        stripped = text.strip(" \t/;,()[]{}.:+-_'\"")
        if not any(char.isalnum() or ord(char) > 127 for char in stripped):
            return text
        begin = text.index(stripped)
        return text[:begin] + self.pseudonyms.of(SOFTWARE, stripped) + text[begin + len(stripped) :]

    def _stays(self, word: str) -> bool:
        """Whether a word of a self-description is one of widespread software, or a version."""
        if not self.names.kept.words:
            return False
        if word.lower() in vocabulary.SOFTWARE or _VERSION.fullmatch(word):
            return True
        return all(part.lower() in vocabulary.SOFTWARE or _SMALL.fullmatch(part) for part in _PARTS.findall(word))

    @cached
    def term(self, text: str) -> str:
        """Replace a word of a protocol that is not among the usual ones."""
        if len(text) <= 256 and (_OID.match(text) or self._known_term(text)):
            return text
        return self.pseudonyms.of(TERM, text) if text else text

    def _known_term(self, text: str) -> bool:
        if not self.names.kept.words:
            words: frozenset[str] = vocabulary.TERMS
            return text.lower() in words
        return not QUAD.search(text) and all(
            part.lower() in vocabulary.TERMS or _SMALL.fullmatch(part) or not part
            for piece in re.split(r"[\s;,=/+@]", text)
            if piece.lower() not in vocabulary.TERMS
            for part in re.split(r"[-._:*\"()]", piece)
        )


def ends_like_a_host(text: str) -> bool:
    """Whether a text is labels, of which the last is a usual one."""
    labels = text.lower().rstrip(".").split(".")
    if len(labels) < 2 or not all(re.fullmatch(r"[\w*-]{1,63}", label) for label in labels):
        return False
    return labels[-1] in vocabulary.SUFFIXES or (len(labels[-1]) == 2 and labels[-1].isalpha())


def _host_and_rest(text: str) -> tuple[str, str]:
    host, slash, rest = text.partition("/")
    return host, slash + rest
