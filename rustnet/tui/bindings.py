"""The table of keys: help, palette, the page of keys and the user's key map derive from it.

The keys of RustNet do what its users expect. Only keys that every terminal sends are used: letters, digits,
punctuation, arrows, Enter, Escape, Tab, function keys, and a few with Control. Where a layout needs AltGr for a key
(``[ ] { } /``), the action has a second one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rustnet.i18n import N_, _

if TYPE_CHECKING:
    from textual.binding import Binding

UNBOUND = "unbound"
"""Name of a key that no keyboard has: an action whose key was taken away has this one."""

PLACES: dict[str, str] = {
    "everywhere": N_("Everywhere"),
    "time": N_("Time"),
    "table": N_("Tables"),
    "overview": N_("Overview"),
    "filter": N_("Filter line"),
    "details": N_("Details"),
    "activity": N_("Activity"),
    "graph": N_("Graph"),
    "hosts": N_("Hosts"),
    "health": N_("Health"),
    "network": N_("Network"),
    "sql": N_("SQL"),
}
"""Where actions apply, in the order of the help."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a key does."""

    id: str
    """Name in the key map."""
    keys: str
    """Keys as Textual calls them, with commas; the key map replaces all of them."""
    help: str
    """What it does, in a few words."""
    where: str
    """One of `PLACES`."""
    action: str
    """Action of Textual, with its arguments."""
    fixed: str = ""
    """Further keys, which the key map does not change."""
    short: str = ""
    """One word for the line of hints; empty: not among them."""


