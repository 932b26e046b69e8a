"""The passes in the order in which they run: a later one may use what an earlier one wrote."""

from rustnet.derive.names import NAMES
from rustnet.derive.ownership import OWNERSHIP
from rustnet.derive.passes import Pass
from rustnet.derive.relations import RELATIONS
from rustnet.derive.unknown_apps import UNKNOWN_APPS

PASSES: tuple[Pass, ...] = (RELATIONS, NAMES, OWNERSHIP, UNKNOWN_APPS)
"""Relations between rows, names of flows, owners of flows; then, on demand, applications that no parser knew."""
