"""A role reduced to what a supervisor sees: a run file, /health, SIGTERM. Run as a script by the tests.

usage: stand_in_role.py DATA_DIR NAME ROLE [--deaf]
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    data_dir, name, role = sys.argv[1:4]
    if "--deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = HTTPServer(("127.0.0.1", 0), _Health)
    run_file = Path(data_dir) / "run" / f"{name}.json"
    run_file.parent.mkdir(parents=True, exist_ok=True)
    aside = run_file.with_suffix(".tmp")
    url = f"http://127.0.0.1:{server.server_port}"
    aside.write_text(json.dumps({"role": role, "pid": os.getpid(), "url": url}))
    aside.replace(run_file)
    server.serve_forever(poll_interval=0.01)


main()
