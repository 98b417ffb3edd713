# SPDX-License-Identifier: BSD-2-Clause
"""Run the tests of the Python and Go modules (userspace/bindings) that need no live connection.

Tests on live connections are in tests/apps/bindings_test.cpp.  The Python module needs only the standard
library.  The Go module needs no cgo, and nothing is fetched.
"""

import json
import os
import pathlib
import re
import sys
import time

import leftovers

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / os.environ.get("TP_BUILD", "build")
TIMEOUT = 600  # seconds, because Go compiles its library the first time


def python_outcomes(output):
    """{test: (status, detail)} of unittest's verbose report."""
    statuses = {"ok": "passed", "FAIL": "failed", "ERROR": "failed"}
    found = re.findall(r"^(\w+) \(([\w.]+)\) \.\.\. (ok|FAIL|ERROR|skipped .*)$", output, re.M)
    return {f"{where.split('.')[-1] if where.split('.')[-1] != test else where.split('.')[-2]}.{test}":
            (statuses.get(how, "skipped"), output if how in ("FAIL", "ERROR") else how)
            for test, where, how in found}


def go_outcomes(output):
    """{test: (status, detail)} of the output of `go test -json`."""
    statuses = {"pass": "passed", "fail": "failed", "skip": "skipped"}
    outcomes, said = {}, {}
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        test = event.get("Test")
        if test and event["Action"] == "output":
            said[test] = said.get(test, "") + event["Output"]
        elif test and event["Action"] in statuses:
            outcomes[test] = (statuses[event["Action"]], said.get(test, ""))
    return outcomes


class BindingJob:
    """The tests of one module in one process."""

    def __init__(self, name, command, folder, outcomes, running):
        self.name, self.command, self.folder = name, command, folder
        self.outcomes, self.running = outcomes, running

    def run(self, results):
        """Add a result for each test."""
        started = time.monotonic()
        code, output = self.execute()
        outcome = self.outcomes(output)
        failed = 0
        for test, (status, detail) in outcome.items():
            failed += status == "failed"
            results.add(f"{self.name} {test}", status, detail)
        if not outcome or (code != 0 and not failed):
            failed += 1
            results.add(self.name, "failed", f"exit code {code}\n{output}")
        results.note(f"{'NOT OK' if failed else 'ok':8} {self.name}: {len(outcome) - failed} of "
                     f"{len(outcome)} in {time.monotonic() - started:.1f} s")

    def execute(self):
        environment = os.environ | {"GOCACHE": str(BUILD.absolute() / "go-cache"), "CGO_ENABLED": "0",
                                    "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
        return leftovers.run_session(self.command, self.running, TIMEOUT, cwd=self.folder,
                                     env=environment)


def jobs(wanted, running):
    """A job for each module whose name contains `wanted`."""
    modules = [
        ("python truepeer", [sys.executable, "-B", "-m", "unittest", "discover", "-v", "-s", "test"],
         TOP / "userspace/bindings/python", python_outcomes),
        ("go truepeer", ["go", "test", "-json", "-count=1", "./..."],
         TOP / "userspace/bindings/go", go_outcomes),
    ]
    return [BindingJob(name, command, folder, outcomes, running)
            for name, command, folder, outcomes in modules if wanted in name]
