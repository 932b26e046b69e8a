"""What became of the packets and blocks of captures that were rewritten."""

from collections import Counter
from dataclasses import dataclass, field, fields

CUT_REASONS = (
    "unknown_link_type", "link_header_cut_off", "malformed_link_header", "unknown_ethertype", "link_protocol",
    "too_many_headers", "malformed_ip", "ip_header_cut_off", "fragment", "unknown_ip_protocol", "transport_cut_off",
    "malformed_transport", "icmp_message", "address_family", "failed",
)  # fmt: skip
"""Why packets were cut somewhere in their headers, or their later part was."""
DROPPED_BLOCKS = (
    "decryption_secrets", "section_comments", "packet_comments", "process_blocks", "not_packets", "unknown_blocks",
    "capture_filters", "section_description",
)  # fmt: skip
"""Parts of captures that are left out."""


@dataclass(slots=True)
class PacketCounts:
    """Result of writing redacted packets."""

    captures: int = 0
    packets: int = 0
    """Packets written; all of them are, though some are cut to nothing."""
    cut: Counter[str] = field(default_factory=Counter)
    """Packets that were cut, by a reason of `CUT_REASONS`; a removed payload alone is not counted here."""
    payloads_removed: int = 0
    """Packets whose transport payload was removed wholly."""
    payloads_kept: Counter[str] = field(default_factory=Counter)
    """Packets of whose payload something is kept, with its names rewritten, by application protocol."""
    failed_payloads: int = 0
    """Payloads that were removed because rewriting them failed."""
    options_removed: int = 0
    """Options of IP and TCP that became padding."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Blocks and options of captures that were left out, by a name of `DROPPED_BLOCKS`."""
    rewritten_names: int = 0
    """Records of name resolution that were written with replacements."""
    missing_packets: int = 0
    """Packets of live captures that are in no file, or in none that still exists."""

    def numbers(self) -> dict[str, int | dict[str, int]]:
        """All numbers by name; those by reason, protocol or part as a table."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in values.items()}
