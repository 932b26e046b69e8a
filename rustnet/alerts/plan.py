"""`AlertPlan`: which alerts a run has, what they are compared with, and who learns of them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rustnet.alerts.definitions import Definition
from rustnet.alerts.delivery import Targets
from rustnet.alerts.engine import Raised


@dataclass(frozen=True, slots=True)
class AlertPlan:
    """The alerts of a run."""

    definitions: tuple[Definition, ...] = ()
    baseline: str | None = None
    """Session in which what alerts call new is looked for, too."""
    targets: Targets = field(default_factory=Targets)
    """Where alerts are delivered to, as configured and checked."""
    on_alert: Callable[[Raised], None] | None = None
    """Called with each alert, in the writer's thread."""
