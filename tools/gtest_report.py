# SPDX-License-Identifier: BSD-2-Clause
"""Read which tests a GoogleTest program has, and what it reported and printed about them."""

import functools
import json
import os
import subprocess


@functools.cache
def list_tests(program, folder, environment=()):
    """The names of a program's tests, in its order; [] if it has none or does not run."""
    listing = subprocess.run([str(program), "--gtest_list_tests"], cwd=folder, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             timeout=60, check=False, env={**os.environ, **dict(environment)})
    names, suite = [], ""
    for line in listing.stdout.splitlines() if listing.returncode == 0 else []:
        line = line.partition("#")[0].rstrip()
        if line.startswith("  "):
            names.append(suite + line.strip())
        elif line.endswith("."):
            suite = line
    return [n for n in names if "DISABLED_" not in n]


def read_report(text):
    """{test: (status, detail)} of a JSON report; raises ValueError if the text is not JSON."""
    outcome = {}
    for suite in json.loads(text)["testsuites"]:
        for test in suite["testsuite"]:
            name = f"{suite['name']}.{test['name']}"
            if test["result"] == "SKIPPED":
                outcome[name] = ("skipped", "")
            elif test["result"] == "COMPLETED" and not test.get("failures"):
                outcome[name] = ("passed", "")
            else:
                outcome[name] = ("failed", "\n".join(f["failure"] for f in test.get("failures", []))
                                 or f"result {test['result']}")
    return outcome


def between(output, test):
    """The output from a test's start to its end."""
    _, found, rest = output.partition(f"[ RUN      ] {test}\n")
    if not found:
        return ""
    for end in (f"[  FAILED  ] {test}", f"[  SKIPPED ] {test}", "[ RUN      ]"):
        rest = rest.partition(end)[0]
    return rest


def before_crash(output, tests):
    """Without a report: the results of the tests that ended, and the test that did not end."""
    began = [t for t in tests if f"[ RUN      ] {t}\n" in output]
    outcome = {}
    for test in began[:-1]:
        if f"[       OK ] {test} " in output:
            outcome[test] = ("passed", "")
        elif f"[  SKIPPED ] {test} " in output:
            outcome[test] = ("skipped", between(output, test))
        else:
            outcome[test] = ("failed", between(output, test))
    return outcome, began[-1] if began else tests[0]
