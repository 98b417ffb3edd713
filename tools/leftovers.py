# SPDX-License-Identifier: BSD-2-Clause
"""Find and remove what tests that crashed or hung leave behind.

Tests make cgroups, network namespaces, and folders in bpffs and in /tmp, and name them
tp-test-PID..., with their own process id.  Such a thing is a leftover if the process is gone, or
if this runner has started it.  Those of another runner are not touched.
"""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36
NAME = re.compile(r"tp-test-(\d+)")


def adopt_orphans():
    """Make processes whose parent dies this process's children, so that none is lost."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stat_fields(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2:].split()  # state, ppid, pgrp, session, ...


def processes():
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            fields = stat_fields(entry.name)
            if fields:
                yield int(entry.name), fields


def run_session(command, running, timeout, **options):
    """Run a command in a session of its own, whose leader is in `running` meanwhile.  Kill what is
    left of the session afterwards, and return the exit code and the output."""
    process = subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               errors="replace", start_new_session=True, **options)
    running.add(process.pid)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end_session(process.pid)
        output, _ = process.communicate()
        output += f"\ntimed out after {timeout} s"
    end_session(process.pid)
    running.discard(process.pid)
    return process.returncode, output


def end_session(session):
    """Kill all processes of a session that subprocess started."""
    for _ in range(50):
        alive = [pid for pid, f in processes() if int(f[3]) == session and f[0] != "Z"]
        if not alive:
            return
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)


def orphans():
    """Adopted processes: children that this runner did not start itself."""
    own = os.getpid()
    return [pid for pid, f in processes() if int(f[1]) == own and f[0] != "Z"]


def cgroup_root():
    for line in pathlib.Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            return pathlib.Path(before.split()[4])
    return None


def abandoned(name):
    """Whether the process in the name is gone, or is a child of this runner, whose tests have ended."""
    match = NAME.match(name)
    if not match:
        return False
    fields = stat_fields(match[1])
    return fields is None or fields[0] == "Z" or int(fields[1]) == os.getpid()


def remove_cgroup(path):
    try:
        (path / "cgroup.kill").write_text("1")
    except OSError:
        pass
    for _ in range(100):
        try:
            for child in sorted(path.glob("**/"), key=lambda p: -len(p.parts)):
                child.rmdir()
            return
        except OSError:
            time.sleep(0.02)


def remove_pins(path):
    for root, folders, files in os.walk(path, topdown=False):
        for name in files:
            os.unlink(os.path.join(root, name))
        for name in folders:
            os.rmdir(os.path.join(root, name))
    os.rmdir(path)


def clean():
    """Remove what tests have left, and return the names of what was found."""
    found = []
    for pid in orphans():
        try:
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
            os.kill(pid, signal.SIGKILL)
            found.append(f"process {pid}: {command}")
        except (OSError, ProcessLookupError):
            continue
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    root = cgroup_root()
    for path in sorted(root.glob("**/tp-test-*")) if root else []:
        if abandoned(path.name) and path.is_dir():
            remove_cgroup(path)
            found.append(f"cgroup {path}")
    for folder in ("/run/netns", "/var/run/netns"):
        for path in sorted(pathlib.Path(folder).glob("tp-test-*")):
            if abandoned(path.name):
                subprocess.run(["ip", "netns", "delete", path.name], check=False)
                found.append(f"network namespace {path.name}")
    for path in sorted(pathlib.Path("/tmp").glob("tp-test-*")):
        if abandoned(path.name):
            shutil.rmtree(path, ignore_errors=True)
    for path in sorted(pathlib.Path("/sys/fs/bpf").glob("tp-test-*")):
        if abandoned(path.name):
            remove_pins(path)
            found.append(f"pins {path}")
    return found
