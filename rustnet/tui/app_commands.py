"""What the app does for commands of the palette that have no key."""

import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from textual.app import App
from textual.command import CommandPalette

from rustnet import i18n
from rustnet.i18n import N_, _
from rustnet.present.values import show_times_in, zone_name
from rustnet.records import Kind
from rustnet.tui import themes
from rustnet.tui.dialogs.ask import AskDialog
from rustnet.tui.named_filters import read_filters, write_filters

if TYPE_CHECKING:
    from rustnet.tui.app import Browser
    from rustnet.tui.pane import Pane

LANGUAGE_NAMES = {
    "en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "ja": "日本語", "zh_CN": "简体中文",
}  # fmt: skip
"""Languages by code, each in its own words."""
Command = tuple[str, Callable[[], object]]
"""Title and call of a command."""
_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")


class PaletteCommands:
    """The part of the app that only the palette calls. `Browser` is the only class with it."""

    @property
    def _this(self) -> "Browser":
        return cast("Browser", self)

    def action_command_palette(self) -> None:
        """Open the palette, with its line in the user's language."""
        if not CommandPalette.is_open(cast("App[object]", self)):
            words = _("Search the commands …")
            self._this.push_screen(CommandPalette(id="--command-palette", placeholder=words))

    def palette_commands(self) -> Iterator[Command]:
        """Commands that have no key."""
        for name in themes.NAMES:
            yield _("Theme: {name}").format(name=name), functools.partial(self.choose_theme, name)
        for code, name in LANGUAGE_NAMES.items():
            yield _("Language: {name}").format(name=name), functools.partial(self.choose_language, code)
        yield _("Time zone …"), self.ask_zone
        yield _("Save the filter under a name …"), self.ask_filter_name
        for name, text in read_filters(self._this.settings.state_file("filters")).items():
            shown = self._this.presenter.line(N_("Filter {name}"), name=(name, Kind.FREE_TEXT))
            yield shown, functools.partial(self._change_filter, text)
        overview: Any = self._this.frame.pane_if_made("overview")
        if overview is not None:
            yield _("Keep these columns and widths for later runs"), overview.keep_columns
            yield _("The usual columns and widths"), functools.partial(overview.keep_columns, usual=True)
        yield _("Save this screen as text"), self.save_screen_text
        yield _("Save this screen as a picture (SVG)"), self.save_screen_picture
        yield _("About rustnet"), self.show_about

    def run_palette_action(self, action: str) -> None:
        """Run an action of the table of keys as its key does: at the screen that is shown, or at the app."""
        focused = self._this.focused
        namespace = focused if focused is not None and not action.startswith("app.") else self._this
        self._this.run_worker(self._this.run_action(action, default_namespace=namespace), group="palette")

    def choose_theme(self, name: str) -> None:
        """Change the theme for this run."""
        self._this.theme = themes.theme_name(name, light=self._this.light, color=self._this.settings.color)

    def save_screen_text(self) -> None:
        """Save what the screen shows as text, in the present directory."""
        self._save(screen_text(self._this), ".txt")

    def save_screen_picture(self) -> None:
        """Save what the screen shows as a picture that names no font of the net."""
        self._save(_FONT_FACE.sub("", self._this.export_screenshot()), ".svg")

    def _save(self, text: str, ending: str) -> None:
        for number in range(1, 1000):
            path = f"rustnet-{self._this.tab}-{number}{ending}"
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            except OSError as error:
                words = _("{path}: cannot be written: {reason}")
                self._this.say(words.format(path=path, reason=error.strerror), error=True)
                return
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            self._this.say(_("written to {path}").format(path=path))
            return

    def choose_language(self, code: str) -> None:
        """Change the language for this run."""
        i18n.use(code)
        self._this.run_worker(self._this.frame.rebuild(), group="tabs", exclusive=True)

    # ---- time zone, named filters, versions --------------------------------------------------------------------------

    def ask_zone(self) -> None:
        """Ask for the time zone of all times that are shown."""

        def answered(text: str | None) -> None:
            if text is None:
                return
            read = self._this.settings.read_zone
            zone = None if read is None else read(text)
            if zone is None:
                self._this.say(_("there is no such time zone"), error=True)
                return
            show_times_in(zone)
            self._present_again()

        words = _("Name of a time zone (Europe/Berlin, UTC, local) or an offset (+02:00)")
        self._this.push_screen(AskDialog(_("Time zone"), words, zone_name()), answered)

    def _present_again(self) -> None:
        self._this.update_frame()
        for pane in self._this.frame.query("Pane"):
            cast("Pane", pane).presentation_changed()

    def _change_filter(self, text: str) -> None:
        self._this.change(filter=text)

    def ask_filter_name(self) -> None:
        """Ask for the name under which the present filter is to be stored."""
        app = self._this
        path, text = app.settings.state_file("filters"), app.spec.filter
        if path is None or not text:
            app.say(_("there is no filter to save"))
            return

        def answered(name: str | None) -> None:
            if name is None:
                return
            try:
                write_filters(path, {**read_filters(path), name[:80]: text})
            except OSError as error:
                app.say(_("the filter cannot be stored: {reason}").format(reason=error.strerror), error=True)
                return
            app.say(_("stored; the palette has it"))

        app.push_screen(AskDialog(_("Name of the filter")), answered)

    def show_about(self) -> None:
        """Show versions, and where the settings come from."""
        import textual  # noqa: PLC0415 -- for its version

        from rustnet import __version__  # noqa: PLC0415
        from rustnet.tui.dialogs.value import ValueDialog  # noqa: PLC0415 -- a dialog

        settings = self._this.settings
        lines = [
            f"rustnet {__version__}",
            f"Textual {textual.__version__}",
            _("theme: {name}").format(name=self._this.theme),
            _("times: {zone}").format(zone=zone_name()),
        ]
        if settings.config_file:
            path = self._this.presenter.text(settings.config_file, kind=Kind.PATH)
            lines.append(_("configuration: {path}").format(path=path))
        lines += ["", _("'rustnet about' lists libraries, licences and the shipped data")]
        self._this.push_screen(ValueDialog(_("About rustnet"), "\n".join(lines)))


def screen_text(app: App[Any]) -> str:
    """What the screen shows, as lines of text."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())
