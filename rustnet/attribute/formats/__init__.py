"""One file per foreign format that names process owners."""
