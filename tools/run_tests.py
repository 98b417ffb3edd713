#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run the built tests and count the results.

Each program of tests/unit and tests/bpf runs in one process.  Programs of tests/net and tests/apps
run in a process for every few tests of a suite, so that a crash or a hang fails one test only and
processes can run side by side.  Tests that a crash kept from running are run again.  Tests of the
Node module run one file at a time (node_tests.py), and those of the Python and Go modules in one
process for each module (binding_tests.py).  Jobs that took longest in the last run go first.

The kernel matrix (tests/vm), whose machines have a clock of their own, and clang-tidy and
clang-format (tools/lint) run beside the tests with the CPU time that these do not use.  The results
of the lab's tests (lab_table.py) are printed as one table before the last line, and kept in
build/tests/lab-table.txt.

Every planned test has one result.  A crash, a time-out, a program without a test, and an exit code
that disagrees with the results are failures.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib

import binding_tests
import lab_table
from idle import Idle
import leftovers
import node_tests
from gtest_report import before_crash, between, list_tests, read_report

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / os.environ.get("TP_BUILD", "build")
JOB_SECONDS = BUILD / "test-seconds.json"
LIVE = ("net", "apps")
PACED = "soak_test"  # takes two minutes but little CPU time, so it runs beside everything else
CHUNK = 8
# The factor for the tests' time limits (tests/net/support/sandbox.h).  A wait ends when its
# condition holds, so large limits cost nothing, and a busy machine needs them.
TIME_SCALE = max(1, int(os.environ.setdefault("TP_TIME_SCALE", "4")))


class Results:
    """One result for each test, printed when the test fails; and how long each job took."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []
        self.seconds, self.cpu = {}, {}
        self.cells = []  # the cells of the lab's table
        self.lock = threading.Lock()

    def add(self, name, status, detail=""):
        with self.lock:
            if status == "passed":
                self.passed += 1
            elif status == "skipped":
                self.skipped.append((name, detail))
            else:
                self.failed.append(name)
                print(f"FAILED   {name}\n{indent(detail)}", flush=True)

    def note(self, text):
        with self.lock:
            print(text, flush=True)


def indent(text, most=60):
    lines = text.rstrip().splitlines()
    if len(lines) > most:
        lines = [f"... {len(lines) - most} lines left out ..."] + lines[-most:]
    return "\n".join("         " + line for line in lines)


def cpu_seconds(usage):
    return usage.ru_utime + usage.ru_stime


def ended(process, cpu, name):
    """Like process.poll(); also records the CPU time of the process and its children."""
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if pid == 0:
        return False
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu[name] = cpu_seconds(usage)
    return True


class Job:
    """One process: some tests of one test program."""

    running = set()  # the ids of the sessions that are running

    def __init__(self, program, tests, test_timeout, total=None):
        self.program, self.tests = program, tests
        self.name = f"{program.name} {tests[0]}"
        self.test_timeout = test_timeout
        self.total_timeout = total or test_timeout * (1 + len(tests) // 4)

    def run(self, results):
        """Add a result for each test; return a job for those that a crash kept from running."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tp-test-results-") as folder:
            report = pathlib.Path(folder, "report.json")
            code, output, hung = self.execute(report, results.cpu)
            results.cells += lab_table.cells(output)
            try:
                outcome = read_report(report.read_text())
            except (OSError, ValueError):
                outcome = None
        seconds = results.seconds[self.name] = time.monotonic() - started
        if outcome is None:
            return self.crashed(results, code, output, hung)
        missing = [t for t in self.tests if t not in outcome]
        for test, (status, detail) in outcome.items():
            if status != "passed":  # show also what the test's processes printed
                detail = between(output, test) or detail
            results.add(f"{self.program.name} {test}", status, detail)
        for test in missing:
            results.add(f"{self.program.name} {test}", "failed", "did not run")
        failed = [t for t, (status, _) in outcome.items() if status == "failed"]
        if code != 0 and not failed and not missing:
            results.add(self.name, "failed", f"exit code {code} after its tests passed\n{output}")
        done = len(outcome) - len(failed)
        results.note(f"{'ok' if not failed and not missing else 'NOT OK':8} "
                     f"{self.name}{' ...' if len(self.tests) > 1 else ''}: "
                     f"{done} of {len(self.tests)} in {seconds:.1f} s, "
                     f"CPU {results.cpu[self.name]:.1f} s")
        return None

    def execute(self, report, cpu):
        command = [str(self.program), f"--gtest_output=json:{report}", "--gtest_color=no"]
        if len(self.tests) < len(list_tests(self.program, TOP)):
            command.append("--gtest_filter=" + ":".join(self.tests))
        output, last = [], [time.monotonic()]
        process = subprocess.Popen(command, cwd=TOP, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   errors="replace", start_new_session=True)
        self.running.add(process.pid)

        def read():
            for line in process.stdout:
                output.append(line)
                if "[ RUN      ]" in line:
                    last[0] = time.monotonic()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        started, hung = time.monotonic(), False
        while not ended(process, cpu, self.name):
            now = time.monotonic()
            if now - last[0] > self.test_timeout or now - started > self.total_timeout:
                hung = True
                leftovers.end_session(process.pid)
            time.sleep(0.05)
        leftovers.end_session(process.pid)
        self.running.discard(process.pid)
        reader.join(5)  # a child that left the session may still hold the pipe
        return process.returncode, "".join(output), hung

    def crashed(self, results, code, output, hung):
        """Without a report: fail the test that was running, and add the results of earlier ones."""
        outcome, culprit = before_crash(output, self.tests)
        for test, (status, detail) in outcome.items():
            results.add(f"{self.program.name} {test}", status, detail)
        why = "timed out" if hung else f"crashed (exit code {code})"
        results.add(f"{self.program.name} {culprit}", "failed",
                    f"{why}\n{between(output, culprit) or output}")
        rest = [t for t in self.tests if t not in outcome and t != culprit]
        return Job(self.program, rest, self.test_timeout) if rest else None


