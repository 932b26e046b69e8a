"""`writing_failed`: what stopped the writer of a session, as a sentence."""

from rustnet.errors import SessionError
from rustnet.i18n import N_

MOST_WORDS = 300
"""Characters of the cause that are shown."""


def writing_failed(path: str, error: BaseException) -> SessionError:
    """The error to raise where a session could not be written any more."""
    words = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "Out of Memory" in words:
        sentence = N_(
            "{name}: writing failed ({words}): the writer needs more memory than its limit; please report this"
        )
    elif "No space" in words or "disk" in words.lower():
        sentence = N_("{name}: writing failed ({words}): free some space or write the session elsewhere with --db")
    else:
        sentence = N_(
            "{name}: writing failed ({words}): what was committed before is kept; "
            "`rustnet verify` shows what is missing"
        )
    return SessionError(sentence, name=path, words=words[:MOST_WORDS])
