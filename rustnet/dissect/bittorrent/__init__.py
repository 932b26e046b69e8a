"""BitTorrent: peers, trackers, DHT."""
