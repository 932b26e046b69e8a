"""Questions to a session: the filter language, saved queries, and the one place where SQL is run for readers."""
