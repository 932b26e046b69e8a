"""`EndableSession`: the writer's own questions to its session, which end when they are no longer of use."""

from collections.abc import Callable

from rustnet.query.execute import Params, RowStream
from rustnet.query.session import CursorSession, Session


class EndableSession(Session):
    """Asks another session of this process; once ``ended`` is true, its statements are stopped."""

    def __init__(self, session: CursorSession, ended: Callable[[], bool]) -> None:
        super().__init__()
        self.path = session.path
        self._session = session
        self._ended = ended

    def stream(
        self,
        sql: str,
        params: Params = (),
        *,
        own: bool = False,
        seconds: float | None = None,
        rows: int | None = None,
    ) -> RowStream:
        """Run one reading statement and stream its rows."""
        return self._session.stream(sql, params, own=own, seconds=seconds, rows=rows, gone=self._ended)

    def close(self) -> None:
        """Leave the other session open."""
