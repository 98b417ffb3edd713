# SPDX-License-Identifier: BSD-2-Clause
"""Run parts of a test run with the CPU time that the tests do not use."""

import os
import pathlib
import subprocess
import threading

import leftovers

TOP = pathlib.Path(__file__).resolve().parent.parent
IDLE = ["chrt", "--idle", "0"]  # runs only when nothing else does


class Idle:
    """Sessions that run only when nothing else does, until end() is called.

    After end(), they are scheduled like other processes, so that they also finish on a machine
    that is never idle.
    """

    def __init__(self, running):
        """`running` is the runner's set of sessions, which it ends when it is interrupted."""
        self.running = running
        self.sessions, self.over, self.lock = set(), False, threading.Lock()

    def run(self, *command):
        """Return the exit code, the output, and the seconds of CPU time of it and its children."""
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
            for _ in range(3):  # a child that a thread starts meanwhile may still be idle
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
