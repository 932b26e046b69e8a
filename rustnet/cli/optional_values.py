"""Options whose value may be left out, so that the word after them can be an argument of the command."""

from collections.abc import Callable, Mapping, Sequence

from rustnet.config import REDACT_POLICIES

ZEEK_STYLES = ("tsv", "json")
"""Forms of Zeek's logs; the first is the default."""


def names_policy(word: str) -> bool:
    """Whether a word is that of a policy of redaction, or nearly so, or the name of a policy's file."""
    if word in REDACT_POLICIES or (word.endswith(".toml") and not word.startswith("-")):
        return True
    import difflib  # noqa: PLC0415 -- for what follows --redact only

    return bool(difflib.get_close_matches(word, REDACT_POLICIES, 1, 0.75))  # a slip, which is better said


OPTIONS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "--redact": (names_policy, ""),
    "--zeek": (ZEEK_STYLES.__contains__, ZEEK_STYLES[0]),
}
"""For each option: whether a word is a value of it, and the value where none follows."""


def with_values(arguments: Sequence[str]) -> list[str]:
    """Arguments of a command in which these options always have a value; ``OPTION=VALUE`` stays as it is."""
    changed = list(arguments)
    end = changed.index("--") if "--" in changed else len(changed)
    for at in range(end - 1, -1, -1):
        known = OPTIONS.get(changed[at])
        if known is not None and not (at + 1 < end and known[0](changed[at + 1])):
            changed[at] = f"{changed[at]}={known[1]}"
    return changed
