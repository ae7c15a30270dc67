#!/usr/bin/env python3
"""Everything that needs a GPU, in one run of a few minutes: tests, sanitizers, benchmarks.

    bench/device/run.py [--build DIR] [--no-build] [--jobs N] [--stamp TEXT] [--results DIR] [--quick | --gated]

Configures (preset gpu) and builds into DIR, build/gpu if not given; then the tests labelled gpu, compute-sanitizer on
a part of them, the benchmarks, PyTorch beside them where it is installed, and ncu where it is. Writes
RESULTS/DATE-GPU.md, RESULTS being bench/results if not given, with the tables and whether each target is met, what
the programs with CUTLASS printed into DATE-GPU-gemm.md, and gated units into DATE-GPU-gated.md; what all printed stays
in DIR/run.

The results carry `git rev-parse HEAD:include`; where git cannot say that, --stamp is required. --quick, for
trying it out: bfloat16 only, 10 rounds (PyTorch's 30, at 2^29 alone), memcheck alone of the sanitizers, no launch
policies, no GEMMs, no gated units, no torch.compile and no ncu. --gated: gated units alone, with their tests.

A step that fails is reported and the next one runs. Exit status: 0, 1 when a step failed or there is no stamp, 77
without a GPU. A target that is not met is no failure: the table says so.
"""

import argparse
import csv
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

import gated_report

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SKIPPED = 77

# Test programs that compute-sanitizer runs, and the arguments that choose a part short enough for it.
SANITIZED = {"invact_device_tests": ["[sanitize]"]}
SANITIZER_TOOLS = ("memcheck", "racecheck", "initcheck")

DRAM_METRICS = {
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "peak",
    "dram__bytes_read.sum": "read",
    "dram__bytes_write.sum": "written",
}

LARGE = 29
CATALOGUE = 29
ACTIVATIONS = {"gelu": "GELU", "silu": "SiLU"}
STORAGES = ("bfloat16", "half", "float")
PACKINGS = {"bitmask": "bitmask", "mantissa_bit": "mantissa bit"}

# Ratios, at least.
FORWARD_OF_MEMCPY = 0.97
BACKWARD_OF_MEMCPY = 1.00
SMALL_OF_STANDARD = 1.00
OF_PYTORCH = {("gelu", "mantissa_bit"): 1.25, ("gelu", "bitmask"): 1.22,
              ("silu", "mantissa_bit"): 1.08, ("silu", "bitmask"): 1.06}
DRAM_PEAK = 90


class Skipped(Exception):
    """Why a step cannot run here."""


class Failed(Exception):
    """What went wrong in a step."""


class Steps:
    """Runs one step after another, whatever becomes of it, and says so."""

    def __init__(self, logs):
        self.start = time.monotonic()
        self.logs = logs
        self.done = []  # (name, seconds, outcome)
        self.failed = False

    def say(self, text):
        print(f"[{time.monotonic() - self.start:4.0f} s] {text}", flush=True)

    def run(self, name, step):
        """What the step returns, or None. It returns its result and, for the reader, a line about it."""
        begin = time.monotonic()
        self.say(f"{name} ...")
        result = None
        try:
            result, outcome = step()
        except Skipped as reason:
            outcome = f"skipped: {reason}"
        except Exception as error:  # whatever it is, the other steps are worth having
            self.failed = True
            outcome = f"FAILED: {error}" if isinstance(error, Failed) else f"FAILED: {type(error).__name__}: {error}"
        seconds = time.monotonic() - begin
        self.done.append((name, seconds, outcome))
        self.say(f"{name}: {outcome} ({seconds:.0f} s)")
        return result

    def command(self, log, command, limit, **options):
        """Output and exit status of a command, whose output also stays in a file. Says every 20 seconds how
        far it is."""
        path = self.logs / f"{log}.log"
        with open(path, "w") as out:
            process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=subprocess.STDOUT,
                                       start_new_session=True, **options)
            end = time.monotonic() + limit
            while process.poll() is None:
                try:
                    process.wait(timeout=min(20, max(0.1, end - time.monotonic())))
                except subprocess.TimeoutExpired:
                    if time.monotonic() >= end:
                        os.killpg(process.pid, signal.SIGKILL)  # its own session: nobody else's processes
                        process.wait()
                        raise Failed(f"not done after {limit} s ({path.name})") from None
                    self.say(f"  {log}: {last_line(path)}")
        return path.read_text(errors="replace"), process.returncode


