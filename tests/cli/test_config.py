"""Configuration: one file, flags before environment before file before defaults, errors with their line."""

import json
import os
import re
import stat
from pathlib import Path

import pytest

from rustnet.cli.configuration_page import example, page
from rustnet.config import MAX_BYTES, SETTINGS, Config, ConfigError, Source, examine, load
from rustnet.records import field_docs
from tests.support.command_line import Run, child
from tests.support.paths import ROOT


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration file of this test, in an environment without settings."""
    path = tmp_path / "rustnet" / "config.toml"
    path.parent.mkdir()
    for name in list(os.environ):
        if name.startswith("RUSTNET_") or name in ("NO_COLOR", "SUDO_UID"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def problems(path: Path, text: str) -> list[str]:
    write(path, text)
    return [str(problem).removeprefix(str(path)) for problem in examine(Source()).problems]


def test_values_of_a_file(file: Path) -> None:
    write(
        file,
        'timezone = "Europe/Berlin"\ncolor = "never"\nworkers = 3\nqueries = "mine"\n'
        '[geo]\ncountry = "/data/country.mmdb"\ncity = "~/city.mmdb"\n',
    )
    loaded = load(Source())
    values = loaded.config
    assert (str(values.timezone), values.color, values.workers) == ("Europe/Berlin", "never", 3)
    assert values.queries == file.parent / "mine"
    assert (values.geo_country, values.geo_city, values.geo_asn) == (
        Path("/data/country.mmdb"), Path.home() / "city.mmdb", None,
    )  # fmt: skip
    assert loaded.was_read
    assert {key: o.line for key, o in loaded.origins.items() if o.source != "default"} == {
        "timezone": 1, "color": 2, "workers": 3, "queries": 4, "geo.country": 6, "geo.city": 7,
    }  # fmt: skip
    assert {o.source for key, o in loaded.origins.items() if o.line is None} == {"default"}


def test_flags_before_environment_before_file_before_defaults(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(Source(ignore_file=True)).config == Config()
    write(file, 'workers = 3\ntimezone = "Asia/Tokyo"\ncolor = "always"\n')
    monkeypatch.setenv("RUSTNET_WORKERS", "5")
    monkeypatch.setenv("RUSTNET_TIMEZONE", "+02:00")
    loaded = load(Source(flags={"timezone": ("--timezone", "-03:30")}))
    assert (loaded.config.workers, str(loaded.config.timezone), loaded.config.color) == (5, "UTC-03:30", "always")
    assert [loaded.origins[key].source for key in ("timezone", "color", "workers")] == ["flag", "file", "environment"]
    monkeypatch.setenv("NO_COLOR", "1")
    assert load(Source()).config.color == "never"
    assert load(Source(flags={"color": ("--color", "always")})).config.color == "always"
    monkeypatch.setenv("RUSTNET_COLOR", "auto")
    assert load(Source()).config.color == "auto"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nwrokers = 1\n", [", line 2: unknown key 'wrokers'; did you mean workers?"]),
        ("# x\n[geo]\n\n ctiy = '1'\n", [", line 4: unknown key 'geo.ctiy'; did you mean geo.city?"]),
        ("zzzz = 1\n", [f", line 1: unknown key 'zzzz'; known keys: {', '.join(SETTINGS)}"]),
        ("[goe]\nasn = 'x'\n", [", line 2: unknown key 'goe.asn'; did you mean geo.asn?"]),
        ("color = 'nevr'\n",
         [""", line 1: color must be "auto", "always" or "never", not 'nevr'; did you mean never?"""]),
        ("\n\nworkers = 65\n", [""", line 3: workers must be a number from 0 to 64, or "auto", not '65'"""]),
        ("workers = true\n", [""", line 1: workers must be a number from 0 to 64, or "auto", not 'True'"""]),
        ("queries = {a = 1}\n", [""", line 1: queries must be the path of a folder, not "{'a': 1}\""""]),
        ("[geo]\nasn = ''\n", [", line 2: geo.asn must be the path of an .mmdb file, not ''"]),
        ('x = """\n\n"""\ny = [\n1,\n]\nworkerz = 1', [
            f", line 1: unknown key 'x'; known keys: {', '.join(SETTINGS)}",
            f", line 4: unknown key 'y'; known keys: {', '.join(SETTINGS)}",
            ", line 7: unknown key 'workerz'; did you mean workers?"]),
        ("workers = 1\nworkers = 2\n", [", line 2: is not TOML: Cannot overwrite a value"]),
        ("color = ", [", line 1: is not TOML: Invalid value"]),
        ("[x]\n[y", [", line 2: is not TOML: Expected ']' at the end of a table declaration"]),
        ("a = " + "[" * 20_000, [": is nested too deeply"]),
        ("workers = 1\n#" + "x" * MAX_BYTES, [f": is larger than {MAX_BYTES} bytes"]),
    ],
)  # fmt: skip
def test_errors_state_the_line_and_the_nearest_key(file: Path, text: str, said: list[str]) -> None:
    assert problems(file, text) == said


