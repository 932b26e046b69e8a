"""The browser's tabs, one module each; the class in it is `PANE`."""
