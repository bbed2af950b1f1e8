"""What the README promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ranker.serving.server import Server
from tests.integration.conftest import settings

README = Path(__file__).parents[2] / "README.md"
FASHION = 'schema_id = "fashion"\nlabel = "click"\n' + "".join(
    f'[[fields]]\nname = "user_{i}"\nkind = "categorical"\nscope = "context"\nsize = 9\n' for i in range(4)
)


def test_the_example_of_the_client_runs(home):
    (home / "schemas" / "fashion.toml").write_text(FASHION)
    server = Server(settings(home))
    server.start()
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(code.splitlines()) <= 15
    done = subprocess.run(
        [sys.executable, "-c", code.replace("127.0.0.1:50051", server.address)],
        capture_output=True,
        text=True,
        check=False,
    )
    server.close()
    assert done.returncode == 0, done.stderr
    assert "num_joined=1" in done.stdout


def test_every_link_to_a_file_leads_somewhere():
    root = README.parent
    pages = [README, root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
