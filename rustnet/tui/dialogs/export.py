"""Exports the flow that is shown: its packets as pcapng, or everything that is known of it as text or JSON."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from rustnet.errors import RustnetError
from rustnet.export import flow as flow_export
from rustnet.export.captured import Originals
from rustnet.export.formats import dumps
from rustnet.i18n import N_, _, ngettext
from rustnet.present.text import safe
from rustnet.query.session import Session
from rustnet.query.views import flow_messages
from rustnet.query.views.flow_page import flow_page
from rustnet.query.views.spec import ViewSpec
from rustnet.tui.dialogs.base import Dialog
from rustnet.tui.presenter import Presenter
from rustnet.tui.widgets.flow_items import FlowItems
from rustnet.tui.widgets.flow_text import flow_text

FORMATS: dict[str, str] = {
    ".pcapng": N_("pcapng: its packets, as they were captured, with the owner as a comment"),
    ".txt": N_("text: everything that the screens show of it"),
    ".json": N_("JSON: everything that the session knows of it"),
}
"""Formats by the ending of a file's name."""
REFUSED = N_("redact mode exports no packets: addresses and payload in them cannot be replaced")
MOST_NAMES = 1_000

Write = Callable[[BinaryIO], object]


def default_name(flow_id: int, ending: str) -> str:
    """Name of a file that does not exist yet, in the present directory."""
    names = (f"flow-{flow_id}{f'-{n}' if n > 1 else ''}{ending}" for n in range(1, MOST_NAMES))
    return next((name for name in names if not os.path.lexists(name)), f"flow-{flow_id}{ending}")


def prepare(session: Session, spec: ViewSpec, flow_id: int, ending: str, presenter: Presenter) -> Any:
    """Ask the session for what an export needs, on the runner's thread."""
    if ending == ".pcapng":
        return flow_export.flow_packets(session, spec, flow_id)
    if ending == ".json":
        detail = flow_export.shown_detail(session, spec, flow_id)
        return flow_export.flow_data(detail, presenter.value if presenter.redacting else None)
    most = flow_export.MAX_MESSAGES
    return (
        flow_page(session, spec, flow_id),
        flow_messages.messages(session, spec, flow_id, 0, most),
        flow_messages.packets(session, spec, flow_id, 0, most),
    )


class ExportDialog(Dialog[None]):
    """Format and name of the file."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "export", show=False)]
    DEFAULT_CSS = """
    ExportDialog OptionList, ExportDialog OptionList:focus {
        height: 3; border: none; background: $surface; padding: 0; margin-bottom: 1; scrollbar-size: 0 0;
    }
    ExportDialog .wrong { color: $error; height: auto; }
    """

    def __init__(self, flow_id: int, originals: Originals) -> None:
        super().__init__()
        self._flow_id = flow_id
        self._originals = originals
        self.ending = ".pcapng"
        self._busy = False

    def compose(self) -> ComposeResult:
        """Formats, name, what is wrong."""
        with Vertical(classes="dialog"):
            title = _("Export flow {number}").format(number=f"{self._flow_id:,}")
            yield Static(Content(title), classes="title")
            yield OptionList(*(Option(Content(_(words)), id=ending[1:]) for ending, words in FORMATS.items()))
            yield Static(Content(_("File:")))
            yield Input(default_name(self._flow_id, self.ending), max_length=4096)
            yield Static(Content(""), classes="wrong")
            yield Static(Content(_("↑ ↓ choose the format, Tab goes on, Enter exports, Esc closes")), classes="hint")

    def on_mount(self) -> None:
        """Begin with the format."""
        self.query_one(OptionList).focus()
        self._explain()

    def _explain(self, words: str = "") -> None:
        if not words and self.ending == ".pcapng" and self.browser.presenter.redacting:
            words = _(REFUSED)
        self.query_one(".wrong", Static).update(Content(words))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Take another format: the name gets its ending."""
        ending = f".{event.option.id}"
        if ending == self.ending:
            return
        name = self.query_one(Input)
        if name.value == default_name(self._flow_id, self.ending):
            name.value = default_name(self._flow_id, ending)
        elif name.value.endswith(self.ending):
            name.value = name.value.removesuffix(self.ending) + ending
        self.ending = ending
        self._explain()

    def on_option_list_option_selected(self) -> None:
        """Go on to the name."""
        self.query_one(Input).focus()

    def on_input_submitted(self) -> None:
        """Export."""
        self.action_export()

    def action_export(self) -> None:
        """Ask the session, then write the file on another thread."""
        path = self.query_one(Input).value.strip()
        browser = self.browser
        if self._busy or not path:
            return
        if self.ending == ".pcapng" and browser.presenter.redacting:
            self._explain(_(REFUSED))
            return
        if os.path.lexists(flow_export.named(path)):
            self._explain(safe(_("{path}: exists already; choose another name").format(path=path)))
            return
        self._busy = True
        self._explain(_("exporting …"))
        spec, flow_id, ending, presenter = browser.spec, self._flow_id, self.ending, browser.presenter
        browser.runner.submit(
            "export",
            lambda session: prepare(session, spec, flow_id, ending, presenter),
            lambda prepared: self._write(path, ending, prepared),
            self._failed,
        )

    def _write(self, path: str, ending: str, prepared: Any) -> None:
        """Write what the session answered."""
        presenter, originals = self.browser.presenter, self._originals
        if presenter.redacting and ending == ".pcapng":  # it was turned on meanwhile
            self._failed(RustnetError(REFUSED))
            return
        session = self.browser.session.path
        inputs = [session, *(f"{session}{ending}" for ending in (".wal", ".tmp", ".sock"))]
        count = 0

        def pcapng(stream: BinaryIO) -> None:
            nonlocal count
            count = flow_export.write_packets(prepared, originals, stream).packets

        def text(stream: BinaryIO) -> None:
            page, messages, packets = prepared
            stream.write(flow_text(FlowItems(page, presenter), messages, packets).encode("utf-8", "backslashreplace"))

        def data(stream: BinaryIO) -> None:
            stream.write((dumps(prepared) + "\n").encode("utf-8", "backslashreplace"))

        write: dict[str, Write] = {".pcapng": pcapng, ".txt": text, ".json": data}

        def work() -> None:
            error: RustnetError | None = None
            try:
                flow_export.write_new(path, inputs, write[ending])
            except RustnetError as problem:
                error = problem
            if self.is_running:
                self.app.call_from_thread(self._ended, path, count, error)

        self.run_worker(work, thread=True, group="export", exit_on_error=False)

    def _failed(self, error: RustnetError) -> None:
        self._busy = False
        self._explain(self.browser.presenter.error(error))

    def _ended(self, path: str, count: int, error: RustnetError | None) -> None:
        if error is not None:
            self._failed(error)
            return
        browser = self.browser
        whole = safe(str(Path(flow_export.named(path)).absolute())) if not browser.presenter.redacting else safe(path)
        if count:
            words = ngettext("{count} packet written to {path}", "{count} packets written to {path}", count)
            browser.say(words.format(count=f"{count:,}", path=whole))
        else:
            browser.say(_("written to {path}").format(path=whole))
        self.dismiss(None)
