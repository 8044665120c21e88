"""What a run has seen, as a table."""

import sys
import time


class Row:
    def __init__(self):
        self.alone = self.paired = self.missed = 0
        self.worst, self.recovery = 0.0, 0.0


class Report:
    def __init__(self, home):
        self.home, self.judge, self.rows = home, home.judge, {}
        self.begin = time.monotonic()
        self.seconds, self.calls, self.accounts = 0.0, 0, 0
        #: What part of a whole run it was, and the faults that could not be had here.
        self.part, self.faults, self.left_out = "", [], []

    def note(self, faults, began, over, well):
        worst = self.judge.worst(began, well) or 0.0
        for fault in faults:
            row = self.rows.setdefault(fault.name, Row())
            if len(faults) == 1:
                # What a fault does is seen where it is alone.
                row.alone, row.worst, row.recovery = row.alone + 1, max(row.worst, worst), max(row.recovery, well - over)
            else:
                row.paired += 1
        print(f"{began - self.begin:7.1f} s  {' + '.join(fault.name for fault in faults)}: worst hit {worst:.3f} s, well after {well - over:.1f} s, "
              f"{len(self.judge.findings)} findings", file=sys.stderr, flush=True)

    def miss(self, name):
        """A fault was on and met nothing, as where no call was made meanwhile."""
        self.rows.setdefault(name, Row()).missed += 1

    def struck(self, name):
        row = self.rows.get(name)
        return row.alone + row.paired - row.missed if row else 0

    def lacking(self, times):
        """Those of the faults that could be had which met nothing so often."""
        return [fault.name for fault in self.faults if self.struck(fault.name) < times]

    def close(self, accounts, calls):
        self.seconds, self.calls, self.accounts = time.monotonic() - self.begin, len(calls.calls), len(accounts.all())

    def text(self):
        counts, done = self.judge.counts, self.judge.done
        longest, times = self.home.pulse.worst()
        lines = [f"Seed {self.home.seed}, {self.seconds:.0f} s, {sum(map(self.struck, self.rows))} faults, "
                 f"{sum(counts.values()) - counts.get('call', 0)} requests, {self.calls} calls, {len(self.judge.findings)} findings. "
                 f"The machine stood still {times} times, {longest:.1f} s at most.", "",
                 *([f"The {self.part}.", ""] if self.part else []),
                 *([f"**Left out**, since there is no right to mount a disk here: {', '.join(self.left_out)}.", ""] if self.left_out else []),
                 ", ".join(f"{count} × {kind} ({done[kind]} done)" for kind, count in sorted(counts.items()) if kind != "call") + ".", "",
                 "| fault | alone | in a pair | met nothing | longest hit, s | well again after, s |", "| --- | --- | --- | --- | --- | --- |"]
        for name, row in self.rows.items():
            seen = (f"{row.worst:.2f}", f"{row.recovery:.1f}") if row.alone else ("", "")
            lines.append(f"| {name} | {row.alone} | {row.paired} | {row.missed} | {seen[0]} | {seen[1]} |")
        return "\n".join(lines) + "\n"
