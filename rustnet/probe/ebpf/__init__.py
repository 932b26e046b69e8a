"""Owners of sockets from eBPF: the kernel reports which process connects, accepts, sends and receives."""
