"""The inside of a hit: where the processor time of a request goes, by stage and by function. Needs linux-perf.

perf samples the workers while fcgi_load asks them without nginx. A sample belongs to the stage in which it was taken: in the
kernel, the system call that led there; in a library, that library; in the program, the room whose function it was. Functions are
counted twice over: where the samples lie, and, of the program's own, with everything that they called.
"""

import collections
import json
import os
import re
import shutil
import subprocess

from harness.sandbox import Sandbox

from .build import say
from .comparison import Comparison
from .load import fcgi_load_command
from .processor import total_cpu
from .table import show

#: Samples a second; a prime, so that no timer of the program's beats with it.
FREQUENCY = 4999
FUNCTIONS = 25


def run(options):
    if shutil.which("perf") is None:
        raise SystemExit("--profile needs perf (Debian: linux-perf)")
    with Sandbox("profile") as sandbox:
        comparison = Comparison(sandbox, options)
        comparison.warm()
        profiles = {contender.name: profile(sandbox, contender, options) for contender in comparison.contenders if contender.socket}
    print_stages(profiles)
    for name, one in profiles.items():
        print_functions(name, one)
    return profiles


def profile(sandbox, contender, options):
    """Microseconds of processor time a request, by stage and by function."""
    say(f"profiling: {contender.label}")
    data, pids = sandbox.path(f"{contender.name}.perf"), contender.pids()[1:]
    before = total_cpu(pids)
    command = fcgi_load_command(contender.socket, contender.paths, options.seconds + 2, options.connections, contender.keep, contender.parameters)
    load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "-g", "-o", data, "-p", ",".join(map(str, pids)),
                    "--", "sleep", str(options.seconds)], check=True, capture_output=True)
    load = json.loads(load.communicate(timeout=60)[0])
    each = (total_cpu(pids) - before) / max(1, load["answered"]) * 1e6
    script = subprocess.run(["perf", "script", "-i", data, "-F", "ip,sym,dso"], capture_output=True, text=True, errors="replace").stdout
    samples = [frames(block) for block in script.split("\n\n") if block.strip()]
    share = each / max(1, len(samples))
    program = os.path.basename(options.program or "")
    stages, functions, inclusive = collections.Counter(), collections.Counter(), collections.Counter()
    for sample in filter(None, samples):
        stages[stage_of(sample, program)] += share
        functions[f"{sample[0][0]} ({os.path.basename(sample[0][1])})"] += share
        for symbol in {symbol for symbol, file in sample if os.path.basename(file) == program}:
            inclusive[symbol] += share
    return {"label": contender.label, "microseconds": each, "samples": len(samples), "per_second": load["per_second"], "stages": dict(stages.most_common()),
            "functions": dict(functions.most_common(FUNCTIONS)), "inclusive": dict(inclusive.most_common(2 * FUNCTIONS))}


def frames(block):
    """(symbol, file) of each frame of a sample, the innermost first."""
    found = re.findall(r"^\s*[0-9a-f]+ (.*) \(([^()]*)\)$", block, re.M)
    return [(symbol.partition("+0x")[0], file) for symbol, file in found]


def stage_of(sample, program):
    symbol, file = sample[0]
    if "kernel" in file or file.startswith("["):
        call = next(filter(None, (re.match(r"(?:__x64_sys|ksys|__sys)_(\w+)", name) for name, _ in sample)), None)
        return f"kernel: {call[1]}" if call else "kernel: entry and scheduling"
    if os.path.basename(file) == program:
        rooms = (room_of(name) for name, where in sample if os.path.basename(where) == program)
        return f"program: {next(filter(None, rooms), 'other')}"
    name = os.path.basename(file).partition(".so")[0]
    if name.startswith("libc") and re.search(r"malloc|free|calloc|realloc|_int_", symbol):
        return "libc: memory"
    return name


def room_of(symbol):
    """The module in a mangled Swift name; None of the standard library's, which belong to who called them."""
    found = re.match(r"\$s(\d+)(\w+)", symbol)
    return found[2][:int(found[1])] if found else None


def print_stages(profiles):
    names = sorted({stage for one in profiles.values() for stage in one["stages"]},
                   key=lambda stage: -max(one["stages"].get(stage, 0) for one in profiles.values()))
    rows = [[stage, *(one["stages"].get(stage) for one in profiles.values())] for stage in names
            if max(one["stages"].get(stage, 0) for one in profiles.values()) >= 0.05]
    rows.append(["all", *(one["microseconds"] for one in profiles.values())])
    show("The inside of a hit: microseconds of processor time a request, without nginx", ["stage", *(one["label"] for one in profiles.values())], rows,
         f"perf, {FREQUENCY:,} samples a second of the workers under fcgi_load. Stages under 0.05 µs everywhere are left out.")


def print_functions(name, one):
    for what, functions in [("where the samples lie", one["functions"]), ("the program's, with what they call", one["inclusive"])]:
        if functions:
            names = demangled(list(functions))
            show(f"{one['label']}: {what}", ["function", "µs", "share"],
                 [[names[function], spent, f"{spent / one['microseconds']:.1%}"] for function, spent in functions.items()])


def demangled(names):
    """The same names, those of Swift readable."""
    if shutil.which("swift-demangle") is None:
        return dict(zip(names, names))
    said = subprocess.run(["swift-demangle", "--simplified"], input="\n".join(names), capture_output=True, text=True).stdout.splitlines()
    return dict(zip(names, said)) if len(said) == len(names) else dict(zip(names, names))
