"""One capture's analysis: in this process, or in several."""
