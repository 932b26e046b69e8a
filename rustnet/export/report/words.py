"""Words of the page around the sections, which its template and its script show."""

from rustnet.i18n import _


def words() -> dict[str, str]:
    """Words by the names that the template has for them."""
    return {
        "all": _("all"),
        "chart": _("Chart: {caption}"),
        "chart_data": _("Data of the chart"),
        "chart_help": _(
            "Interactive chart. Left and right arrow keys move through the intervals, Home and End go to the first and "
            "last, plus and minus zoom, Escape shows everything again. The data are in the table below."
        ),
        "chart_hint": _("Drag to zoom, double-click to show everything again; click a name to hide it."),
        "command": _("Command"),
        "contents": _("Contents"),
        "copied": _("Copied"),
        "copy": _("Copy"),
        "dark": _("Dark"),
        "filter": _("Filter rows"),
        "grade_bad": _("serious"),
        "grade_fact": _("note"),
        "grade_good": _("good"),
        "grade_warn": _("caution"),
        "light": _("Light"),
        "not_protected": _(
            "It does not protect times, sizes, numbers of packets, ports and the order of events: somebody who "
            "recorded the same traffic, or knows when something happened, can recognise it."
        ),
        "of_rows": _("{n} of {total} rows"),
        "prefixes": _(
            "Prefixes show which addresses are neighbours, and the same replacement shows that two values are the same."
        ),
        "print_note": _("The SQL of every table is in the page itself, below the table; printing leaves it out."),
        "redacted": _("This report is redacted"),
        "redacted_by": _("Identifying values are replaced by the policy {policy}."),
        "redacted_sql": _("Values in it are replacements: run it on a session redacted with the same key and policy."),
        "report": _("Report"),
        "section": _("details"),
        "skip": _("To the contents of the report"),
        "sort": _("Sort by {column}"),
        "sql": _("SQL"),
        "theme": _("Light or dark"),
        "top": _("To the top"),
        "written": _("written by rustnet {version} at {at}"),
        "written_undated": _("written by rustnet {version}"),
    }
