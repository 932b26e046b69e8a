"""rustnet: a capture becomes a DuckDB session of flows, decoded messages, owners and packets."""

__version__ = "0.1.0"
