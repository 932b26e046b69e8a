"""The error that the recorder reports in one line."""


class RecordError(Exception):
    """Recording cannot start or go on: what happened and what to do, in one line."""


class RefusedOutputError(RecordError):
    """An output is refused: it would replace evidence."""
