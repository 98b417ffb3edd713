# SPDX-License-Identifier: BSD-2-Clause
"""Run the tests of the Node module (userspace/bindings/node) with the installed Node.

$TP_NODE_VERSIONS names other Node programs or their folders instead, separated by commas or spaces, such as
/opt/node-18/bin/node.  Each of them runs all tests.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

import leftovers

TOP = pathlib.Path(__file__).resolve().parent.parent
FOLDER = TOP / "userspace/bindings/node"
TIMEOUT = 300  # seconds for one file


def programs():
    """{name for the results: program}: the system's Node, or those of $TP_NODE_VERSIONS."""
    names = re.split(r"[,\s]+", os.environ.get("TP_NODE_VERSIONS", "").strip())
    if names == [""]:
        return {"node": "node"}
    found = {}
    for name in names:
        path = pathlib.Path(name)
        program = str(path / "node") if path.is_dir() else name
        version = subprocess.run([program, "--version"], text=True, capture_output=True, check=True)
        found[f"node-{version.stdout.strip()}"] = program
    return found


class NodeJob:
    """One file of tests in one process."""

    def __init__(self, name, program, file, running):
        self.name, self.program, self.file, self.running = name, program, file, running

    def run(self, results):
        """Add a result for each test of the file."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tp-test-results-") as folder:
            report = pathlib.Path(folder, "report")
            code, output = self.execute(report)
            lines = report.read_text().splitlines() if report.exists() else []
        outcome = [json.loads(line) for line in lines]
        failed = 0
        for test in outcome:
            failed += test["status"] == "failed"
            results.add(f"{self.name} {test['name']}", test["status"], test.get("detail", ""))
        if not outcome or (code != 0 and not failed):
            failed += 1
            results.add(self.name, "failed", f"exit code {code}\n{output}")
        results.note(f"{'NOT OK' if failed else 'ok':8} {self.name}: {len(outcome) - failed} of "
                     f"{len(outcome)} in {time.monotonic() - started:.1f} s")

    def execute(self, report):
        command = [self.program, "--test", f"--test-reporter={FOLDER}/test/report.mjs",
                   f"--test-reporter-destination={report}"]
        return leftovers.run_session(command + [str(self.file)], self.running, TIMEOUT, cwd=FOLDER)


def jobs(wanted, running):
    """A job for each file whose name, such as "node parser", contains `wanted`."""
    found = []
    for label, program in programs().items():
        for file in sorted(FOLDER.glob("test/*.test.js")):
            name = f"{label} {file.name.removesuffix('.test.js')}"
            if wanted in name:
                found.append(NodeJob(name, program, file, running))
    return found
