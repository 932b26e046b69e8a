"""A report of a session as one self-contained page of HTML: ``rustnet report``.

`page.write_report` asks the sections for their blocks (`blocks`), and a template makes the page of them. A section asks
a `source.Source`, which restricts each statement to the filter and the time of the report, redacts what it answers, and
keeps the statement for readers to copy.
"""