def last_line(path):
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1][:100] if lines else "..."


def tail(output, count=3):
    return " / ".join(line.strip() for line in output.strip().splitlines()[-count:])[:300]


def reason(output):
    """Why a program that exits with SKIPPED says it did."""
    return output.strip().removeprefix("skipped: ")


def find(program):
    return shutil.which(program) or shutil.which(program, path="/usr/local/cuda/bin")


def one_line(*command):
    """The command's first line, or None."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = run.stdout.strip().splitlines()
    return lines[0].strip() if run.returncode == 0 and lines else None


def stamp_of(given):
    if given:
        return given
    tree = one_line("git", "rev-parse", "HEAD:include")
    if tree is None:
        sys.exit("run.py: git cannot tell the tree of include/ here: pass --stamp \"$(git rev-parse HEAD:include)\"")
    changed = one_line("git", "status", "--porcelain", "--", ".", ":!bench/results")
    return tree + (", dirty" if changed else "")


# Steps. Each returns a result and a line about it.


def architecture():
    """The GPU's own, from the driver: CMake's `native` needs a GPU that its own probe finds."""
    capability = one_line(find("nvidia-smi"), "--query-gpu=compute_cap", "--format=csv,noheader") or ""
    match = re.fullmatch(r"(\d+)\.(\d)", capability)
    if match is None:
        return "native"
    return match.group(1) + match.group(2) + ("a" if int(match.group(1)) >= 9 else "") + "-real"


def build(steps, folder, jobs, target):
    environment = dict(os.environ, PATH=f"{ROOT / '.deps/bin'}{os.pathsep}{os.environ['PATH']}")
    if not (folder / "CMakeCache.txt").exists():
        output, status = steps.command("configure", ["cmake", "--preset", "gpu", "-B", folder,
                                                     f"-DINVACT_GPU_ARCHITECTURES={architecture()}"], 120, cwd=ROOT,
                                       env=environment)
        if status != 0:
            raise Failed(f"configure: {tail(output)}")
    output, status = steps.command(
        "build", ["cmake", "--build", folder, "--target", target, "-j", str(jobs)], 1500, cwd=ROOT,
        env=environment)
    if status != 0:
        raise Failed(tail(output))
    return None, "ok"


def ctest():
    local = ROOT / ".deps/bin/ctest"
    return local if local.exists() else "ctest"


def gpu_tests(steps, folder, chosen):
    # The model that trains is not among what the preset builds.
    output, status = steps.command("tests", [ctest(), "--test-dir", folder, "-L", "gpu", "-LE", "train_char_lm", "-j", "4",
                                             "--output-on-failure", "--no-tests=error", "--timeout", "150", *chosen], 300)
    if status != 0:
        failures = re.findall(r"\d+ - (\S+) \((Failed|Timeout|Not Run|SEGFAULT|.*Exception.*)\)", output)
        raise Failed(", ".join(f"{name} ({why})" for name, why in failures) or tail(output))
    summary = re.search(r"\d+% tests passed.*", output)
    skipped = re.findall(r"\d+ - (\S+) \(Skipped\)", output)
    note = summary.group(0) if summary else "ok"
    return None, note + (f"; skipped: {', '.join(skipped)}" if skipped else "")


def programs_of_tests(folder):
    listed = subprocess.run([ctest(), "--test-dir", folder, "-L", "gpu", "-LE", "train_char_lm",
                             "--show-only=json-v1"], capture_output=True,
                            text=True)
    commands = [test.get("command") for test in json.loads(listed.stdout)["tests"]] if listed.returncode == 0 else []
    return {pathlib.Path(command[0]).name: command[0] for command in commands if command}


def sanitize(steps, folder, tool):
    sanitizer = find("compute-sanitizer")
    if sanitizer is None or one_line(sanitizer, "--version") is None:
        raise Skipped("no compute-sanitizer")
    built = programs_of_tests(folder)
    chosen = [name for name in SANITIZED if name in built]
    if not chosen:
        raise Skipped(f"none of {', '.join(SANITIZED)} is built")
    for name in chosen:
        output, status = steps.command(f"{tool}-{name}",
                                       [sanitizer, "--tool", tool, "--error-exitcode", "3", built[name],
                                        *SANITIZED[name]], 150)
        if "No test" in output:  # Catch2 succeeds where its filter chooses none
            raise Failed(f"{name}: {' '.join(SANITIZED[name])} chooses no tests")
        if status != 0:
            raise Failed(f"{name}: exit status {status}: {tail(output)}")
    return None, "no errors"


def benchmark(steps, program, *arguments):
    """The rows of a Google Benchmark program by name, without what follows it (/iterations:N/manual_time)."""
    data = steps.logs / f"{program.name}.json"
    data.unlink(missing_ok=True)
    output, status = steps.command(program.name, [program, f"--benchmark_out={data}", "--benchmark_out_format=json",
                                                  *arguments], 240)
    if status == SKIPPED:
        raise Skipped(reason(output))
    if not data.exists():
        raise Failed(tail(output))
    every = json.loads(data.read_text())["benchmarks"]
    rows = {re.sub(r"/iterations:.*", "", row["name"]): row for row in every if not row.get("error_occurred")}
    if status != 0:
        steps.failed = True
        return rows, f"FAILED: {len(every) - len(rows)} of {len(every)} rows ({program.name}.log)"
    return rows, f"{len(rows)} rows"


def printed(steps, program, limit):
    """What a program prints: Markdown."""
    if not program.exists():
        raise Skipped(f"{program.name} is not built")
    output, status = steps.command(program.name, [program], limit)
    if status == SKIPPED:
        raise Skipped(reason(output))
    if status != 0:
        raise Failed(tail(output))
    return output.strip(), "ok"


def pytorch(steps, folder, script, arguments):
    data = steps.logs / f"{script}.json"
    data.unlink(missing_ok=True)
    library = folder / "bench/libinvact_bench_c.so"
    output, status = steps.command(script, [sys.executable, ROOT / f"bench/device/{script}.py", "--library", library,
                                            "--json", data, *arguments], 240)
    if status == SKIPPED:
        raise Skipped(reason(output))
    if status != 0:
        raise Failed(tail(output))
    result = json.loads(data.read_text())
    return result, f"PyTorch {result['torch']}, {len(result['rows'])} rows" + "".join(
        f"; {problem}" for problem in result["problems"])


def dram(steps, program):
    """Of each kernel the median of every metric."""
    ncu = find("ncu")
    if ncu is None or one_line(ncu, "--version") is None:
        raise Skipped("no ncu")
    output, status = steps.command(
        "ncu", [ncu, "--csv", "--print-units", "base", "--clock-control", "none", "--kernel-name",
                "regex:(forward|backward)_run_kernel", "--metrics", ",".join(DRAM_METRICS), program, "--profile=1",
                f"--benchmark_filter=bfloat16/.*/log2n:{LARGE}"], 120)
    if "ERR_NVGPUCTRPERM" in output:
        raise Skipped("no permission to read the GPU's counters")
    lines = output.splitlines()
    header = next((number for number, line in enumerate(lines) if line.startswith('"ID"')), None)
    if status != 0 or header is None:
        raise Failed(tail(output))
    samples = {}
    for row in csv.DictReader(line for line in lines[header:] if line.startswith('"')):
        kernel, metric = row["Kernel Name"], DRAM_METRICS.get(row["Metric Name"])
        if metric is None:
            continue
        key = (next(name for name in ACTIVATIONS if name in kernel), next(name for name in PACKINGS if name in kernel),
               "forward" if "forward_run_kernel" in kernel else "backward")
        samples.setdefault(key, {}).setdefault(metric, []).append(float(row["Metric Value"].replace(",", "")))
    medians = {key: {metric: statistics.median(values) for metric, values in metrics.items()}
               for key, metrics in samples.items()}
    return medians, f"{len(medians)} kernels"


# The report.


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def number(value, digits):
    return "–" if value is None else f"{value:.{digits}f}"


def ratio(value):
    return number(value, 3)


def verdict(values, target):
    """Of ratios, of which None was not measured."""
    if any(value is None for value in values):
        return "not measured"
    return "met" if all(value >= target for value in values) else "**NOT met**"


class Results:
    """The measured figures, by name; None where there is none."""

    def __init__(self, rows, torch, dram_figures):
        self.rows = rows or {}
        self.torch = {(row["activation"], row["storage"], row["direction"], row["log2n"]): row
                      for row in (torch or {"rows": []})["rows"]}
        self.dram = dram_figures or {}

    def figure(self, activation, storage, packing, direction, log2n, counter):
        row = self.rows.get(f"{activation}/{storage}/{packing}/{direction}/log2n:{log2n}")
        return None if row is None else row[counter]

    def of_eager(self, activation, storage, direction, log2n, contestant):
        us = self.torch.get((activation, storage, direction, log2n), {"us": {}})["us"]
        return us["eager"] / us[contestant] if "eager" in us and contestant in us else None


def targets(results, catalogue, storages):
    lines = [f"n = 2^{LARGE}, bytes per second beside a memcpy in turn with it:", ""]
    rows = []
    for direction, target in (("forward", FORWARD_OF_MEMCPY), ("backward", BACKWARD_OF_MEMCPY)):
        for storage in storages:
            for activation, name in ACTIVATIONS.items():
                values = [results.figure(activation, storage, packing, direction, LARGE, "vs_memcpy")
                          for packing in PACKINGS]
                rows.append([f"{direction}, {name}, {storage}", f"{target:.2f}", *map(ratio, values),
                             verdict(values, target)])
    lines += table(["", "at least", *PACKINGS.values(), ""], rows)

    lines += [f"The whole catalogue, n = 2^{CATALOGUE}, the lowest of all activations and packings beside a memcpy:", ""]
    rows = []
    for direction, target in (("forward", FORWARD_OF_MEMCPY), ("backward", BACKWARD_OF_MEMCPY)):
        for storage in catalogue_storages(storages):
            measured = {f"{activation}, {PACKINGS.get(packing, 'no bit')}": values[storage, direction]
                        for (activation, packing), values in catalogue_rows(catalogue or {}).items()
                        if (storage, direction) in values}
            lowest = min(measured, key=measured.get, default=None)
            rows.append([f"{direction}, {storage}", f"{target:.2f}", ratio(measured.get(lowest)), lowest or "–",
                         verdict([measured.get(lowest)], target)])
    lines += table(["", "at least", "lowest", "which", ""], rows)

    lines += [f"Forward and backward, bfloat16, n = 2^{LARGE}: PyTorch eager's time over ours:", ""]
    rows = []
    for activation, name in ACTIVATIONS.items():
        for packing, packing_name in PACKINGS.items():
            target = OF_PYTORCH[activation, packing]
            value = results.of_eager(activation, "bfloat16", "both", LARGE, packing)
            rows.append([f"{name}, {packing_name}", f"{target:.2f}", ratio(value), verdict([value], target)])
    lines += table(["", "at least", "measured", ""], rows)

    lines += ["The standard kernel's time over ours, the lowest of both activations and packings:", ""]
    rows = []
    for log2n in (20, 24):
        for direction in ("forward", "backward"):
            for storage in storages:
                measured = {f"{name}, {packing_name}":
                            results.figure(activation, storage, packing, direction, log2n, "vs_standard")
                            for activation, name in ACTIVATIONS.items() for packing, packing_name in PACKINGS.items()}
                values = list(measured.values())
                lowest = None if None in values else min(measured, key=measured.get)
                rows.append([f"2^{log2n}, {direction}, {storage}", f"{SMALL_OF_STANDARD:.2f}",
                             ratio(measured.get(lowest)), lowest or "–", verdict(values, SMALL_OF_STANDARD)])
    lines += table(["", "at least", "lowest", "which", ""], rows)

    lines += [f"DRAM throughput (ncu), bfloat16, n = 2^{LARGE}, the lowest of both activations and packings:", ""]
    rows = []
    for direction in ("forward", "backward"):
        values = [figures["peak"] for (_, _, kernel), figures in results.dram.items() if kernel == direction]
        value = min(values) if values else None
        state = "not measured" if value is None else "met" if value >= DRAM_PEAK else "**NOT met**"
        rows.append([direction, f"{DRAM_PEAK} %", "–" if value is None else f"{value:.1f} %", state])
    return lines + table(["", "at least", "of peak", ""], rows)


def elementwise_table(results, storages, log2n):
    rows = []
    for storage in storages:
        for activation, name in ACTIVATIONS.items():
            for packing, packing_name in PACKINGS.items():
                def figure(direction, counter):
                    return results.figure(activation, storage, packing, direction, log2n, counter)

                cells = [f"{name} {storage} {packing_name}"]
                for direction in ("forward", "backward", "both"):
                    cells.append(number(figure(direction, "us"), 1 if log2n == LARGE else 2))
                    if direction != "both":
                        cells.append(number(figure(direction, "GB/s"), 0))
                    cells += [ratio(figure(direction, "vs_memcpy")), ratio(figure(direction, "vs_standard"))]
                rows.append(cells)
    return table(["", "forward µs", "GB/s", "memcpy", "standard", "backward µs", "GB/s", "memcpy", "standard",
                  "both µs", "memcpy", "standard"], rows)


def shapes_table(rows):
    cells = []
    for name, row in rows.items():
        case, packing, direction, size = name.split("/")
        cells.append([f"{case.replace('_', ' ')}, {direction}, {size}, {PACKINGS[packing]}", f"{row['us']:.1f}",
                      f"{row['GB/s']:.0f}", ratio(row["vs_memcpy"]), ratio(row["vs_plain"])])
    return table(["", "µs", "GB/s", "memcpy", "plain"], cells)


def scaling_tables(scaling):
    """Rows of scaling_bench by case, with a column for each (packing, direction)."""
    columns = [(packing, direction) for packing in PACKINGS for direction in ("forward", "backward")]
    head = [f"{PACKINGS[packing]} {direction}" for packing, direction in columns]
    kinds = {}
    for name, row in scaling.items():
        kind, packing, direction, *case = name.split("/")
        kinds.setdefault(kind, {}).setdefault(" ".join(case), {})[packing, direction] = row

    def cells(kind, form):
        return [[case, *(form(figures[column]) if column in figures else "–" for column in columns)]
                for case, figures in kinds.get(kind, {}).items()]

    lines = ["One run, µs (what of it is over the memcpy's; an empty kernel's):", ""]
    lines += table(["", *head], cells("n", lambda row: f"{row['us']:.2f} ({row['over_memcpy_us']:+.2f}; "
                                                       f"{row['empty_us']:.2f})"))
    lines += ["The memcpy's and the plain run's time over ours, rows and runs that are not aligned:", ""]
    return lines + table(["", *head], [row for kind in ("rows", "misaligned") for row in cells(
        kind, lambda row: f"{ratio(row['vs_memcpy'])}, {ratio(row['vs_plain'])}")])


def catalogue_storages(storages):
    """The storage types of catalogue_bench, which has e4m3 where it has all others."""
    return [*storages, "e4m3"] if len(storages) > 1 else storages


def catalogue_rows(catalogue):
    """memcpy's time over the kernel's by (activation, packing), then by (storage, direction)."""
    rows = {}
    for name, row in catalogue.items():
        activation, storage, packing, direction, _ = name.split("/")
        rows.setdefault((activation, packing), {})[storage, direction] = row["vs_memcpy"]
    return rows


def catalogue_table(catalogue, storages):
    columns = [(storage, direction) for storage in catalogue_storages(storages) for direction in ("forward", "backward")]
    rows = [[activation, PACKINGS.get(packing, packing), *(ratio(values.get(column)) for column in columns)]
            for (activation, packing), values in catalogue_rows(catalogue).items()]
    return table(["", "", *(f"{storage} {direction}" for storage, direction in columns)], rows)


def pytorch_table(torch, log2n):
    rows = []
    for row in torch["rows"]:
        if row["log2n"] != log2n:
            continue
        us = row["us"]
        cells = [f"{row['activation'].replace('_', ' ')} {row['storage']} {row['direction']}", f"{us['eager']:.1f}"]
        for contestant in ("bitmask", "mantissa_bit", "copy", "compile", "autograd"):
            cells.append(ratio(us["eager"] / us[contestant]) if contestant in us else "–")
        rows.append(cells)
    return table(["", "eager µs", *PACKINGS.values(), "copy", "compile", "autograd"], rows)


def outcomes(steps):
    return table(["", "s", ""], [[name, f"{seconds:.0f}", outcome.replace("|", "/").replace("\n", " ")]
                                 for name, seconds, outcome in steps.done])


def report(context, steps, results, shapes, scaling, catalogue, policies, torch, storages):
    lines = [f"# Device kernels on {context['gpu']}, {context['date']}" + (" (quick)" if context["quick"] else ""), "",
             f"{context['gpu']}, driver {context['driver']}, {context['cuda']}, {context['system']}. `include/` is",
             f"`{context['stamp']}` (`git rev-parse HEAD:include`). Written by bench/device/run.py. Medians; what a",
             "row compares took turns in one process. Ratios are the other's time over ours: above 1, ours is faster.",
             "Bytes count every tensor once, the bitmask among them; memcpy moves as many, device to device.", ""]
    lines += ["## Targets", ""]
    lines += targets(results, catalogue, storages)
    lines += ["## What ran", "", *outcomes(steps)]
    if results.rows:
        lines += ["## Elementwise", "",
                  "bench/device/elementwise_bench.cu. `standard`: GELU with erff, SiLU with fast expf, in the same",
                  "kernels with 16-byte accesses and the fastest of three launch policies; they save x.", ""]
        for log2n in (LARGE, 24, 20):
            lines += [f"### n = 2^{log2n}" + ("" if log2n == LARGE else ", 20 calls in a graph"), ""]
            lines += elementwise_table(results, storages, log2n)
    if shapes:
        lines += ["## Shapes", "",
                  "bench/device/shapes_bench.cu, GELU in bfloat16. `plain`: the forward or backward of as many",
                  "elements in one aligned run.", ""] + shapes_table(shapes)
    if scaling:
        lines += ["## Scaling", "", "bench/device/scaling_bench.cu, GELU in bfloat16.", ""] + scaling_tables(scaling)
    if catalogue:
        lines += ["## Catalogue", "",
                  f"bench/device/catalogue_bench.cu, n = 2^{CATALOGUE}: the memcpy's time over the kernel's. x, y, dy and dx",
                  "are all of the storage type, but for e4m3 bfloat16.", ""] + catalogue_table(catalogue, storages)
    if torch:
        lines += ["## PyTorch", "", f"bench/device/pytorch.py, PyTorch {torch['torch']}: eager's time over that of each.",
                  "`copy` moves the tensors' bytes, without a mask; `autograd` is what a user calls.", ""]
        for log2n in sorted({row["log2n"] for row in torch["rows"]}, reverse=True):
            lines += [f"### n = 2^{log2n}" + ("" if log2n == LARGE else ", 20 calls in a graph"), ""]
            lines += pytorch_table(torch, log2n)
    if results.dram:
        elements = 1 << LARGE
        lines += ["## DRAM", "", f"ncu, bfloat16, n = 2^{LARGE}: share of the peak throughput, bytes of an element.", ""]
        lines += table(["", "of peak", "read", "written"],
                       [[f"{ACTIVATIONS[activation]} {PACKINGS[packing]} {direction}", f"{figures['peak']:.1f} %",
                         f"{figures['read'] / elements:.3f}", f"{figures['written'] / elements:.3f}"]
                        for (activation, packing, direction), figures in sorted(results.dram.items())])
    if policies:
        lines += ["## Launch policies", "",
                  "bench/device/launch_policy_bench.cu: the memcpy's time over the kernel's; columns are threads of a",
                  "block x fragments of a thread.", "", policies, ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/gpu", help="the build folder")
    parser.add_argument("--no-build", action="store_true", help="take the programs there as they are")
    parser.add_argument("--stamp", help="what to write for `git rev-parse HEAD:include`")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--quick", action="store_true")
    part.add_argument("--gated", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    nvidia_smi = find("nvidia-smi")
    gpu = one_line(nvidia_smi, "--query-gpu=name,driver_version", "--format=csv,noheader") if nvidia_smi else None
    if gpu is None:
        print("skipped: no GPU (nvidia-smi finds none)")
        return SKIPPED
    name, driver = (part.strip() for part in gpu.split(","))
    folder = options.build.resolve()
    logs = folder / "run"
    logs.mkdir(parents=True, exist_ok=True)
    options.results.mkdir(parents=True, exist_ok=True)
    nvcc = find("nvcc")
    release = re.search(r"release [\d.]+", subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
                        if nvcc else "")
    context = {"gpu": name, "driver": driver, "cuda": f"CUDA {release.group(0)}" if release else "CUDA unknown",
               "system": f"{os.cpu_count()} cores", "date": datetime.date.today().isoformat(),
               "stamp": stamp_of(options.stamp), "quick": options.quick}
    print(f"{name}, driver {driver}, {context['cuda']}; include/ is {context['stamp']}", flush=True)

    steps = Steps(logs)
    if not options.no_build:
        target = "invact_gated_gpu_programs" if options.gated else "invact_gpu_programs"
        steps.run("build", lambda: build(steps, folder, options.jobs, target))
    chosen = ["-R", "device/(kernels|arithmetic_fast0|cutlass_sm90_gated_test|gated_report_device)"] if options.gated else []
    steps.run("tests", lambda: gpu_tests(steps, folder, chosen))
    for tool in SANITIZER_TOOLS[:1] if options.quick else SANITIZER_TOOLS:
        steps.run(tool, lambda: sanitize(steps, folder, tool))
    programs = folder / "bench"
    if not options.quick:
        gated = steps.run("gated units", lambda: benchmark(steps, programs / "device_gated_bench"))
        gated_torch = steps.run("PyTorch's gated units", lambda: pytorch(steps, folder, "pytorch_gated", []))
        gated_gemm = steps.run("gated units in GEMMs", lambda: printed(steps, programs / "gated_gemm_bench", 300))
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    head = [f"# {name}, {context['date']}", "",
            f"Driver {driver}, {context['cuda']}; `git rev-parse HEAD:include`: {context['stamp']}.", ""]

    def write(suffix, lines):
        path = options.results / f"{context['date']}-{slug}-{suffix}.md"
        path.write_text("\n".join(head + lines) + "\n", encoding="utf-8")
        return path

    path = "no results"
    if not options.quick and (gated or gated_torch or gated_gemm):
        path = write("gated", ["Written by bench/device/run.py.", "", *gated_report.report(gated, gated_torch, gated_gemm),
                               "## What ran", "", *outcomes(steps)])
    if options.gated:
        steps.say(f"{'FAILED steps: see above' if steps.failed else 'no step failed'}; {path}")
        return 1 if steps.failed else 0
    storages = STORAGES[:1] if options.quick else STORAGES
    few = ["--iterations=10"] if options.quick else []
    rows = steps.run("elementwise benchmarks", lambda: benchmark(
        steps, programs / "device_elementwise_bench", *few,
        *(["--benchmark_filter=bfloat16"] if options.quick else [])))
    shapes = steps.run("shape benchmarks", lambda: benchmark(steps, programs / "device_shapes_bench", *few))
    scaling = steps.run("scaling benchmarks", lambda: benchmark(steps, programs / "device_scaling_bench", *few))
    catalogue = steps.run("catalogue benchmarks", lambda: benchmark(
        steps, programs / "device_catalogue_bench", *few,
        f"--benchmark_filter={'bfloat16.*' if options.quick else ''}log2n:{CATALOGUE}"))
    torch = steps.run("PyTorch", lambda: pytorch(steps, folder, "pytorch", ["--quick"] if options.quick else []))
    policies = figures = None
    if not options.quick:
        policies = steps.run("launch policies",
                             lambda: printed(steps, programs / "device_launch_policy_bench", 120))
        figures = steps.run("ncu", lambda: dram(steps, programs / "device_elementwise_bench"))

    gemm = mlp = None
    if not options.quick:
        gemm = steps.run("GEMM epilogues", lambda: printed(steps, programs / "gemm_bench", 300))
        mlp = steps.run("MLP block", lambda: printed(steps, folder / "examples/cutlass_mlp/cutlass_mlp", 120))

    results = Results(rows, torch, figures)
    path = options.results / f"{context['date']}-{slug}{'-quick' if options.quick else ''}.md"
    path.write_text(report(context, steps, results, shapes, scaling, catalogue, policies, torch, storages),
                    encoding="utf-8")
    if gemm or mlp:
        parts = [f"#{line}" if line.startswith("#") else line for text in (gemm, mlp) if text for line in
                 [*text.splitlines(), ""]]
        write("gemm", parts)
    for line in targets(results, catalogue, storages):
        print(line)
    steps.say(f"{'FAILED steps: see above' if steps.failed else 'no step failed'}; {path}")
    return 1 if steps.failed else 0


if __name__ == "__main__":
    sys.exit(main())
