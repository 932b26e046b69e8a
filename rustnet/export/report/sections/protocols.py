"""What: the protocols, layer by layer, and the services that answered."""

from rustnet.export.report.blocks import Section
from rustnet.export.report.cells import percent
from rustnet.export.report.source import Show, Source
from rustnet.i18n import _

LAYERS = 200
"""Most rows of the hierarchy."""


def section(source: Source) -> Section:
    """Hierarchy of protocols, applications, largest flows."""
    part = Section("protocols", _("Protocols"), _("Which protocols were spoken, and which services answered?"))
    hierarchy = source.query("protocol-hierarchy", LAYERS)
    if not hierarchy:
        part.absent(_("There are no packets to count."))
        return part
    note = _("A frame counts once for each of its layers.")
    if any(row["guessed"] is True for row in hierarchy):
        note = _("A frame counts once for each of its layers. Guessed: from the port, the payload did not confirm it.")
    part.add(hierarchy.table(_("Frames and bytes by layer"), [
        Show("layer", _("layer")), Show("guessed", _("guessed")), Show("frames", _("frames")),
        Show("percent_frames", _("% of frames"), percent), Show("bytes", _("bytes")),
        Show("percent", _("% of bytes"), percent, bar=True), Show("frames_end", _("frames that end here")),
    ], note, tree=True))  # fmt: skip
    part.add(source.query("services-offered").table(_("Services that answered"), [
        Show("server", _("server")), Show("protocol", _("protocol")), Show("port", _("port")),
        Show("app", _("application")),
        Show("app_source", _("known by")), Show("software", _("software"), wide=True), Show("clients", _("clients")),
        Show("flows", _("flows"), bar=True), Show("bytes", _("bytes")), Show("first_seen", _("first")),
        Show("last_seen", _("last")),
    ], _("An application is known by its payload, or only guessed from its port.")))  # fmt: skip
    part.add(source.query("largest-flows", 20, of="SELECT count(*) FROM flows").table(_("Largest flows"), [
        Show("flow_id", _("flow")), Show("started_at", _("began")), Show("duration_ms", _("duration")),
        Show("protocol", _("protocol")), Show("src_ip", _("initiator")), Show("src_port", _("port")),
        Show("dst_ip", _("responder")), Show("dst_port", _("port")), Show("hostname", _("name"), wide=True),
        Show("app", _("application")), Show("src_bytes", _("sent")), Show("dst_bytes", _("received")),
        Show("bytes", _("bytes"), bar=True),
    ]))  # fmt: skip
    return part
