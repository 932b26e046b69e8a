"""What sections consist of: paragraphs, facts, remarks, tables and charts. A template shows each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from rustnet.export.report.cells import Cell


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as a reader can repeat it."""

    sql: str
    command: str
    """Command line that runs it."""
    short: bool
    """The command names a saved query, instead of repeating the SQL."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences."""

    kind: ClassVar[str] = "paragraph"
    text: str
    quiet: bool = False
    """A remark, such as why a section is empty."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One value with its name."""

    name: str
    value: str
    note: str = ""
    code: bool = False
    """A hash, path or the like, in letters of equal width."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Values with their names; ``large``: the key figures of the report."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[Fact]
    heading: str = ""
    large: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """A graded sentence; ``section`` is the one with the details."""

    grade: str
    """``good``, ``fact``, ``warn`` or ``bad``."""
    text: str
    section: str = ""


@dataclass(frozen=True, slots=True)
class Remarks:
    """Graded sentences."""

    kind: ClassVar[str] = "remarks"
    remarks: Sequence[Remark]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """Heading of a table's column."""

    heading: str
    number: bool = False
    wide: bool = False
    """Its texts may be long, and are broken."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of a row is its heading."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    statement: Statement | None = None
    note: str = ""
    shown: str = ""
    """Which part of all rows it has, if not all."""
    tree: bool = False
    """The order of its rows is that of a tree: it is not sorted."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Bars of one series: a path of SVG."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Label:
    """Text of an axis at a place of the drawing."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked bars over time. ``table`` has its data, which the interactive drawing reads."""

    kind: ClassVar[str] = "chart"
    caption: str
    description: str
    """The course in words."""
    unit: str
    """``bits`` or ``flows``: how values are shown."""
    seconds: float
    """Length of an interval."""
    shapes: Sequence[Shape]
    across: Sequence[Label]
    upward: Sequence[Label]
    table: Table


Block = Paragraph | Facts | Remarks | Table | Chart


@dataclass(slots=True)
class Section:
    """A part of the report under a heading."""

    name: str
    """Its anchor."""
    title: str
    question: str
    """What it answers, in one sentence."""
    blocks: list[Block] = field(default_factory=list)
    findings: list[Remark] = field(default_factory=list)
    """What the summary mentions of it."""

    def add(self, *blocks: Block | None) -> None:
        """Add blocks that there are."""
        self.blocks += [block for block in blocks if block is not None]

    def absent(self, text: str) -> None:
        """Add the reason why there are no data."""
        self.blocks.append(Paragraph(text, quiet=True))

    def finding(self, grade: str, text: str) -> None:
        """Add a sentence for the summary."""
        self.findings.append(Remark(grade, text, self.name))
