"""DCE/RPC (C706)."""
