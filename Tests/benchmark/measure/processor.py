"""What /proc tells about processes: processor time, memory, context switches."""

import re
import time
from pathlib import Path

from harness.process import children_of, cpu_seconds


def family(pid):
    """A process, its children and theirs."""
    return [pid] + [one for child in children_of(pid) for one in family(child)]


def total_cpu(pids):
    """Processor seconds that several processes have used so far, to the nanosecond."""
    return sum(cpu_seconds(pid) for pid in pids)


def anonymous_megabytes(pid):
    """Resident anonymous memory: `Anonymous` in smaps_rollup (proc(5))."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+) kB", text, re.M)[1]) / 1024


def context_switches(pid):
    """Voluntary context switches of all threads so far: how often it woke and slept again."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M)[1])
               for task in Path(f"/proc/{pid}/task").iterdir())


def clock_ticks(pid):
    """utime + stime of /proc/PID/stat, in clock ticks (100 a second)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def settle(pids, within=300.0):
    """Waits until the processes have next to nothing to do (a check of the database after the start, say); the seconds it took."""
    started = time.monotonic()
    while time.monotonic() < started + within:
        before = total_cpu(pids)
        time.sleep(1)
        if total_cpu(pids) - before < 0.02:
            break
    return time.monotonic() - started
