"""The filter language: text to a tree, which `rustnet.query.compile` turns into SQL.

::

    filter  = any ;                      any  = all, { "OR", all } ;
    all     = one, { [ "AND" ], one } ;  one  = [ "NOT" | "!" | "-" ], one | "(", any, ")" | term ;
    term    = keyword, ":", value, { ",", value } | value ;
    value   = [ ">" | ">=" | "<" | "<=" | "=" | "!=" ], ( word | quoted | "/", regex, "/", [ flag ] ) ;

``&&`` and ``||`` are AND and OR; words may be written in any case. Every node has its position in the text,
so that an error can point at the word.
"""

import difflib
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rustnet.errors import UsageError, filled
from rustnet.i18n import N_
from rustnet.present.text import printable, width
from rustnet.query.keywords import BY_NAME, KEYWORDS, Keyword

MAX_LENGTH = 4096
"""Most characters of a filter."""
MAX_DEPTH = 40
"""Most nested parentheses and negations."""
MAX_VALUES = 256
"""Most values in one filter."""


class FilterError(UsageError):
    """An invalid filter. The text shows the filter and points at the word."""

    def __init__(self, reason: str, text: str, start: int, end: int, hint: str = "", **fields: object) -> None:
        self.reason, self.text, self.start, self.end, self.hint = reason, text, start, end, hint
        super().__init__(reason, **fields)

    def words(self, translate: Callable[[str], str]) -> str:
        """Reason and hint in one line."""
        reason, hint = (filled(translate(part), self.fields, translate) for part in (self.reason, self.hint))
        return translate("{reason}; {hint}").format(reason=reason, hint=hint) if hint else reason

    def sentence(self, translate: Callable[[str], str]) -> str:
        """Reason and hint in one line, then the filter (or the part around the word) with carets under the word."""
        start = max(0, min(self.start, len(self.text)))
        end = max(start, min(self.end, len(self.text)))
        left = max(0, start - 60)
        before = ("…" if left else "") + printable(self.text[left:start])
        word = printable(self.text[start:end][:60])
        rest = printable(self.text[end : end + 60])
        carets = "^" * max(1, width(word))
        head = translate("filter: {words}").format(words=self.words(translate))
        return f"{head}\n  {before}{word}{rest}\n  {' ' * width(before)}{carets}"


N_("filter: {words}")
N_("{reason}; {hint}")


@dataclass(frozen=True, slots=True)
class Value:
    """One value as written."""

    form: Literal["word", "quoted", "regex"]
    text: str
    """Without quotes, slashes and operator."""
    start: int
    end: int
    op: str = ""
    """``>``, ``>=``, ``<``, ``<=``, ``=``, ``!=`` or empty."""
    case: bool = False
    """A case-sensitive regex."""


@dataclass(frozen=True, slots=True)
class Term:
    """A keyword with values of which one must match; without keyword, free text."""

    keyword: Keyword | None
    values: tuple[Value, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Not:
    """What must not hold."""

    item: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """What must all hold."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Of which one must hold."""

    items: "tuple[Node, ...]"


Node = Term | Not | And | Or


def parse(text: str) -> Node | None:
    """Parse a filter; ``None`` if it is empty, which is everything. Raises `FilterError` and nothing else."""
    if len(text) > MAX_LENGTH:
        raise FilterError("longer than {most} characters", text, MAX_LENGTH, MAX_LENGTH + 1, most=MAX_LENGTH)
    for at, char in enumerate(text):
        if "\ud800" <= char <= "\udfff" or char == "\0":
            raise FilterError("not text (a character that is not Unicode, or NUL)", text, at, at + 1)
    tokens = _Lexer(text).tokens()
    return _Parser(text, tokens).whole() if tokens else None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["(", ")", "not", "and", "or", "term"]
    start: int
    end: int
    term: Term | None = None


_OPERATORS: dict[str, Literal["not", "and", "or"]] = {
    "and": "and", "&&": "and", "or": "or", "||": "or", "not": "not", "!": "not", "-": "not",
}  # fmt: skip
_KEYWORD = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):")
_COMPARE = re.compile(r"[<>!]=|[<>=]")
_WHOLE_REGEX = re.compile(r"/(?:[^/\\]|\\.)+/[ic]?(?=[\s(),]|$)", re.DOTALL)
_GROUPS = re.compile(r"[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f.]{0,4})+")


