"""What can go wrong, as people meet it: one sentence each, and the exit code that goes with it."""

from collections.abc import Callable, Mapping
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILURE = 1
    USAGE = 2
    INPUT = 3
    """An input could not be read, or is not a capture."""
    LOSSES = 4
    """Done, but with losses that the summary names (only with ``--strict``)."""
    INTERRUPTED = 130


class Phrase(ValueError):  # noqa: N818 -- it is raised to say what is wrong, and also put into sentences
    """Words within a sentence, such as what is wrong with a value; with ``{fields}``, translated with it."""

    def __init__(self, template: str, **fields: object) -> None:
        super().__init__(template)
        self.template = template
        self.fields = fields

    def __str__(self) -> str:
        """The words in English."""
        return self.sentence(str)

    def sentence(self, translate: Callable[[str], str]) -> str:
        """The words in the language of ``translate``."""
        return filled(translate(self.template), self.fields, translate)


def filled(template: str, fields: Mapping[str, object], translate: Callable[[str], str]) -> str:
    """A template with its fields, of which phrases and errors are translated; without fields it stands as it is."""
    if not fields:
        return template
    values = {
        name: value.sentence(translate) if isinstance(value, Phrase | RustnetError) else value
        for name, value in fields.items()
    }
    return template.format(**values)


class RustnetError(Exception):
    """An error that a person can act on: what happened, to which file or flow, what to do next, in one line.

    It is a whole sentence with ``{fields}`` and their values, so that the sentence can be translated where it is shown.
    Without fields the sentence stands as it is, whatever braces it holds.
    """

    exit_code = ExitCode.FAILURE

    def __init__(self, template: str, **fields: object) -> None:
        super().__init__(template)
        self.template = template
        self.fields = fields

    def __str__(self) -> str:
        """The sentence in English."""
        return self.sentence(str)

    def _render_traceback_(self) -> list[str]:
        """Return what notebooks show of it: the sentence, without the program's own lines."""
        return [f"{type(self).__name__}: {self}"]

    def sentence(self, translate: Callable[[str], str]) -> str:
        """The sentence in the language of ``translate``."""
        return filled(translate(self.template), self.fields, translate)


class UsageError(RustnetError):
    """The command line, a filter or a parameter does not make sense."""

    exit_code = ExitCode.USAGE


class InputError(RustnetError):
    """An input file could not be read, or is not a capture."""

    exit_code = ExitCode.INPUT


class StoppedError(RustnetError):
    """The run was asked to stop while it waited for an input."""

    exit_code = ExitCode.INTERRUPTED


class SessionError(RustnetError):
    """A session file cannot be opened, is locked, is newer than this program, or is not a session."""
