"""Exports of a session: tables in all formats, packets as pcap and pcapng."""
