"""SMB versions 1 to 3."""
