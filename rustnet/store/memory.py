"""Work on a session that needs more memory than its connection may use."""

from collections.abc import Iterator
from contextlib import contextmanager

from rustnet.errors import SessionError


@contextmanager
def bounded_memory(session: str, work: str, limit: str) -> Iterator[None]:
    """Turn DuckDB's lack of memory into one `SessionError`; ``work`` names what needs it, ``limit`` the bound."""
    import duckdb  # noqa: PLC0415

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise SessionError(
            "{session}: {work} needs more than {limit} of memory on a session of this size; nothing of it is stored",
            session=session,
            work=work,
            limit=limit,
        ) from error
