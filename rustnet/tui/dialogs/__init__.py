"""Dialogs over the browser's screens."""
