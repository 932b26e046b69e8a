"""What a session knows of one host, as lists for its page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rustnet.errors import RustnetError
from rustnet.query.execute import ResultSet
from rustnet.query.hosts import COLUMNS, HostDetail, host_detail
from rustnet.query.views.listed import Field, Listing
from rustnet.query.views.spec import Statement
from rustnet.records import Kind
from rustnet.store.schema import quote_literal

if TYPE_CHECKING:
    from rustnet.query.session import Session

FACTS = (
    Field("fact", Kind.WORD), Field("value", Kind.MIXED), Field("source", Kind.WORD), Field("ip", Kind.ADDRESS),
    Field("mac", Kind.MAC), Field("first", Kind.TIME), Field("last", Kind.TIME), Field("count", Kind.COUNT),
    Field("capture_id", Kind.KEY), Field("flow_id", Kind.FLOW), Field("packet", Kind.PACKET),
)  # fmt: skip
NAMES = (
    Field("name", Kind.HOST), Field("source", Kind.WORD), Field("ip", Kind.ADDRESS), Field("first", Kind.TIME),
    Field("last", Kind.TIME), Field("times", Kind.COUNT),
)  # fmt: skip
SERVICES = (
    Field("protocol", Kind.WORD), Field("port", Kind.PORT), Field("app", Kind.WORD), Field("app_source", Kind.WORD),
    Field("service", Kind.WORD), Field("flows", Kind.COUNT), Field("peers", Kind.COUNT), Field("bytes", Kind.BYTES),
    Field("first", Kind.TIME), Field("last", Kind.TIME), Field("example_flow", Kind.FLOW),
)  # fmt: skip
OWNERS = (
    Field("process_name", Kind.SOFTWARE), Field("pid", Kind.NUMBER), Field("username", Kind.USER),
    Field("flows", Kind.COUNT), Field("sent", Kind.BYTES), Field("received", Kind.BYTES), Field("first", Kind.TIME),
    Field("last", Kind.TIME),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HostPage:
    """Page of a host. Everything is as known at the end of the session."""

    address: str
    hosts: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the list of hosts: the address, or those of a hardware address."""
    other_addresses: list[str] = field(default_factory=list)
    """Further addresses with the same hardware address."""
    lists: dict[str, Listing] = field(default_factory=dict)
    """``facts``, ``offered``, ``used``, ``names`` and ``owners``."""
    missing: RustnetError | None = None
    """Why there is no page: no packet of the address is in the session, and nothing is stated about it."""


def host_page(session: "Session", address: str) -> HostPage:
    """Read the page of an address or a hardware address."""
    try:
        detail = host_detail(session, address)
    except RustnetError as error:
        if type(error) is not RustnetError:
            raise
        return HostPage(address, missing=error)
    return HostPage(
        detail.address, [dict(zip(COLUMNS, row, strict=True)) for row in detail.hosts.rows], detail.other_addresses,
        _lists(detail),
    )  # fmt: skip


def _lists(detail: HostDetail) -> dict[str, Listing]:
    ends = "src_ip", "dst_ip"
    address = quote_literal(detail.address)
    flows = Statement(f"FROM flows WHERE {' OR '.join(f'{end} = {address}' for end in ends)}")
    facts = Statement(f"FROM host_facts WHERE ip = {address} OR mac = {address}")

    def listing(result: ResultSet, fields: Sequence[Field], statement: Statement) -> Listing:
        return Listing(tuple(fields), result.rows, result.truncated, statement)

    return {
        "facts": listing(detail.facts, FACTS, facts),
        "offered": listing(detail.offered, SERVICES, flows),
        "used": listing(detail.used, SERVICES, flows),
        "names": listing(detail.names, NAMES, Statement(f"FROM names WHERE ip = {address}")),
        "owners": listing(detail.owners, OWNERS, flows),
    }
