"""What the list of flows asks the session, and its answers; these functions run on the thread that asks."""

import dataclasses
import time
from collections.abc import Sequence

from rustnet.query.session import Session
from rustnet.query.views import flow_list
from rustnet.query.views.flow_list import Context, FlowIndex, Groups, ListedFlow
from rustnet.query.views.flow_order import Group, Order
from rustnet.query.views.spec import Statement, ViewSpec
from rustnet.tui.widgets.flow_rows import Wanted


@dataclasses.dataclass(frozen=True, slots=True)
class ListRequest:
    """What the list shows beyond the spec of all screens."""

    order: Order
    grouped: bool
    first: int = dataclasses.field(default=0, compare=False)
    """Place of the first row that is on the screen, or near it."""
    limit: int = dataclasses.field(default=flow_list.FIRST_ROWS, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class ListSnapshot:
    """A list of flows and its first rows."""

    spec: ViewSpec
    request: ListRequest
    known: Context
    flows: tuple[ListedFlow, ...]
    groups: Groups | None
    count: int | None
    """Flows of the list; None if they have not been counted yet."""
    statement: Statement
    seconds: float
    index: FlowIndex | None = None
    """Order of the whole list, if it was read at once."""


Rows = tuple[tuple[Group | None, int, tuple[ListedFlow, ...]], ...]
"""Flows of sections: what they have in common, the first place, and the flows."""


def load_list(session: Session, spec: ViewSpec, request: ListRequest, old: Context | None) -> ListSnapshot:
    """Read a list, on the thread that asks the session."""
    begun = time.perf_counter()
    known = flow_list.context(session, spec, old)
    if request.grouped:
        groups = flow_list.groups(session, spec, known)
        return ListSnapshot(
            spec, request, known, (), groups, groups.flows, groups.statement, time.perf_counter() - begun
        )
    index = None
    if flow_list.wants_index(session, spec, known):
        index = flow_list.index(session, spec, known, request.order)
        ids = index.part(request.first, request.first + request.limit)
    else:
        ids = flow_list.page_ids(session, spec, known, request.order, first=request.first, limit=request.limit)
    count = flow_list.known_count(spec, known) if index is None else len(index)
    if count is None and len(ids) < request.limit and (ids or not request.first):
        count = request.first + len(ids)
    flows = flow_list.flows_of(session, known, ids)
    shown = flow_list.statement(session, spec, known, request.order, request.limit)
    return ListSnapshot(spec, request, known, flows, None, count, shown, time.perf_counter() - begun, index)


def read_rows(session: Session, spec: ViewSpec, known: Context, order: Order, wanted: Sequence[Wanted]) -> Rows:
    """Read flows that the screen lacks: their numbers by the order, then all rows at once."""
    numbered: list[tuple[Wanted, list[int]]] = []
    room = flow_list.MOST_ROWS
    for each in wanted:
        size = min(room, each.end - each.first)
        ids = list(each.ids or ())[:size]
        if each.ids is None and size:
            ids = flow_list.page_ids(
                session, spec, known, order,
                first=0 if each.from_end else each.first, limit=size, from_end=each.from_end, group=each.group,
            )  # fmt: skip
        room -= len(ids)
        numbered.append((each, ids))
    flows = {flow.flow_id: flow for flow in flow_list.flows_of(session, known, [n for _, ids in numbered for n in ids])}
    return tuple(
        (each.group, each.end - len(ids) if each.from_end else each.first, tuple(flows[n] for n in ids if n in flows))
        for each, ids in numbered
    )


def same_list(old: ListSnapshot, new: ListSnapshot) -> bool:
    """Whether two snapshots are the same list, at most as of another time."""
    here, there = old.spec, new.spec
    return (here.filter, here.closed, here.since) == (
        there.filter,
        there.closed,
        there.since,
    ) and old.request == new.request