def test_zones(file: Path) -> None:
    wrong = problems(file, "timezone = 'Europe/Berlni'\n")
    assert wrong[0].endswith("not 'Europe/Berlni'; did you mean Europe/Berlin?")
    for bad in ("'../../etc/passwd'", "'+25:00'", "3", "''", "'posixrules/x'"):
        assert len(problems(file, f"timezone = {bad}\n")) == 1
    for good in ("utc", "Z", "+0530", "-09:30", "America/New_York", "local"):
        assert problems(file, f"timezone = '{good}'\n") == []


def test_a_file_that_is_not_utf8(file: Path) -> None:
    file.write_bytes(b"workers = 1\n# \xff\n")
    file.chmod(0o600)
    assert [str(p) for p in examine(Source()).problems] == [f"{file}, line 2: is not UTF-8"]


def test_a_byte_order_mark_is_no_error(file: Path) -> None:
    assert problems(file, "\ufeffworkers = 1\n") == []


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_refused(file: Path, mode: int) -> None:
    write(file, "workers = 1\n", mode)
    with pytest.raises(ConfigError, match="other users can write it, so it is not read"):
        load(Source())
    assert load(Source(ignore_file=True)).config.workers is None


def test_a_pipe_is_refused_and_not_waited_for(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="is not a plain file"):
        load(Source())


