"""Catalogues: complete, the same fields and lines in every language; only what people read depends on one."""

import gettext
import io
import json
import os
import re
import runpy
import string
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from rustnet import i18n, po
from tests.support.command_line import Run, child
from tests.support.conversations import dns_flow, http_flow
from tests.support.paths import ROOT
from tests.support.pcap import pcap

TOOL = runpy.run_path(str(ROOT / "tools" / "messages"))
SENTENCES: set[tuple[str, ...]] = set(TOOL["sentences"]())
LANGUAGES = sorted(po.PLURAL_FORMS)
NOT_BREAKING = "\u00a0"
"""What French puts before some marks."""
KEPT = re.compile(r"(?<![A-Za-z0-9-])--[a-z][a-z-]+|`[^`]+`|docs/[a-z-]+\.md|'(?:rustnet|pip|apt|chmod|set) [^']*'")
"""Options, commands and pages, which are the same in every language."""


def entries(language: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Messages with their translations, of those that have one."""
    for message, translations in po.read(language).messages.items():
        if all(translations):
            yield message, translations


def fields(text: str) -> set[tuple[str, str, str]]:
    """Names of the fields of a sentence, with how each is converted and formatted."""
    return {(name, spec or "", kind or "") for _, name, spec, kind in string.Formatter().parse(text) if name}


# ---- the catalogues ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_and_every_translation_is_used(language: str) -> None:
    catalogue = po.read(language)
    known = set(catalogue.messages)
    assert sorted(SENTENCES - known) == [], "tools/messages --update"
    assert sorted(known - SENTENCES) == [], "tools/messages --update"
    assert catalogue.untranslated() == [], f"tools/messages --missing {language}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_written_as_the_tool_writes_it(language: str) -> None:
    """Sorted, with the plural forms of the language, and neither doubtful ("fuzzy") nor old messages."""
    text = po.path_of(language).read_text("utf-8")
    assert text == po.parse(language, text).text(), "tools/messages --update"
    assert re.search(r"^#.*gloss|^#.*用語|^#.*术语|^#.*词汇|^#.*glosario", text, re.IGNORECASE | re.MULTILINE)


def test_no_message_is_a_piece_of_a_sentence() -> None:
    for message in SENTENCES:
        for text in message:
            assert text == text.strip(), f"a piece: {text!r}"
            assert text[:1] not in ",;.)", f"a piece: {text!r}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_fields_are_those_of_the_message(language: str) -> None:
    """The form for one may leave out what English leaves out there; a form for several numbers may not."""
    wrong = []
    for message, translations in entries(language):
        for number, text in enumerate(translations):
            allowed = [fields(message[-1])]
            if number == 0 and len(translations) > 1:
                allowed.append(fields(message[0]))
            try:
                given = fields(text)
            except ValueError as error:
                given = {(str(error), "", "")}
            if given not in allowed:
                wrong.append(f"{message[0]!r}: {text!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_and_edges_are_those_of_the_message(language: str) -> None:
    wrong = []
    for message, translations in entries(language):
        for text in translations:
            lines, own = text.split("\n"), message[0].split("\n")
            examples = [line for line in own if line.startswith("  ")]
            ok = (
                text == text.strip()
                and len(lines) == len(own)
                and [bool(line) for line in lines] == [bool(line) for line in own]
                and [line for line in lines if line.startswith("  ")] == examples
            )
            if not ok:
                wrong.append(f"{message[0]!r}: {text!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_character_is_invisible(language: str) -> None:
    """Only the line breaks, tabs and paragraph marks of the message, and in French the space that does not break."""
    wrong = []
    for message, translations in entries(language):
        allowed = {c for text in message for c in text} | {" "}
        for text in translations:
            spaced = re.sub(rf"{NOT_BREAKING}(?=[:;?!»%])|(?<=«){NOT_BREAKING}", "", text) if language == "fr" else text
            bad = {c for c in spaced if unicodedata.category(c)[0] in "CZ" and c not in allowed}
            if bad or unicodedata.normalize("NFC", text) != text:
                wrong.append(f"{message[0]!r}: {sorted(bad)} in {text!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", LANGUAGES)
def test_options_commands_and_pages_are_not_translated(language: str) -> None:
    wrong = [
        f"{message[0]!r}: {text!r}"
        for message, translations in entries(language)
        for text in translations
        if sorted(set(KEPT.findall(message[-1]))) != sorted(set(KEPT.findall(text)))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", LANGUAGES)
def test_gettext_reads_what_was_compiled(language: str, tmp_path: Path) -> None:
    po.compile_all(str(tmp_path))
    path = tmp_path / "locale" / language / "LC_MESSAGES" / "rustnet.mo"
    with path.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    catalogue = po.read(language)
    for message, translations in entries(language):
        if len(message) == 1:
            assert compiled.gettext(message[0]) == translations[0]
        else:
            one, many = message
            assert {compiled.ngettext(one, many, n) for n in (0, 1, 2, 5)} == set(translations)
    if all(forms := catalogue.messages["{n} packet", "{n} packets"]):
        assert compiled.ngettext("{n} packet", "{n} packets", 0) == forms[0 if language == "fr" else -1]


# ---- reading and keeping them --------------------------------------------------------------------------------------


def small(language: str = "de") -> po.Catalogue:
    catalogue = po.Catalogue(language, [" Glossar"])
    catalogue.messages = {("a\nb",): ('x\n"y"\t\\z',), ("one", "many"): ("eins", "viele"), ("left",): ("",)}
    return catalogue


def test_what_is_written_can_be_read() -> None:
    catalogue = small()
    assert po.parse("de", catalogue.text()) == catalogue
    assert catalogue.untranslated() == [("left",)]
    read = gettext.GNUTranslations(io.BytesIO(catalogue.compiled()))
    assert [read.gettext("a\nb"), read.gettext("left"), read.ngettext("one", "many", 1)] == [
        'x\n"y"\t\\z', "left", "eins",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('msgid "left"', '#, fuzzy\nmsgid "left"'),
        ('msgid "left"', '#~ msgid "left"'),
        ('msgstr[1] "viele"\n', ""),
        ('msgstr[1] "viele"', 'msgstr[1] "viele"\nmsgstr[2] "mehr"'),
        ('msgid "left"', 'msgid "one"\nmsgid_plural "many"\nmsgstr[0] ""\nmsgstr[1] ""\n\nmsgid "left"'),
        ('msgid "left"', "msgid left"),
        ('msgid "left"', 'msgid "left'),
        ('msgid "left"', 'msgctxt "x"\nmsgid "left"'),
    ],
)
def test_what_the_tool_never_writes_is_an_error(before: str, after: str) -> None:
    text = small().text()
    assert before in text
    with pytest.raises(po.PoError):
        po.parse("de", text.replace(before, after, 1))


def test_the_tool_updates_and_merges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "messages"))
    tool["PO"]["read"].__globals__["FOLDER"] = tmp_path
    tool["write"](small())
    tool["update"]()
    capsys.readouterr()
    catalogue = tool["PO"]["read"]("de")
    assert set(catalogue.messages) == SENTENCES
    assert catalogue.notes == [" Glossar"]
    tool["print_missing"]("de")
    missing = json.loads(capsys.readouterr().out)
    assert missing["{n} row" if "{n} row" in missing else "{rows} row"][1:] == ["", ""]
    merged = tmp_path / "new.json"
    given = {"Commands": "Befehle", "{n} packet": ["{n} packets", "{n} Paket", "{n} Pakete"], "unknown": "x"}
    merged.write_text(json.dumps(given), "utf-8")
    tool["merge"]("de", str(merged))
    assert "left out: 'unknown'" in capsys.readouterr().err
    catalogue = tool["PO"]["read"]("de")
    assert catalogue.messages["Commands",] == ("Befehle",)
    assert catalogue.messages["{n} packet", "{n} packets"] == ("{n} Paket", "{n} Pakete")


# ---- which language ------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An environment that chooses no language."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", i18n.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
    i18n.use("auto")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "de_AT.UTF-8"}, "de"),
        ({"LANG": "fr_FR@euro"}, "fr"),
        ({"LANG": "zh_CN.GB18030"}, "zh_CN"),
        ({"LANG": "zh_SG"}, "zh_CN"),
        ({"LANG": "zh-Hans"}, "zh_CN"),
        ({"LANG": "zh_TW.UTF-8"}, "en"),
        ({"LANG": "pl_PL.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "es_MX"}, "es"),
        ({"LANG": "de_DE", "LC_MESSAGES": "es_MX", "LC_ALL": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "de_DE", "LANGUAGE": "pl:fr:es"}, "fr"),
        ({"LANG": "de_DE", "LANGUAGE": "en:fr"}, "en"),
        ({"LANG": "de_DE", "LANGUAGE": "pl"}, "en"),
        ({"LANG": "de_DE", "LC_ALL": "C", "LANGUAGE": "fr"}, "en"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "fr"}, "fr"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "", "LANGUAGE": ""}, "en"),
        ({"LANG": "de_DE", "RUSTNET_LANGUAGE": "ja"}, "ja"),
        ({"LANG": "de_DE", "RUSTNET_LANGUAGE": "auto"}, "de"),
        ({"LANG": "../../etc", "LANGUAGE": "../x"}, "en"),
    ],
)
def test_language_of_the_environment(bare: pytest.MonkeyPatch, environment: dict[str, str], language: str) -> None:
    for name, value in environment.items():
        bare.setenv(name, value)
    i18n.use("auto")
    assert i18n.language() == language


def test_the_language_can_change_and_english_is_put_in_between(bare: pytest.MonkeyPatch) -> None:
    i18n.use("de")
    assert (i18n._("Commands"), i18n._(""), i18n._("no such message")) == ("Befehle", "", "no such message")
    with i18n.in_english():
        assert i18n._("Commands") == "Commands"
    assert i18n.ngettext("{n} packet", "{n} packets", 2) == "{n} Pakete"


def said(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A command line in an environment where only ``environment`` chooses the language."""
    chosen = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "C.UTF-8", "LANGUAGE": "", "RUSTNET_CONFIG": ""}
    return child(*arguments, stdin=None, **{**chosen, "PYTHONUTF8": "1", **environment})


