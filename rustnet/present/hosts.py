"""What is known of a host in words, for its page in a terminal and in the browser."""

from collections.abc import Callable, Mapping
from typing import Any

from rustnet.i18n import _
from rustnet.present.values import humanised, short_moment
from rustnet.records import Kind

Text = Callable[[Any, str, Kind | None], str]
"""Text of a value from its column's name and kind, redacted where that is wanted; ``-`` for a missing one."""


def second(ns: int | None) -> str:
    """A moment to the second."""
    return "-" if ns is None else short_moment(ns)


def host_fields(host: Mapping[str, Any], text: Text) -> list[tuple[str, str]]:
    """Label and words for a row of the list of hosts; what is not known is left out, but for the hardware address."""

    def sourced(name: str, kind: Kind, others: str = "") -> str:
        if host[name] is None:
            return ""
        more = host[others] - 1 if others else 0
        words = _("{value} (by {source}, {n} more below)") if more > 0 else _("{value} (by {source})")
        source = text(host[name + "_source"], "", Kind.WORD)
        return words.format(value=text(host[name], name, kind), source=source, n=more)

    by = _("{mac} (by {evidence})").format(
        mac=text(host["mac"], "mac", Kind.MAC), evidence=text(host["learned_from"], "", Kind.WORD)
    )
    unknown = _("not known: its packets came through a router, or nothing shows that they did not")
    kinds = (("scope", Kind.WORD), ("country", Kind.PLACE), ("as_name", Kind.AUTONOMOUS_SYSTEM))
    network = [text(host[name], name, kind) for name, kind in kinds if host[name]]
    if host["asn"]:
        network.append(f"AS{text(host['asn'], 'asn', Kind.AUTONOMOUS_SYSTEM)}")
    fields = [
        (_("name"), sourced("hostname", Kind.HOST, "hostnames")),
        (_("hardware"), by if host["mac"] else unknown),
        (_("vendor"), text(host["vendor"], "vendor", Kind.SOFTWARE)),
        (_("system"), sourced("os", Kind.SOFTWARE, "systems")),
        (_("device"), sourced("device", Kind.SOFTWARE)),
        (_("roles"), text(host["roles"], "roles", Kind.WORD)),
        (_("network"), " · ".join(network)),
        (_("seen"), f"{second(host['first_seen'])} → {second(host['last_seen'])}"),
    ]
    if host["flows"] is not None:
        words = _("{flows} flows, {sent} sent, {received} received")
        traffic = words.format(
            flows=f"{host['flows']:,}", sent=humanised(host["bytes_sent"]), received=humanised(host["bytes_received"])
        )
        fields.append((_("traffic"), traffic))
    return [(label, words) for label, words in fields if words and words != "-"]


def app_words(app: str | None, app_source: str | None, service: str | None, text: Text) -> str:
    """Name of an application, and on what it rests where that is not its payload."""
    if app:
        known = {"port": _("{app} (by port)"), "tshark": _("{app} (by tshark)")}.get(app_source or "", "{app}")
        return known.format(app=text(app, "app", Kind.WORD))
    return _("{service}? (by port)").format(service=text(service, "service", Kind.WORD)) if service else "-"
