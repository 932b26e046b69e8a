"""Names of the user's own for interfaces, from the configuration."""

from pathlib import Path

from rustnet.policy.redaction import Redactor, random_key
from tests.tui.support import browser, screen_text, settle


async def test_interfaces_have_the_users_names_but_in_redact_mode(network: Path) -> None:
    app = browser(network, redactor=lambda: Redactor(random_key()), interfaces={"span0": "lab"})
    async with app.run_test(size=(200, 40)) as pilot:
        await settle(pilot)
        app.show_tab("network")
        await settle(pilot)
        assert "span0 (lab)" in screen_text(app)
        await pilot.press("X")
        await settle(pilot)
        assert "span0" not in screen_text(app)
        assert "(lab)" not in screen_text(app)
