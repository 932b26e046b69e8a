"""Keys of a view that scrolls and has no rows to select: pages, beginning and end."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.scroll_view import ScrollView


class ScrollingView(ScrollView, can_focus=True, inherit_bindings=False):
    """Scrolls by pages without animation; arrows and letters are left to what it is in."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup,ctrl+b", "view_page(-1)", show=False),
        Binding("pagedown,ctrl+f", "view_page(1)", show=False),
        Binding("home", "view_end(-1)", show=False),
        Binding("end", "view_end(1)", show=False),
    ]

    @property
    def room(self) -> int:
        """Cells of a line, without the bar for scrolling."""
        return self.scrollable_content_region.width or self.size.width

    def scroll_lines(self, lines: int) -> None:
        """Scroll by lines."""
        self.scroll_to(y=max(0, self.scroll_offset.y + lines), animate=False)

    def action_view_page(self, step: int) -> None:
        """Scroll by a page."""
        self.scroll_lines(step * max(1, self.size.height - 1))

    def action_view_end(self, direction: int) -> None:
        """Scroll to the beginning, or to the end."""
        self.scroll_to(y=0 if direction < 0 else self.max_scroll_y, animate=False)
