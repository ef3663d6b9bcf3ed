"""Takes the pictures of the guide from the component itself: `python …/pictures.py FOLDER`.

No test: run it when the component has changed.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

PREVIEW = Path(__file__).resolve().parents[4] / "adapters" / "crm_bridge_salesforce" / "crm_app" / "preview"
SCENES = ("ready", "ready_flags", "ready_news", "handed_over", "no_draft", "superseded")
WIDTH = 660


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=PREVIEW))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 400})
        for scene in SCENES:
            page.goto(f"http://127.0.0.1:{server.server_address[1]}/gallery.html?scene={scene}")
            page.wait_for_selector("[data-kind]")
            page.locator("main").screenshot(path=folder / f"salesforce-{scene}.png")
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
