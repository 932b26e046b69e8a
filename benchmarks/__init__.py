"""How fast rustnet is: `python -m benchmarks.run`."""
