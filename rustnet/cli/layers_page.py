"""Reference of what is read below the transport, for ``rustnet protocols`` and docs/protocols.md."""

from collections.abc import Iterable

from rustnet.engine.layers import ENCAPSULATIONS, LINK_TYPES, TUNNELS
from rustnet.sources.linktypes import NAMES

PAGE = """
## Link types, tags and tunnels

Link types whose frames are decoded, by number of the LINKTYPE registry; frames of others are counted and said to be
undecoded (`rustnet query S undecoded`):"""

TAGS = "Headers around frames; what is marked by a number is an ethertype:"
CARRIED = "Tunnels, by their value in `flows.tunnel`; what they carry are flows of their own:"


def layers_page() -> list[str]:
    """Section of the Markdown page."""
    lines = [PAGE, "", ", ".join(f"{number} {NAMES[number]}" for number in LINK_TYPES) + ".", "", TAGS, ""]
    lines += ["| header | mark | what is read |", "| --- | --- | --- |"]
    lines += [f"| {each.title} | {each.mark} | {each.about} |" for each in ENCAPSULATIONS]
    lines += ["", CARRIED, "", "| tunnel | protocol | over |", "| --- | --- | --- |"]
    return lines + [f"| `{name}` | {tunnel.title} | {tunnel.over} |" for name, tunnel in TUNNELS.items()]


def layers_listing() -> str:
    """Text for a terminal, one line for each."""
    links = [(str(number), NAMES[number]) for number in LINK_TYPES]
    tags = [(each.title, f"{each.mark}: {each.about}".replace("`", "")) for each in ENCAPSULATIONS]
    tunnels = [(name, f"{tunnel.title}: {tunnel.over}") for name, tunnel in TUNNELS.items()]
    parts = (("link types", links), ("tags and other headers", tags), ("tunnels", tunnels))
    return "\n".join("\n".join([title, *_columns(rows), ""]) for title, rows in parts)


def _columns(rows: list[tuple[str, str]]) -> Iterable[str]:
    width = max(len(first) for first, _ in rows)
    return (f"  {first:<{width}}  {second}" for first, second in rows)
