"""Times that limit a report, as people type them: within the time of the session's packets."""

import datetime as dt
from typing import TYPE_CHECKING

from rustnet.errors import RustnetError, UsageError
from rustnet.present.values import zone
from rustnet.query import arguments
from rustnet.query.views import moments

if TYPE_CHECKING:
    from rustnet.policy.redaction import Redactor
    from rustnet.query.arguments import Moment
    from rustnet.query.session import Session


def moment(session: "Session", at: "Moment", redactor: "Redactor | None" = None) -> int:
    """A time in nanoseconds since 1970 UTC; with a redactor that shifts times, the one that is shown as ``at``.

    Raises `UsageError` for what is no time, and `RustnetError` if there are no packets that it could be among.
    """
    span = 0 if redactor is None else redactor.moments.span_ns
    if isinstance(at, int) and not isinstance(at, bool):
        return at - span
    text = arguments.parameter(at) if isinstance(at, dt.datetime) else str(at)
    first, last = session.execute_own("SELECT epoch_ns(min(ts)), epoch_ns(max(ts)) FROM packets").rows[0]
    if first is None:
        raise RustnetError("the session has no packets, so that no time can limit the report")
    target = moments.parse(text, moments.Extent(first + span, last + span), zone())
    if target.what == "packet":
        raise UsageError(
            "{text!r}: is no time; a report begins and ends at times such as 12:03, +30s or 50%", text=text
        )
    shown = last + span if target.what in ("end", "live") else first + span if target.what == "start" else target.ns
    return shown - span
