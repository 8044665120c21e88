"""A started process with its log in a file, and what /proc tells about any process."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from .waiting import eventually


#: The numbers of epoll_wait and epoll_pwait on x86-64, of epoll_pwait on arm64.
EPOLL = {"232", "281", "22"}
FUTEX = {"202", "98"}


def children_of(pid):
    """Process ids of the direct children, in ascending order; zombies are left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry.name))
    return sorted(found)


def is_alive(pid):
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cpu_seconds(pid):
    """Processor time of all threads of a process, to the nanosecond (the first field of schedstat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def waiting_system_calls(pid, named=None):
    """The system call number in which each thread of a process, or each of that name, sleeps (proc(5), syscall)."""
    return [(task / "syscall").read_text().split()[0] for task in Path(f"/proc/{pid}/task").iterdir()
            if named in (None, (task / "comm").read_text().strip())]


def event_threads(pid):
    """How many event threads of a worker wait on epoll, how many for their turn to do so, and how many do anything else."""
    calls = waiting_system_calls(pid, named="fastcgi")
    leading, following = (sum(call in kind for call in calls) for kind in (EPOLL, FUTEX))
    return leading, following, len(calls) - leading - following


def descriptor_targets(pid):
    """What each open descriptor of a process points to: `socket:[4711]`, `/path`, ..."""
    targets = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            targets.append(os.readlink(link))
        except OSError:
            pass
    return targets


def has_lock(pid, path):
    """Whether a process holds a lock on an opening of the file (proc(5), fdinfo)."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(link) == str(path) and "lock:" in Path(f"/proc/{pid}/fdinfo/{link.name}").read_text():
                return True
    return False


def tcp_connections(pid):
    """(local port, remote port) of every established TCP connection over IPv4 that a process holds."""
    inodes = {target[8:-1] for target in descriptor_targets(pid) if target.startswith("socket:[")}
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[9] in inodes and fields[3] == "01":  # 01: established
            found.append((int(fields[1].split(":")[1], 16), int(fields[2].split(":")[1], 16)))
    return found


def send_signal(pid, number):
    """Signals a process; one that is gone already is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def halt(pid):
    """SIGSTOP; waits until every thread has stopped, each of which goes on until it enters the kernel."""
    send_signal(pid, signal.SIGSTOP)

    def has_stopped():
        return all((task / "stat").read_text().rpartition(")")[2].split()[0] in "Tt" for task in Path(f"/proc/{pid}/task").iterdir())
    eventually(has_stopped, 5, every=0.0002, what="it has stopped")


class LoggedProcess:
    """A child process whose output goes to a file. `stop` is safe to call twice and after a crash."""

    def __init__(self, command, log, environment=None, stdin=subprocess.DEVNULL, cwd=None):
        self.command = [str(part) for part in command]
        self.log = Path(log)
        self._output = open(self.log, "ab")
        self.process = subprocess.Popen(
            self.command, env=environment, stdin=stdin, stdout=self._output, stderr=self._output, cwd=cwd)
        self.pid = self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        if self.running:
            self.process.send_signal(number)

    def kill(self):
        """SIGKILL, and wait until it is reaped."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        return self._ended(10)

    def stop(self, within=10.0):
        """SIGTERM, SIGKILL when that does not end it `within` seconds. Returns the exit status."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        return self._ended(within)

    def wait(self, within):
        """The exit status, once it ended by itself; TimeoutExpired when it does not."""
        return self.process.wait(within)

    def _ended(self, within):
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            return None
        finally:
            self._output.close()

    def text(self):
        """Everything it has written so far."""
        return self.log.read_text(errors="replace")

    def tail(self, lines=40):
        return "\n".join(self.text().splitlines()[-lines:])


def end_all(pids, within=10.0):
    """SIGKILL for processes that are not our children, until none is alive."""
    for pid in pids:
        send_signal(pid, signal.SIGKILL)
    eventually(lambda: not any(is_alive(pid) for pid in pids), within, what="the processes are gone")


def measure_cpu(pids, seconds):
    """Processor seconds that each process uses during `seconds`. The one place that sleeps: it measures a span."""
    before = {pid: cpu_seconds(pid) for pid in pids}
    time.sleep(seconds)
    return {pid: cpu_seconds(pid) - before[pid] for pid in pids}