def test_flag_before_environment_before_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('language = "fr"\n')
    file.chmod(0o600)
    french = {"RUSTNET_CONFIG": str(file)}
    assert "Utilisation" in said("--help", **french).stdout.decode()
    assert "Utilisation" in said("flows", "--help", "--config", file).stdout.decode()
    assert "Usage" in said("--no-config", "--help", **french).stdout.decode()
    assert "使" in said("--help", **french, RUSTNET_LANGUAGE="ja").stdout.decode()
    assert "Aufruf" in said("flows", "--help", "--language", "de", **french, RUSTNET_LANGUAGE="ja").stdout.decode()
    assert "Aufruf" in said("--language=de", "flows", "--help", **french).stdout.decode()
    assert "Usage" in said("flows", "--help", "--language", "en", **french).stdout.decode()
    shown = json.loads(said("config", "--json", **french).stdout)
    assert {"key": "language", "value": "fr", "source": "file", "place": str(file), "line": 1} in shown["settings"]


def test_a_wrong_language_is_an_error_in_the_language_of_the_environment() -> None:
    wrong = said("config", "--language", "dee", LANGUAGE="de")
    assert "Fehler: --language: language muss" in wrong.stderr.decode()
    wrong = said("flows", "x", RUSTNET_LANGUAGE="zz", LANGUAGE="de")
    assert wrong.returncode == 2
    assert "Fehler: RUSTNET_LANGUAGE: language muss" in wrong.stderr.decode()


