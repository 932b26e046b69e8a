"""Options of ``replay`` and ``refresh`` about the user's databases of countries, cities and autonomous systems."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from rustnet.cli.main import State
from rustnet.cli.options import override
from rustnet.i18n import _

_F = TypeVar("_F", bound=Callable[..., Any])


def geo_options(command: _F) -> _F:
    """Add ``--geoip-country``, ``-city``, ``-asn`` and ``--no-geoip``; the command gets them as ``geo``."""

    @functools.wraps(command)
    def with_files(*arguments: Any, no_geoip: bool, **options: Any) -> Any:
        from rustnet.ingest.options import GeoFiles  # noqa: PLC0415 -- the whole engine

        state = click.get_current_context().find_object(State) or State()
        given = (state.config.geo_country, state.config.geo_city, state.config.geo_asn)
        country, city, asn = (None if path is None else str(path) for path in given)
        return command(*arguments, geo=GeoFiles(country, city, asn, off=no_geoip), **options)

    for option in (
        click.option(
            "--no-geoip", is_flag=True,
            help=_("Look up neither countries nor autonomous systems, also not in the tables of this program."),
        ),
        _database("asn", _("Database of autonomous systems in MaxMind's format.")),
        _database("city", _("Database of cities and countries in MaxMind's format.")),
        _database(
            "country",
            _("Database of countries in MaxMind's format. With one of these three no others are looked for.  "
              "[default: by configuration, else those in the usual places, else the tables of this program]"),
        ),
    ):  # fmt: skip
        with_files = option(with_files)
    return with_files  # type: ignore[return-value]


def _database(kind: str, words: str) -> Callable[[Any], Any]:
    return click.option(
        f"--geoip-{kind}", metavar="FILE", expose_value=False, is_eager=True, callback=override(f"geo.{kind}"),
        help=words,
    )  # fmt: skip


class ResolvingCommand(click.Command):
    """A command with ``--resolve``, whose value is never the next word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of a command line."""
        end = args.index("--") if "--" in args else len(args)
        given = ["--resolve=global" if word == "--resolve" else word for word in args[:end]]
        return super().parse_args(ctx, given + args[end:])


def resolve_option(command: _F) -> _F:
    """Add ``--resolve[=all]``."""
    return click.option(
        "--resolve", type=click.Choice(["global", "all"]), metavar="[=all]",
        help=_("Ask the system's resolver for names of global addresses (with =all also of local networks), for the "
               "pass enrichment. The name servers learn the addresses."),
    )(command)  # fmt: skip
