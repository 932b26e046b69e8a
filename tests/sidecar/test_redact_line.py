"""What is hidden in command lines of which only the text is known: those of logs, foreign sidecars and comments."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustnet.probe.redact import redact_line

MARK = "Zq7-hunter2"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


def encoded(script: str) -> str:
    """A script as PowerShell takes it in Base64."""
    return base64.b64encode(script.encode("utf-16-le")).decode("ascii")


SECRET = Path(__file__).with_name("lines_with_secrets.txt").read_text("utf-8").splitlines()
"""Command lines with ``{}`` in the place of a secret."""
INNOCENT = Path(__file__).with_name("lines_without_secrets.txt").read_text("utf-8").splitlines()
"""Command lines that resemble those, and have nothing to hide."""
TOKENS = [
    JWT, "ghp_0123456789abcdefghijABCDEFGHIJ012345", "glpat-abcdefghij0123456789", "AKIAIOSFODNN7EXAMPLE",
    "xoxb-123456789012-abcdefghijkl", "AIzaSyA0123456789abcdefghijklmnopqrstuv", "hvs.CAESIJ0123456789abcdef",
    "sk_live_0123456789abcdefghij", "npm_0123456789abcdefghijABCDEFGHIJ012345",
    "SG.abcdefghijklmnop.qrstuvwxyz0123456789",
]  # fmt: skip


@pytest.mark.parametrize("template", SECRET)
def test_a_secret_is_hidden_and_the_rest_remains(template: str) -> None:
    line = template.format(MARK)
    shown = redact_line(line)
    assert MARK not in shown
    assert "hunter2" not in shown
    assert "***" in shown
    assert shown.split()[0] == line.split()[0] or "***" in shown.split()[0]
    assert redact_line(shown) == shown


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("template", ["app {}", "app -x {} y", "app --flag={}", "https://h/{}/x"])
def test_a_token_is_hidden_wherever_it_stands(template: str, token: str) -> None:
    assert token[:-8] not in redact_line(template.format(token))


@pytest.mark.parametrize("line", INNOCENT)
def test_an_innocent_line_is_left_alone(line: str) -> None:
    assert redact_line(line) == line


@pytest.mark.parametrize("flag", ["-enc", "-EncodedCommand", "-e", "/ec"])
def test_an_encoded_script_is_hidden_if_it_has_a_secret(flag: str) -> None:
    secret = encoded(f"net use \\\\srv\\x /user:bob {MARK}")
    assert redact_line(f"powershell.exe -nop {flag} {secret}") == f"powershell.exe -nop {flag} ***"
    innocent = f"powershell.exe -nop {flag} {encoded('Get-Process')}"
    assert redact_line(innocent) == innocent


@given(st.text(max_size=200))
def test_any_text_can_be_read(line: str) -> None:
    assert isinstance(redact_line(line), str)
