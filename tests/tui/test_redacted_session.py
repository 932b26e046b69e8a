"""A session that was redacted for others, in the browser."""

from pathlib import Path
from typing import Any

import pytest

from rustnet.export import redacted_session
from rustnet.policy.redaction import Key, Redactor
from rustnet.query.session import open_session
from tests.tui.screen_actions import shown
from tests.tui.support import browser, screen_text, settle

TABS = ("overview", "details", "activity", "graph", "hosts", "health", "network", "sql")


@pytest.fixture(scope="module")
def redacted(web: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("redacted") / "shared.duckdb"
    with open_session(web) as session:
        redacted_session.copy(session, path, Redactor(Key(bytes(32))))
    return path


async def test_every_screen_shows_it_and_health_says_so(redacted: Path) -> None:
    app: Any = browser(redacted)
    async with app.run_test(size=(200, 50)) as pilot:
        texts = {}
        for tab in TABS:
            await shown(pilot, tab)
            await settle(pilot)
            texts[tab] = screen_text(app)
    assert not any("shop.example" in text for text in texts.values())
    assert any("h-" in text for text in texts.values())
    assert "names, addresses and more are replacements" in texts["health"]