def test_a_file_that_was_asked_for_must_exist(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(Source())
    assert (loaded.path, loaded.was_read) == (file, False)
    with pytest.raises(ConfigError, match="there is no such configuration file"):
        load(Source(str(file)))
    monkeypatch.setenv("RUSTNET_CONFIG", str(file))
    with pytest.raises(ConfigError, match="there is no such configuration file"):
        load(Source())
    monkeypatch.setenv("RUSTNET_CONFIG", "")
    assert load(Source()).path is None


class Sudo:
    """Pretends that a user called the program by sudo, and that files have an owner."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        self.owner = 1234
        entry = type("Entry", (), {"pw_dir": str(home)})
        monkeypatch.setattr("os.geteuid", lambda: 0)
        monkeypatch.setattr("pwd.getpwuid", lambda number: entry if number == 1234 else None)
        monkeypatch.setenv("SUDO_UID", "1234")
        real = os.fstat

        def fstat(handle: int) -> os.stat_result:
            status = list(real(handle))
            status[stat.ST_UID] = self.owner
            return os.stat_result(status)

        monkeypatch.setattr("os.fstat", fstat)


def test_under_sudo_the_file_is_that_of_the_user_who_called_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sudo = Sudo(monkeypatch, tmp_path)
    path = tmp_path / ".config" / "rustnet" / "config.toml"
    path.parent.mkdir(parents=True)
    write(path, 'queries = "~/q"\n')
    loaded = load(Source())
    assert (loaded.path, loaded.config.queries) == (path, tmp_path / "q")
    for other in (0, 77):
        sudo.owner = other
        with pytest.raises(ConfigError, match="belongs to another user, so it is not read"):
            load(Source())


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the owner of a file")
def test_a_file_of_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, "workers = 1\n")
    os.chown(file, 1234, 1234)
    with pytest.raises(ConfigError, match="belongs to another user"):
        load(Source())
    monkeypatch.setenv("SUDO_UID", "1234")  # who owns it now
    monkeypatch.setenv("RUSTNET_CONFIG", str(file))
    assert load(Source()).config.workers == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_home_that_cannot_be_read_is_noted_and_no_error(tmp_path: Path) -> None:
    """As if the home of somebody else was left in the environment."""
    (tmp_path / "closed").mkdir(mode=0o700)
    pid = os.fork()
    if not pid:
        try:
            os.setuid(65534)
            os.environ.pop("RUSTNET_CONFIG", None)
            os.environ["XDG_CONFIG_HOME"] = str(tmp_path / "closed")
            os._exit(0 if load(Source()).unreachable else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_every_setting_is_declared_once_and_described() -> None:
    assert [setting.name for setting in SETTINGS.values()] == list(Config.__dataclass_fields__)
    assert field_docs(Config).keys() == Config.__dataclass_fields__.keys()


def test_the_example_is_a_file_that_changes_nothing(file: Path) -> None:
    write(file, example())
    assert load(Source()).config == Config()
    write(file, re.sub(r"^# (\w+ = )", r"\1", example(), flags=re.MULTILINE))
    loaded = load(Source())
    assert {origin.source for origin in loaded.origins.values()} == {"file"}


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == page(), (
        "python -m rustnet.cli.configuration_page > docs/configuration.md"
    )


BROWSER = """
[browser]
theme = "nord"
colors = { accent = "#ffaf00", stale = "yellow" }
sort = "-bytes"
group = true
columns = ["process", "remote"]
widths = { remote = 40 }
keys = { "sort.next" = "Z", "tab.next" = "]", redact = "" }
"""


def test_settings_of_the_browser(file: Path, run: Run) -> None:
    write(file, BROWSER + '[interfaces]\neth0 = "uplink"\n')
    values = load(Source()).config
    assert (values.browser_theme, values.browser_sort, values.browser_group) == ("nord", "-bytes", True)
    assert values.browser_colors == {"accent": "#ffaf00", "stale": "yellow"}
    assert values.browser_columns == ("process", "remote")
    assert values.browser_widths == {"remote": 40}
    assert values.browser_keys == {"sort.next": "Z", "tab.next": "]", "redact": ""}
    assert values.interfaces == {"eth0": "uplink"}
    assert run("config", "--check").code == 0
    shown = run("config").out
    assert re.search(r"browser\.colors +accent = #ffaf00, stale = yellow +the file, line 4", shown)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('theme = "nrod"', "browser.theme: unknown name 'nrod'; did you mean nord?"),
        ("colors = { acent = 'red' }", "browser.colors: unknown name 'acent'; did you mean accent?"),
        ("colors = { accent = 'reddish' }", "browser.colors: accent is no colour: 'reddish'"),
        ("keys = { 'sort.nxt' = 'o' }", "browser.keys: unknown name 'sort.nxt'; did you mean sort.next?"),
        ("keys = { 'sort.next' = 'ctrl+i' }", "browser.keys: unknown name 'ctrl+i'"),
        ("keys = { 'sort.next' = 'x' }", "browser.keys: since and sort.next have the same key x"),
        ('sort = "byts"', "browser.sort: unknown name 'byts'; did you mean bytes?"),
        ('columns = ["proces"]', "browser.columns: unknown name 'proces'; did you mean process?"),
        ("widths = { remot = 9 }", "browser.widths: unknown name 'remot'; did you mean remote?"),
        ("widths = { remote = 0 }", "browser.widths must be a table of columns and widths"),
        ("group = 3", "browser.group must be true or false"),
    ],
)
def test_wrong_settings_of_the_browser_are_refused(file: Path, run: Run, line: str, words: str) -> None:
    write(file, f"[browser]\n{line}\n")
    shown = run("config", "--check")
    assert shown.code == 2
    assert words in shown.err


# ---- the command, and what obeys it --------------------------------------------------------------------------------


def test_what_is_in_force_and_where_it_came_from(file: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, '[geo]\nasn = "a\x7f.mmdb"\n'.replace("\x7f", "\\u007f"))
    monkeypatch.setenv("RUSTNET_WORKERS", "2")
    shown = run("config", "--timezone", "Asia/Tokyo")
    assert shown.code == 0
    assert shown.err == f"configuration file: {file}\n"
    rows = [re.split(r"  +", line) for line in shown.out.splitlines()]
    assert rows[1:5] == [
        ["timezone", "Asia/Tokyo", "flag --timezone"],
        ["color", "auto", "default"],
        ["language", "auto", "default"],
        ["workers", "2", "environment: RUSTNET_WORKERS"],
    ]
    assert next(row for row in rows if row[0] == "geo.asn")[2] == "the file, line 2"
    assert "\x7f" not in shown.out
    data = json.loads(run("config", "--json").out)
    assert data["file"] == str(file)
    assert data["settings"][3] == {
        "key": "workers", "value": 2, "source": "environment", "place": "RUSTNET_WORKERS", "line": None,
    }  # fmt: skip
    assert next(entry for entry in data["settings"] if entry["key"] == "geo.asn")["line"] == 2
    assert set(data) == {"file", "read", "settings", "problems"}


def test_check(file: Path, run: Run) -> None:
    folder = file.parent
    write(file, 'queries = "q"\n[geo]\nasn = "a.mmdb"\n')
    done = run("config", "--check")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"rustnet: error: queries: there is no folder {folder / 'q'}\n"
        f"rustnet: error: geo.asn: there is no file {folder / 'a.mmdb'}\n"
    )
    (folder / "q").mkdir()
    (folder / "a.mmdb").touch()
    done = run("config", "--check")
    assert (done.code, done.out) == (0, f"{file}: no problems\n")
    write(file, "x\x1b[31m = 1\n")
    done = run("config", "--check")
    assert done.code == 2
    assert "\x1b" not in done.err


def test_explain_and_example(run: Run, file: Path) -> None:
    write(file, "broken\n")
    assert "environment: RUSTNET_GEO_ASN" in run("config", "--explain", "geo.asn").out
    assert all(key in run("config", "--explain").out for key in SETTINGS)
    assert "did you mean workers?" in run("config", "--explain", "worker").err
    assert run("config", "--example").out == example()
    assert run("config", "color").code == 2
    assert run("config", "--json", "--check").code == 2


def test_a_wrong_file_ends_every_command_but_not_its_help(file: Path, run: Run, session: Path) -> None:
    write(file, "wrokers = 1\n")
    done = run("flows", session)
    assert done.code == 2
    assert done.err == f"rustnet: error: {file}, line 1: unknown key 'wrokers'; did you mean workers?\n"
    assert run("flows", "--help").code == 0
    assert run("--no-config", "flows", session).code == 0
    assert run("flows", session, "--no-config").code == 0
    other = file.with_name("other.toml")
    write(other, "workers = 0\n")
    assert run("--config", other, "flows", session).code == 0
    assert run("flows", session, "--config", other).code == 0
    assert run("flows", session, "--config", file.with_name("none")).code == 2


def test_times_are_shown_in_the_zone_and_state_it(file: Path, run: Run, session: Path) -> None:
    utc = run("flows", session, "--format", "table").out.splitlines()[2].split()[1]
    assert utc.endswith("Z")
    write(file, 'timezone = "Asia/Kolkata"\n')
    shown = run("flows", session, "--format", "table").out.splitlines()[2].split()[1]
    hours = f"{(int(utc[11:13]) + 5 + (int(utc[14:16]) + 30) // 60) % 24:02d}:{(int(utc[14:16]) + 30) % 60:02d}"
    assert shown[11:16] == hours
    assert shown.endswith("+05:30")
    assert shown[16:29] == utc[16:29]
    screen = run("flows", session, tty=True, columns=200)
    assert "(Asia/Kolkata)" in screen.err
    assert f"{hours}:" in screen.out
    assert "+05:30" in screen.out
    for words in (["hosts", session], ["processes", session], ["show", session, "1"], ["replay", "-", "--top", "1"]):
        if words[0] in ("hosts", "show"):
            assert "+05:30" in run(*words, tty=True, columns=200).out
    markdown = run("flows", session, "--format", "markdown", "-c", "started_at").out
    assert "+05:30" in markdown
    sql = "SELECT make_timestamp(0) AS t, make_timestamp_ns(1) AS n"
    assert run("query", session, "--sql", sql).out.splitlines()[2].split() == [
        "1970-01-01T05:30:00.000000+05:30", "1970-01-01T05:30:00.000000001+05:30",
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_machine_formats_stay_utc(file: Path, run: Run, session: Path, form: str) -> None:
    plain = run("flows", session, "--format", form, "-c", "all").raw
    write(file, 'timezone = "Asia/Kolkata"\n')
    assert run("flows", session, "--format", form, "-c", "all").raw == plain
    assert run("--timezone", "Asia/Tokyo", "flows", session, "--format", form, "-c", "all").raw == plain


def test_colours(file: Path, run: Run, session: Path) -> None:
    assert "\x1b[" not in run("flows", session, "--color", "never", tty=True).out
    assert "\x1b[" in run("flows", session, tty=True).out
    assert "\x1b[" in run("show", session, "1", "--color", "always").out
    write(file, 'color = "always"\n')
    assert "\x1b[" in run("show", session, "1").out
    assert "\x1b[" not in run("--no-color", "show", session, "1").out
    assert "\x1b[" not in run("show", session, "1", "--no-color", tty=True).out


def test_workers_come_from_the_file_unless_the_flag_is_given(
    file: Path, run: Run, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int | None] = []

    def stop(_files: object, _session: object, options: object, *_more: object, **_named: object) -> None:
        given.append(options.workers)  # type: ignore[attr-defined]
        raise ConfigError("seen")

    monkeypatch.setattr("rustnet.ingest.road.ingest", stop)
    write(file, "workers = 0\n")
    run("replay", capture)
    run("replay", capture, "--workers", "1")
    run("enrich", capture, "-o", capture.with_suffix(".pcapng"))
    write(file, "")
    run("replay", capture)
    assert given == [0, 1, 0, None]


def test_help_does_without_the_configuration(tmp_path: Path) -> None:
    assert child("--help", RUSTNET_CONFIG=str(tmp_path / "none")).returncode == 0
    assert child("stats", "--help", RUSTNET_CONFIG=str(tmp_path / "none")).returncode == 0