# ---- the command line in each language -----------------------------------------------------------------------------

SHOWN = (
    "Commands", "Usage:", "Options", "Show this message and exit.", "Show the version and exit.",
    "Read no configuration file.", "Run a saved query or any SQL.",
)  # fmt: skip


def squeezed(text: str) -> str:
    """Text without what wrapping puts into it."""
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_and_errors_are_in_the_language(language: str, tmp_path: Path) -> None:
    words = {message[0]: forms[0] for message, forms in po.read(language).messages.items()}
    shown = said("--help", LANGUAGE=language)
    assert (shown.returncode, shown.stderr) == (0, b"")
    for text in SHOWN:
        assert squeezed(words[text]) in squeezed(shown.stdout.decode()), text
    shown = said("flows", "--help", LANGUAGE=language)
    assert squeezed(words["Sort by these columns; -COLUMN sorts in descending order."]) in squeezed(
        shown.stdout.decode()
    )
    missing = tmp_path / "no.duckdb"
    refused = said("flows", missing, LANGUAGE=language)
    text = "{file}: no such session; create one with 'rustnet replay CAPTURE --db {file}'"
    error = words["error: {words}"].format(words=words[text].format(file=missing))
    assert (refused.returncode, refused.stdout, refused.stderr.decode()) == (1, b"", f"rustnet: {error}\n")
    wrong = said("flows", missing, "--nothing", LANGUAGE=language)
    options = [words["No such option {name!r}."].format(name="--nothing"),
               words["No such option: {name}"].format(name="--nothing")]  # fmt: skip
    assert wrong.returncode == 2
    assert any(option in wrong.stderr.decode() for option in options), wrong.stderr.decode()


