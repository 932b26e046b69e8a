"""Parts of the browser's screens."""
