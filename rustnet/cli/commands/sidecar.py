"""``rustnet sidecar``: the group of commands about sidecars."""

import importlib

import click

from rustnet.i18n import N_, _

COMMANDS: dict[str, str] = {
    "record": N_("Record which process owns which socket while packets are captured."),
    "validate": N_("Validate a sidecar and summarise its contents."),
}
"""Commands of the group. The module of each is `rustnet.cli.commands.sidecar_<name>`, its object `command`."""


class SidecarGroup(click.Group):
    """Command group that prints its help without importing its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command's module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"rustnet.cli.commands.sidecar_{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table."""
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(words)) for name, words in COMMANDS.items()])


@click.group(
    cls=SidecarGroup,
    help=_(
        "Work with sidecars: files that record which process owned which connection. sidecar/FORMAT.md describes them."
    ),
)
def command() -> None:
    """Choose a command."""