ACTIONS: tuple[Action, ...] = (
    Action("tab.overview", "1", N_("Overview of all flows"), "everywhere", "app.show_tab('overview')"),
    Action("tab.details", "2", N_("Details of the selected flow"), "everywhere", "app.show_tab('details')"),
    Action("tab.activity", "3", N_("Activity of processes"), "everywhere", "app.show_tab('activity')"),
    Action("tab.graph", "4", N_("Graphs of the traffic"), "everywhere", "app.show_tab('graph')"),
    Action("tab.hosts", "5", N_("Hosts and names"), "everywhere", "app.show_tab('hosts')"),
    Action("tab.health", "6", N_("Health of the capture"), "everywhere", "app.show_tab('health')"),
    Action("tab.network", "7", N_("Interfaces and networks"), "everywhere", "app.show_tab('network')"),
    Action("tab.sql", "8", N_("SQL"), "everywhere", "app.show_tab('sql')"),
    Action("tab.next", "right_square_bracket", N_("Next tab"), "everywhere", "app.next_tab(1)", fixed="tab"),
    Action("tab.previous", "left_square_bracket", N_("Previous tab"), "everywhere", "app.next_tab(-1)",
           fixed="shift+tab"),
    Action("pane.next", "f6", N_("Next part of the screen"), "everywhere", "app.focus_next"),
    Action("pane.previous", "shift+f6", N_("Previous part of the screen"), "everywhere", "app.focus_previous"),
    Action("filter.open", "slash,f3", N_("Filter flows"), "everywhere", "app.open_filter", short=N_("filter")),
    Action("alerts", "exclamation_mark", N_("Alerts that were raised"), "everywhere", "app.show_alerts"),
    Action("redact", "X", N_("Redact mode on or off"), "everywhere", "app.toggle_redact"),
    Action("since", "x", N_("Count from now on (press twice)"), "everywhere", "app.count_from_now"),
    Action("reset", "r", N_("Reset grouping, filter, sort, history and time"), "everywhere", "app.reset"),
    Action("sql.behind", "v", N_("Show the SQL behind this screen"), "everywhere", "app.show_sql"),
    Action("sql.copy", "y", N_("Copy that SQL as a notebook cell"), "everywhere", "app.copy_cell"),
    Action("palette", "colon,ctrl+p", N_("All commands"), "everywhere", "app.command_palette"),
    Action("help", "h,question_mark", N_("Help for this screen"), "everywhere", "app.help", fixed="f1",
           short=N_("help")),
    Action("back", "", N_("Back: close, clear the selection, leave Details, clear the filter"), "everywhere",
           "app.back", fixed="escape"),
    Action("quit", "q", N_("Quit (press twice)"), "everywhere", "app.leave", short=N_("quit")),
    Action("quit.now", "", N_("Quit at once"), "everywhere", "app.leave_now", fixed="ctrl+c"),
    Action("mouse", "f8", N_("Release the mouse, for selecting text in the terminal"), "everywhere",
           "app.toggle_mouse"),
    Action("redraw", "ctrl+l", N_("Draw the screen again"), "everywhere", "app.redraw"),
    Action("suspend", "ctrl+z", N_("Suspend"), "everywhere", "app.suspend_process"),
    Action("time.play", "space", N_("Play or pause"), "time", "app.play"),
    Action("time.back", "comma", N_("One step back"), "time", "app.step(-1)"),
    Action("time.forward", "full_stop", N_("One step forward"), "time", "app.step(1)"),
    Action("time.slower", "less_than_sign", N_("Slower"), "time", "app.speed(-1)"),
    Action("time.faster", "greater_than_sign", N_("Faster"), "time", "app.speed(1)"),
    Action("time.go", "T", N_("Go to a time"), "time", "app.ask_time", short=N_("time")),
    Action("time.live", "L", N_("To the end, or back to live"), "time", "app.go_live"),
    Action("time.anomaly.previous", "left_curly_bracket,f9", N_("Previous anomaly"), "time", "app.anomaly(-1)"),
    Action("time.anomaly.next", "right_curly_bracket,f10", N_("Next anomaly"), "time", "app.anomaly(1)"),
    Action("move.up", "k", N_("Up"), "table", "move(-1)", fixed="up"),
    Action("move.down", "j", N_("Down"), "table", "move(1)", fixed="down"),
    Action("move.page.up", "ctrl+b", N_("One page up"), "table", "page(-1)", fixed="pageup"),
    Action("move.page.down", "ctrl+f", N_("One page down"), "table", "page(1)", fixed="pagedown"),
    Action("move.first", "g", N_("First row"), "table", "first", fixed="home"),
    Action("move.last", "G", N_("Last row"), "table", "last", fixed="end"),
    Action("open", "", N_("Open the selected row"), "table", "open", fixed="enter", short=N_("open")),
    Action("copy", "c", N_("Copy the value under the cursor"), "table", "copy"),
    Action("view", "C", N_("View the value whole, without borders"), "table", "view"),
    Action("sort.next", "s", N_("Sort by the next column"), "table", "sort_next", short=N_("sort")),
    Action("sort.reverse", "S", N_("Reverse the order"), "table", "sort_reverse"),
    Action("column.left", "", N_("Previous column"), "table", "column(-1)", fixed="shift+left"),
    Action("column.right", "", N_("Next column"), "table", "column(1)", fixed="shift+right"),
    Action("group", "a", N_("Group by process"), "overview", "group", short=N_("group")),
    Action("fold", "l", N_("Open or close a group"), "overview", "fold", fixed="left,right,space"),
    Action("history", "t", N_("Closed flows on or off"), "overview", "history", short=N_("history")),
    Action("loopback", "o", N_("Loopback flows on or off"), "overview", "loopback"),
    Action("sidebar", "i", N_("Statistics at the side on or off"), "overview", "sidebar"),
    Action("columns", "w", N_("Choose the columns"), "overview", "columns"),
    Action("ports", "p", N_("Services or port numbers"), "overview", "ports"),
    Action("names", "d", N_("Names or addresses"), "overview", "names"),
    Action("export", "e", N_("Export the selected flow"), "overview", "export"),
    Action("filter.keep", "", N_("Keep the filter"), "filter", "keep", fixed="enter"),
    Action("filter.clear", "", N_("Clear the filter"), "filter", "clear", fixed="escape"),
    Action("filter.older", "ctrl+p", N_("Older filter"), "filter", "older"),
    Action("filter.newer", "ctrl+n", N_("Newer filter"), "filter", "newer"),
    Action("filter.up", "", N_("Row up while typing"), "filter", "row(-1)", fixed="up"),
    Action("filter.down", "", N_("Row down while typing"), "filter", "row(1)", fixed="down"),
    Action("details.previous", "k", N_("Previous flow"), "details", "walk(-1)"),
    Action("details.next", "j", N_("Next flow"), "details", "walk(1)"),
    Action("details.value.previous", "", N_("Previous value"), "details", "value(-1)", fixed="up"),
    Action("details.value.next", "", N_("Next value"), "details", "value(1)", fixed="down"),
    Action("details.first", "g", N_("First flow"), "details", "walk_end(-1)", fixed="home"),
    Action("details.last", "G", N_("Last flow"), "details", "walk_end(1)", fixed="end"),
    Action("details.page.up", "ctrl+b", N_("Ten flows up"), "details", "walk(-10)", fixed="pageup"),
    Action("details.page.down", "ctrl+f", N_("Ten flows down"), "details", "walk(10)", fixed="pagedown"),
    Action("details.scroll.up", "ctrl+u", N_("Scroll up"), "details", "scroll(-5)"),
    Action("details.scroll.down", "ctrl+d", N_("Scroll down"), "details", "scroll(5)"),
    Action("details.part.next", "n", N_("Next part of the details"), "details", "part(1)", fixed="right",
           short=N_("part")),
    Action("details.part.previous", "N", N_("Previous part of the details"), "details", "part(-1)", fixed="left"),
    Action("details.view", "C", N_("View the value whole"), "details", "view", fixed="enter"),
    Action("details.copy", "c", N_("Copy the value"), "details", "copy"),
    Action("details.filter", "f", N_("Filter by this value"), "details", "filter_by"),
    Action("details.filter.out", "F", N_("Filter this value out"), "details", "filter_out"),
    Action("details.hex", "H", N_("Stream as text or hex"), "details", "toggle_hex"),
    Action("details.tool", "w", N_("Decode packets with scapy or tshark"), "details", "tool"),
    Action("details.export", "e", N_("Export this flow"), "details", "export", short=N_("export")),
    Action("activity.direction", "d", N_("Sent or received"), "activity", "direction", short=N_("direction")),
    Action("activity.tree", "a", N_("As a tree of processes"), "activity", "tree", short=N_("tree")),
    Action("graph.stack", "b", N_("Stack by protocol, process, direction or country"), "graph", "stack",
           short=N_("stack")),
    Action("graph.plot", "n", N_("Next plot"), "graph", "plot(1)", short=N_("plot")),
    Action("graph.span", "w", N_("All of the time, or the last hour, minutes or minute"), "graph", "span"),
    Action("hosts.part", "n", N_("Hosts, names or sockets"), "hosts", "part(1)", short=N_("part")),
    Action("hosts.filter", "f", N_("Filter flows by this host"), "hosts", "filter_by"),
    Action("health.part", "n", N_("Next part"), "health", "part(1)", short=N_("part")),
    Action("network.part", "n", N_("Next part"), "network", "part(1)", short=N_("part")),
    Action("sql.run", "f5", N_("Run the statement"), "sql", "run", fixed="ctrl+enter", short=N_("run")),
    Action("sql.stop", "f7", N_("Stop the statement"), "sql", "stop"),
    Action("sql.older", "f11", N_("Older statement"), "sql", "older"),
    Action("sql.newer", "f12", N_("Newer statement"), "sql", "newer"),
    Action("sql.save", "f4", N_("Save as a named query"), "sql", "save"),
    Action("sql.plot", "f2", N_("Plot the result"), "sql", "plot"),
)  # fmt: skip
"""All actions."""