def one_of_each(tests):
    """Choose one parameter of each test: the same in each run, but not the same for all tests."""
    instances = {}
    for test in tests:
        base, slash, _ = test.rpartition("/")
        instances.setdefault(base if slash and "." in base else test, []).append(test)
    return [names[zlib.crc32(base.encode()) % len(names)] for base, names in instances.items()]


def plan(program, live, args, test_timeout):
    """The jobs of a test program."""
    tests = [t for t in list_tests(program, TOP) if args.only in f"{program.name} {t}"]
    if args.quick:
        if program.name == PACED:
            return []
        tests = one_of_each(tests)
    if not live:
        return [Job(program, tests, test_timeout, total=600 * TIME_SCALE)] if tests else []
    if program.name == PACED:
        return [Job(program, tests, test_timeout, total=600 * TIME_SCALE)] if tests else []
    suites = {}
    for test in tests:
        suites.setdefault(test.partition(".")[0], []).append(test)
    return [Job(program, names[i:i + CHUNK], test_timeout)
            for names in suites.values() for i in range(0, len(names), CHUNK)]


def beside(function, *arguments):
    """Call a function in a thread; return a function that waits for it and raises its exception."""
    raised = []

    def call():
        try:
            function(*arguments)
        except BaseException as error:  # pylint: disable=broad-except
            raised.append(error)

    def wait():
        thread.join()
        if raised:
            raise raised[0]

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return wait


def run_jobs(jobs, results, workers):
    stopping = threading.Event()

    def work(job):
        while job is not None and not stopping.is_set():
            job = job.run(results)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            list(pool.map(work, jobs))
        except BaseException:
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for session in list(Job.running):
                leftovers.end_session(session)
            raise


def run_kernel_matrix(results, idle):
    """Run tests/vm/run, which writes a line of JSON for each of its results."""
    with tempfile.TemporaryDirectory(prefix="tp-test-results-") as folder:
        report = pathlib.Path(folder, "results")
        code, output, cpu = idle.run(str(TOP / "tests/vm/run"), "--results", str(report))
        lines = report.read_text().splitlines() if report.exists() else []
    results.cpu["kernels"] = cpu
    results.note(output.rstrip())
    statuses = []
    for line in lines:
        entry = json.loads(line)
        statuses.append(entry["status"])
        results.add(entry["name"], entry["status"], entry.get("detail", ""))
    if not statuses or (code != 0 and "failed" not in statuses):
        results.add("kernel matrix", "failed", f"tests/vm/run: exit code {code}\n{output}")


def run_lint(results, idle):
    code, output, results.cpu["lint"] = idle.run(str(TOP / "tools/lint"), "--product")
    results.add("lint", "passed" if code == 0 else "failed", output)


