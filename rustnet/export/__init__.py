"""What leaves a session: tables in every format, packets as pcap and pcapng."""