class _Lexer:
    """Cuts a filter into tokens from left to right, each character once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.values = 0

    def tokens(self) -> list[_Token]:
        tokens: list[_Token] = []
        while True:
            while self.at < len(self.text) and self.text[self.at].isspace():
                self.at += 1
            if self.at >= len(self.text):
                return tokens
            tokens.append(self._token())

    def _token(self) -> _Token:
        start = self.at
        char = self.text[start]
        if char in "()":
            self.at += 1
            return _Token("(" if char == "(" else ")", start, self.at)
        if char in "!-" and start + 1 < len(self.text) and not self.text[start + 1].isspace():
            self.at += 1
            return _Token("not", start, self.at)
        word = self._peek_word(self.text, start)
        operator = _OPERATORS.get(word.lower())
        if operator:
            self.at += len(word)
            return _Token(operator, start, self.at)
        term = self._term()
        return _Token("term", term.start, term.end, term)

    @staticmethod
    def _peek_word(text: str, start: int, stops: str = "()") -> str:
        end = start
        while end < len(text) and not text[end].isspace() and text[end] not in stops:
            end += 1
        return text[start:end]

    def _term(self) -> Term:
        start = self.at
        named = _KEYWORD.match(self.text, start)
        keyword = BY_NAME.get(named[1].lower()) if named else None
        if named and keyword:
            self.at = named.end()
            values = [self._value(keyword)]
            while self.at < len(self.text) and self.text[self.at] == ",":
                self.at += 1
                values.append(self._value(keyword))
            return Term(keyword, tuple(values), start, self.at)
        word = self._peek_word(self.text, start)
        if named and not _may_be_text(word):
            raise self._unknown(named)
        return Term(None, (self._value(None),), start, self.at)

    def _unknown(self, named: re.Match[str]) -> FilterError:
        near = difflib.get_close_matches(named[1].lower(), BY_NAME, 1, 0.6)
        if near:
            hint = N_("did you mean '{near}:'? Put it in quotes to search for it as text")
        else:
            hint = N_("keywords are {some} …; put it in quotes to search for it as text")
        some = " ".join(f"{word.name}:" for word in KEYWORDS[:8])
        return FilterError(
            "unknown keyword '{word}'", self.text, named.start(), named.end(), hint,
            word=printable(named[0]), near=near[0] if near else "", some=some,
        )  # fmt: skip

    def _value(self, keyword: Keyword | None) -> Value:
        """Read one value; free text has neither comparisons nor lists."""
        self.values += 1
        start = self.at
        if self.values > MAX_VALUES:
            raise FilterError("more than {most} values", self.text, start, start + 1, most=MAX_VALUES)
        compare = _COMPARE.match(self.text, start) if keyword else None
        op = compare[0] if compare else ""
        self.at += len(op)
        char = self.text[self.at] if self.at < len(self.text) else ""
        if char and char in "\"'":
            text = self._delimited(char, N_("a quote is not closed"))
            value = Value("quoted", text, start, self.at, op)
        elif char == "/" and op in ("", "=", "!=") and not (keyword and keyword.paths and self._is_path()):
            text = self._delimited("/", N_("a /regex/ is not closed"))
            case = self._regex_flag()
            value = Value("regex", text, start, self.at, op, case)
        else:
            text = self._peek_word(self.text, self.at, "()," if keyword else "()")
            self.at += len(text)
            value = Value("word", text, start, self.at, op)
        if not text and (value.form != "quoted" or not op):
            if keyword is None:
                hint = N_('for example a word, or "quoted text"')
                raise FilterError("a value is missing", self.text, start, self.at, hint)
            raise FilterError(
                "{keyword}: needs a value", self.text, start, self.at, N_("for example {example}"),
                keyword=keyword.name, example=keyword.example,
            )  # fmt: skip
        following = self.text[self.at : self.at + 1]
        if following and not following.isspace() and following not in ("(),"):
            end = self.at + len(self._peek_word(self.text, self.at))
            what = N_("a quote ends a value")
            if value.form == "regex":
                what = N_("a /regex/ may be followed by i or c")
            raise FilterError(what, self.text, self.at, end, N_('put text that holds / or quotes into "…"'))
        if not keyword and following == ",":
            raise FilterError("a list needs a keyword", self.text, self.at, self.at + 1, N_("for example port:80,443"))
        return value

    def _delimited(self, mark: str, what: str) -> str:
        r"""Read up to the closing ``mark``, or fail with ``what``.

        ``\`` before the mark (in quotes, also before itself) takes its meaning.
        """
        start = self.at
        self.at += 1
        chars: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            following = self.text[self.at + 1 : self.at + 2]
            if char == "\\" and following:
                plain = following == mark or (mark != "/" and following == "\\")
                chars.append(following if plain else char + following)
                self.at += 2
                continue
            self.at += 1
            if char == mark:
                return "".join(chars)
            chars.append(char)
        raise FilterError(what, self.text, start, len(self.text), N_("end it with {mark}"), mark=mark)

    def _is_path(self) -> bool:
        """Whether the text at a slash is not a /regex/ that ends with its word."""
        return not _WHOLE_REGEX.match(self.text, self.at)

    def _regex_flag(self) -> bool:
        flag = self.text[self.at : self.at + 1]
        if flag not in ("i", "c") or not flag:
            return False
        self.at += 1
        return flag == "c"


def _may_be_text(word: str) -> bool:
    """Whether a word with a colon is not a keyword: an IPv6 or hardware address or part of one, or a URL."""
    if "://" in word or _GROUPS.fullmatch(word):
        return True
    try:
        ipaddress.IPv6Network(word, strict=False)
    except ValueError:
        return False
    return True


class _Parser:
    """Recursive descent over the tokens, bounded in depth."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.at = 0

    def whole(self) -> Node:
        node = self._any(0)
        if self.at < len(self.tokens):
            token = self.tokens[self.at]
            raise FilterError("a ) without its (", self.text, token.start, token.end)
        return node

    def _any(self, depth: int) -> Node:
        items = [self._all(depth)]
        while self._peek() == "or":
            self.at += 1
            items.append(self._all(depth))
        return items[0] if len(items) == 1 else Or(tuple(items))

    def _all(self, depth: int) -> Node:
        items = [self._one(depth)]
        while self._peek() not in ("or", ")", None):
            if self._peek() == "and":
                self.at += 1
            items.append(self._one(depth))
        return items[0] if len(items) == 1 else And(tuple(items))

    def _one(self, depth: int) -> Node:
        if self.at >= len(self.tokens):
            last = self.tokens[-1]
            word = self.text[last.start : last.end]
            raise FilterError("expected a value after {word}", self.text, last.start, last.end, word=word)
        token = self.tokens[self.at]
        if depth > MAX_DEPTH:
            raise FilterError("nested deeper than {most}", self.text, token.start, token.end, most=MAX_DEPTH)
        self.at += 1
        if token.term:
            return token.term
        if token.kind == "not":
            return Not(self._one(depth + 1))
        if token.kind == "(":
            if self._peek() == ")":
                raise FilterError("expected a condition in ()", self.text, token.start, self.tokens[self.at].end)
            node = self._any(depth + 1)
            if self._peek() != ")":
                raise FilterError("a ( without its )", self.text, token.start, token.end)
            self.at += 1
            return node
        word = self.text[token.start : token.end]
        hint = "" if word == ")" else N_('to search for the word itself, write "{word}"')
        raise FilterError("expected a value before {word}", self.text, token.start, token.end, hint, word=word)

    def _peek(self) -> str | None:
        return self.tokens[self.at].kind if self.at < len(self.tokens) else None