class Times:
    """When each part of the run began and ended, in seconds from the run's start, and the CPU time
    of its processes, which is more reliable on a machine with other work."""

    def __init__(self):
        self.start, self.parts = time.monotonic(), []
        # tools/test has become this process, so the build's processes are its children
        self.built = self.children()

    @staticmethod
    def children():
        return cpu_seconds(resource.getrusage(resource.RUSAGE_CHILDREN))

    def of(self, name, function):
        """Return the function, wrapped so that it adds its part when it ends."""
        def timed(*arguments):
            began = time.monotonic()
            try:
                function(*arguments)
            finally:
                self.parts.append((name, began - self.start, time.monotonic() - self.start))
        return timed

    def report(self, cpu):
        """Print the times; `cpu` has the CPU time of the parts that run beside the tests."""
        total = self.children()
        beside = {name: cpu[name] for name in ("kernels", "lint") if name in cpu}
        tests = total - self.built - sum(beside.values())
        of_part = beside | {"unit and live": tests}
        seconds = float(os.environ.get("TP_BUILD_SECONDS", 0))  # set by tools/test
        if seconds:
            print(f"time: {'build':14} {seconds:6.0f} s, CPU {self.built:6.0f} s")
        for name, began, end in sorted(self.parts, key=lambda part: part[1:]):
            used = f"CPU {of_part[name]:6.0f} s" if name in of_part else " " * 12
            print(f"time: {name:14} {end - began:6.0f} s, {used}, from {began:.0f} to {end:.0f} s")
        print(f"time: {'all':14} {time.monotonic() - self.start + seconds:6.0f} s, CPU {total:6.0f} s")


def longest_first(jobs):
    """Sort jobs by their time in the last run; a job that has none may be long and goes first."""
    try:
        seconds = json.loads(JOB_SECONDS.read_text())
    except (OSError, ValueError):
        seconds = {}
    return sorted(jobs, key=lambda job: -seconds.get(job.name, 1000))


def remember(seconds):
    try:
        known = json.loads(JOB_SECONDS.read_text())
    except (OSError, ValueError):
        known = {}
    JOB_SECONDS.write_text(json.dumps(known | seconds, indent=0))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="run only tests whose 'program suite.test' (of the Node module: "
                             "'node FILE', of the others 'python truepeer', 'go truepeer') "
                             "contains TEXT")
    parser.add_argument("--quick", action="store_true",
                        help="for work in progress: run each test with one of its parameters, and "
                             "leave the soak, the kernel matrix and clang-tidy out")
    parser.add_argument("--no-kernels", action="store_true", help="leave the kernel matrix out")
    parser.add_argument("--no-lint", action="store_true", help="leave clang-tidy out")
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1) + 2,
                        help="how many test processes run at once; most of their time they wait")
    parser.add_argument("--test-timeout", type=float, default=120, metavar="SECONDS",
                        help="the time limit of one test, to be multiplied by $TP_TIME_SCALE")
    args = parser.parse_args()
    if args.quick:
        args.no_kernels = args.no_lint = True
    test_timeout = args.test_timeout * TIME_SCALE

    leftovers.adopt_orphans()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results, times, idle = Results(), Times(), Idle(Job.running)
    jobs, paced = [], []
    for source in sorted(TOP.glob("tests/*/*_test.cpp")):
        program = BUILD / "tests" / source.stem
        is_live = source.parent.name in LIVE
        if not program.exists():
            results.add(source.stem, "failed", "not built")
        elif not list_tests(program, TOP):
            results.add(source.stem, "failed", "runs no test")
        else:
            (paced if source.stem == PACED else jobs).extend(
                plan(program, is_live, args, test_timeout))
    jobs.extend(node_tests.jobs(args.only, Job.running))
    jobs.extend(binding_tests.jobs(args.only, Job.running))
    try:
        waits = [beside(times.of("soak", run_jobs), paced, results, 1)] if paced else []
        if not args.no_kernels and not args.only:
            waits.append(beside(times.of("kernels", run_kernel_matrix), results, idle))
        if not args.no_lint and not args.only:
            waits.append(beside(times.of("lint", run_lint), results, idle))
        times.of("unit and live", run_jobs)(longest_first(jobs), results, args.workers)
        idle.end()
        for wait in waits:
            wait()
    finally:
        for session in list(Job.running):  # after an interrupt: what runs beside the tests
            leftovers.end_session(session)
        left = leftovers.clean()
    for what in left:
        results.note(f"cleaned  {what}")
    remember(results.seconds)
    times.report(results.cpu)

    if results.cells:
        table = lab_table.text(results.cells)
        (BUILD / "tests/lab-table.txt").write_text(table)
        print(table, end="")
    for name, why in results.skipped:
        print(f"SKIPPED  {name}: {' '.join(why.split())}")
    for name in results.failed:
        print(f"FAILED   {name}")
    if results.passed == 0 and not results.failed:
        results.failed.append("no test ran")
    line = f"{results.passed} passed, {len(results.failed)} failed"
    if results.skipped:
        line += f", {len(results.skipped)} skipped"
    print(line)
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
