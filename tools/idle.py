# SPDX-License-Identifier: BSD-2-Clause
"""Parts of a test run that take only the CPU time which the tests leave."""

import os
import pathlib
import subprocess
import threading

import leftovers

TOP = pathlib.Path(__file__).resolve().parent.parent
IDLE = ["chrt", "--idle", "0"]  # only with CPU time that nobody else wants


class Idle:
    """Sessions that run with the CPU time that is left, as long as there are other tests.

    After that they are like any other process: on a machine that never has time left they would
    get next to none.
    """

    def __init__(self, running):
        """`running`: the runner's own set of sessions, which it ends when it is interrupted."""
        self.running = running
        self.sessions, self.over, self.lock = set(), False, threading.Lock()

    def run(self, *command):
        """The exit code, what it printed, and the seconds of CPU time that it and its children had."""
        with self.lock:
            process = subprocess.Popen([*([] if self.over else IDLE), *command], cwd=TOP, text=True,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            self.sessions.add(process.pid)
            self.running.add(process.pid)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        with self.lock:
            self.sessions.discard(process.pid)
        self.running.discard(process.pid)
        return process.returncode, output, usage.ru_utime + usage.ru_stime

    def end(self):
        with self.lock:
            self.over = True
            for _ in range(3):  # a child that begins meanwhile has its parent's policy
                for thread in self.threads():
                    try:
                        os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
                    except ProcessLookupError:
                        pass

    def threads(self):
        for pid, fields in leftovers.processes():
            if int(fields[3]) in self.sessions:
                try:
                    yield from map(int, os.listdir(f"/proc/{pid}/task"))
                except FileNotFoundError:
                    pass