AT_ONCE = ("quit.now", "filter.open")
"""Actions that the app carries out itself, before the next key is handed to whatever has the focus."""
BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}


def bindings(*places: str) -> "list[Binding]":
    """Bindings of Textual for the actions of some places, for `BINDINGS` of a widget."""
    return [binding for action in ACTIONS if action.where in places for binding in _bindings(action)]


def _bindings(action: Action) -> "Iterator[Binding]":
    from textual.binding import Binding  # noqa: PLC0415 -- the table of keys is read without Textual, too

    priority = action.id in AT_ONCE
    if action.keys:
        yield Binding(action.keys, action.action, action.help, show=False, id=action.id, priority=priority)
    for key in filter(None, action.fixed.split(",")):
        yield Binding(key, action.action, action.help, show=False, priority=priority)


def keymap(wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the key map for Textual from the user's keys by action; an empty text takes a key away."""
    return {name: ",".join(keys_in(keys)) or UNBOUND for name, keys in wanted.items() if name in BY_ID}


KEYS: tuple[str, ...] = (
    *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "exclamation_mark", "quotation_mark", "number_sign", "dollar_sign", "percent_sign", "ampersand", "apostrophe",
    "left_parenthesis", "right_parenthesis", "asterisk", "plus", "comma", "minus", "full_stop", "slash", "colon",
    "semicolon", "less_than_sign", "equals_sign", "greater_than_sign", "question_mark", "at", "left_square_bracket",
    "backslash", "right_square_bracket", "circumflex_accent", "underscore", "grave_accent", "left_curly_bracket",
    "vertical_line", "right_curly_bracket", "tilde", "space", "up", "down", "left", "right", "home", "end", "pageup",
    "pagedown", "insert", "delete", "backspace", *(f"f{number}" for number in range(1, 25)), "shift+f6",
    *(f"ctrl+{letter}" for letter in "abdefgklnoprtuvwxyz"),
)  # fmt: skip
"""Keys that a user can give to an action: those that every terminal sends. Not Esc, Enter, Tab and Ctrl-C."""
_BY_CHARACTER = {
    "!": "exclamation_mark", '"': "quotation_mark", "#": "number_sign", "$": "dollar_sign", "%": "percent_sign",
    "&": "ampersand", "'": "apostrophe", "(": "left_parenthesis", ")": "right_parenthesis", "*": "asterisk",
    "+": "plus", "-": "minus", ".": "full_stop", "/": "slash", ":": "colon", ";": "semicolon",
    "<": "less_than_sign", "=": "equals_sign", ">": "greater_than_sign", "?": "question_mark", "@": "at",
    "[": "left_square_bracket", "\\": "backslash", "]": "right_square_bracket", "^": "circumflex_accent",
    "_": "underscore", "`": "grave_accent", "{": "left_curly_bracket", "|": "vertical_line",
    "}": "right_curly_bracket", "~": "tilde",
}  # fmt: skip


def keys_in(text: str) -> list[str]:
    """Names of the keys in a text with commas; a character stands for itself, the comma for the word ``comma``."""
    return [_BY_CHARACTER.get(part, part) for key in text.split(",") if (part := key.strip())]


_SHOWN = {
    "slash": "/", "colon": ":", "comma": ",", "full_stop": ".", "less_than_sign": "<", "greater_than_sign": ">",
    "question_mark": "?", "left_square_bracket": "[", "right_square_bracket": "]", "left_curly_bracket": "{",
    "right_curly_bracket": "}", "pageup": "PageUp", "pagedown": "PageDown", "escape": "Esc", "enter": "Enter",
    "up": "↑", "down": "↓", "left": "←", "right": "→", "space": "Space", "tab": "Tab", "home": "Home", "end": "End",
}  # fmt: skip


def key_name(key: str) -> str:
    """Name of a key as people write it: ``Ctrl-F``, ``/``, ``F1``."""
    *modifiers, last = key.split("+")
    shown = _SHOWN.get(last, last.upper() if len(last) > 1 and last[0] == "f" and last[1:].isdigit() else last)
    return "-".join([*(part.capitalize() for part in modifiers), shown])


def keys_of(action: Action, wanted: Mapping[str, str]) -> list[str]:
    """Keys of an action as people write them, with the user's key map."""
    return [key_name(key) for key in _every_key(action, wanted)]


def _every_key(action: Action, wanted: Mapping[str, str]) -> list[str]:
    """Keys of an action as Textual calls them."""
    keys = wanted.get(action.id, action.keys) if action.keys else ""
    return [key for key in (*keys_in(keys), *keys_in(action.fixed)) if key != UNBOUND]


def clashes(wanted: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return keys that two actions of one place, or one of everywhere, have: the key and both actions."""
    wrong: list[tuple[str, str, str]] = []
    for place in PLACES:
        owners: dict[str, str] = {}
        for action in ACTIONS:
            if action.where != place and action.where not in _beneath(place):
                continue
            for key in _every_key(action, wanted):
                other = owners.setdefault(key, action.id)
                if other != action.id and (key, other, action.id) not in wrong and not _overrides(other, action.id):
                    wrong.append((key, other, action.id))
    return wrong


def _beneath(place: str) -> tuple[str, ...]:
    """Places whose actions apply in another place, too."""
    if place in ("filter", "sql"):
        return ()
    return (
        ("everywhere", "time")
        if place in ("everywhere", "time", "details", "graph")
        else ("everywhere", "time", "table")
    )


def _overrides(first: str, second: str) -> bool:
    """Whether one of two actions is meant to hide the other where both apply: Escape, Space on a group."""
    return {BY_ID[first].where, BY_ID[second].where} in ({"everywhere", "filter"}, {"time", "overview"})


def hints(place: str, wanted: Mapping[str, str]) -> list[tuple[str, str]]:
    """Key and word of the actions that the line of hints names, those of the place first."""
    chosen = [a for a in ACTIONS if a.short and a.where == place]
    chosen += [a for a in ACTIONS if a.short and a.where in ("table", "time", "everywhere") and a.where != place]
    return [(keys[0], _(action.short)) for action in chosen if (keys := keys_of(action, wanted))]
