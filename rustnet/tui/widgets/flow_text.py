"""A flow as text: everything that its screen shows, line by line."""

from collections.abc import Iterator

from rustnet.i18n import _
from rustnet.present.text import pad
from rustnet.present.values import moment, tcp_flags
from rustnet.query.views.flow_messages import MessagePage, PacketPage
from rustnet.tui.widgets.cards import Block, Item
from rustnet.tui.widgets.flow_items import PARTS, FlowItems

LABEL = 26


def flow_text(items: FlowItems, messages: MessagePage, packets: PacketPage) -> str:
    """Cards, verdict, messages and packets."""
    lines = ["".join(text for text, _style in items.head())]
    if items.page.at is not None:
        lines.append(_("as of {time}").format(time=moment(items.page.at)))
    for part, _title, cards in PARTS:
        if cards:
            for block in items.blocks(part):
                lines += _block(block)
    for message in messages.messages:
        for block in items.message_blocks(message):
            lines += _block(block)
    if messages.more:
        lines.append(_("… {count} more messages").format(count=f"{messages.total - len(messages.messages):,}"))
    lines += ["", _("Packets")]
    begun = items.page.flow["started_at"]
    for number, ts, from_src, length, captured, payload, flags, *_rest in packets.rows.rows:
        cut = "" if captured == length else f" ({captured:,})"
        lines.append(
            f"  {number:>9,}  {(ts - begun) / 1e6:>+16,.3f} ms  {'src >' if from_src else '< dst'}  {length:>7,}{cut}  "
            f"{payload:>7,}  {tcp_flags(flags)}".rstrip()
        )
    if packets.more:
        lines.append(_("… more packets"))
    return "\n".join(lines) + "\n"


def _block(block: Block) -> Iterator[str]:
    yield ""
    yield block.title
    for line in block.lines:
        if isinstance(line, Item):
            note = f"  ({line.note})" if line.note else ""
            yield f"  {pad(line.label, LABEL)} {line.text or '-'}{note}"
        else:
            yield f"  {line.text}"