def test_errors_of_the_parsing_process_and_of_filters_are_in_the_language(tmp_path: Path) -> None:
    """The process that parses is confined before it shows anything: its catalogue is open by then."""
    capture, session = tmp_path / "web.pcap", tmp_path / "s.duckdb"
    capture.write_bytes(pcap(dns_flow()))
    words = {message[0]: forms[0] for message, forms in po.read("de").messages.items()}
    made = said("replay", "--no-tui", "--db", session, capture, __file__, LANGUAGE="de")
    text = words["{name}: not a capture: looks like {kind}"].format(name=__file__, kind=words["text"])
    assert made.stderr.decode() == f"rustnet: {words['error: {words}'].format(words=text)}\n"
    assert words["complete: read to a clean end"] in made.stdout.decode()
    wrong = said("flows", session, "bytes:>1Q", LANGUAGE="de")
    assert words["is not a size like 1500, 10M or 64Ki"] in wrong.stderr.decode()
    assert words["size: 1500, >10M, 1Ki-2Ki"] in wrong.stderr.decode()
    verified = said("verify", session, LANGUAGE="de")
    same = words["{path}: same size and SHA-256"].format(path=capture)
    assert squeezed(same) in squeezed(verified.stdout.decode())


def test_a_terminal_that_cannot_show_the_language_ends_no_command() -> None:
    shown = said("--help", LANGUAGE="ja", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert shown.returncode == 0


# ---- what programs read --------------------------------------------------------------------------------------------

QUESTIONS = (
    ("flows",), ("stats", "--by", "app"), ("processes",), ("hosts",), ("query", "anomalies"),
    ("query", "--sql", "SELECT * FROM flows"), ("hosts", "10.0.0.1"),
)  # fmt: skip


COMMANDS = (("show", "s", "1"), ("verify", "s"), ("diff", "s", "s"), ("doctor",), ("about",))
STORED = ("anomalies", "captures", "capture_files")
FORMATS = ("csv", "json", "jsonl")
CHANGING = re.compile(r'"(ingested_at|seconds|elapsed\w*)": ?[^,}]*|[\d,]+ MB free')
"""What differs from one run to the next."""


def read_by_programs(run: Run, capture: Path, folder: Path) -> Iterator[object]:
    """What commands write for programs, and what they store, in the language in use."""
    folder.mkdir()
    session = folder / "s.duckdb"
    made = run("replay", capture, "--db", session, "--json")
    yield made.code, CHANGING.sub("", made.out)
    for words in QUESTIONS:
        for fmt in FORMATS:
            done = run(words[0], session, *words[1:], "--format", fmt)
            yield words, fmt, done.code, CHANGING.sub("", done.out)
    for command in COMMANDS:
        done = run(*(session if word == "s" else word for word in command), "--json")
        yield command, done.code, CHANGING.sub("", done.out)
    for table in STORED:
        done = run("query", session, "--sql", f"FROM {table}", "--format", "json")
        yield table, done.code, CHANGING.sub("", done.out)
    refused = run("replay", capture, __file__, "--db", folder / "t.duckdb", "--json")
    yield refused.code, CHANGING.sub("", refused.out)
    yield run("flows", session, "nonsense:x").code
    yield run("flows", folder / "none.duckdb").code


@pytest.mark.parametrize("language", ["de", "ja"])
def test_what_programs_read_is_the_same(language: str, tmp_path: Path, run: Run, bare: pytest.MonkeyPatch) -> None:
    """Columns, rows, sentences in JSON, exit codes, and the session itself."""
    capture = tmp_path / "web.pcap"
    capture.write_bytes(pcap(dns_flow() + http_flow())[:-7])  # cut, so that there is something to say
    outputs = []
    for name in ("en", language):
        i18n.use(name)
        folder = tmp_path / name
        outputs.append([str(each).replace(str(folder), "") for each in read_by_programs(run, capture, folder)])
    for english, other in zip(*outputs, strict=True):
        assert english == other
    assert any("0, " in each and "truncated" in each for each in outputs[0])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run command lines in this process."""
    return Run(monkeypatch)


def test_help_in_another_language_loads_no_more_than_in_english() -> None:
    """The compiled catalogue is read if there is one, so a build makes one."""
    code = "import sys; sys.argv[1:] = ['--help']; import rustnet.__main__ as m\n"
    code += "from rustnet.cli.main import main; main(['--help']); print(*sorted(sys.modules), file=sys.stderr)"
    loaded = {}
    for language in ("en", "de"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, "LC_ALL": "", "LANG": "C.UTF-8", "LANGUAGE": language, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        loaded[language] = set(done.stderr.split())
    assert loaded["de"] - loaded["en"] <= {"rustnet.po", "ast", "_ast", "struct", "_struct", "dataclasses"}
    assert not {"tomllib", "platformdirs", "duckdb", "numpy"} & loaded["de"]
