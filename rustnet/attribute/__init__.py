"""Ownership as evidence: what sources say of processes becomes claims on flows, and one policy judges them."""
