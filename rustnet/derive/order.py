"""The passes in the order in which they run: later ones may use the results of earlier ones."""

from rustnet.derive.continuations import CONTINUATIONS
from rustnet.derive.copies import COPIES
from rustnet.derive.enrichment import ENRICHMENT
from rustnet.derive.hosts import HOSTS
from rustnet.derive.names import NAMES
from rustnet.derive.ownership import OWNERSHIP
from rustnet.derive.passes import Pass
from rustnet.derive.relations import RELATIONS
from rustnet.derive.unknown_apps import UNKNOWN_APPS

PASSES: tuple[Pass, ...] = (RELATIONS, COPIES, NAMES, CONTINUATIONS, ENRICHMENT, HOSTS, OWNERSHIP, UNKNOWN_APPS)
"""All passes in their order; `UNKNOWN_APPS` runs on demand only."""
