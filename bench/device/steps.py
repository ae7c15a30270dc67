"""The steps of run.py: each runs a program, and returns a result and a line about it."""

import csv
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

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SKIPPED = 77

# Test programs that compute-sanitizer runs, and the arguments that choose a part short enough for it.
SANITIZED = {"invact_device_tests": ["[sanitize]"]}

DRAM_METRICS = {
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "peak",
    "dram__bytes_read.sum": "read",
    "dram__bytes_write.sum": "written",
}

LARGE = 29
ROOFLINE_LOG2N = 28


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


# Steps.


def architecture():
    """The GPU's own, from the driver: CMake's `native` needs a GPU that its own probe finds."""
    capability = one_line(find("nvidia-smi"), "--query-gpu=compute_cap", "--format=csv,noheader") or ""
    match = re.fullmatch(r"(\d+)\.(\d)", capability)
    if match is None:
        return "native"
    return match.group(1) + match.group(2) + ("a" if int(match.group(1)) >= 9 else "") + "-real"


def build(steps, folder, jobs, targets):
    environment = dict(os.environ, PATH=f"{ROOT / '.deps/bin'}{os.pathsep}{os.environ['PATH']}")
    if not (folder / "CMakeCache.txt").exists():
        output, status = steps.command("configure", ["cmake", "--preset", "gpu", "-B", folder,
                                                     f"-DINVACT_GPU_ARCHITECTURES={architecture()}"], 120, cwd=ROOT,
                                       env=environment)
        if status != 0:
            raise Failed(f"configure: {tail(output)}")
    output, status = steps.command(
        "build", ["cmake", "--build", folder, "--target", *targets, "-j", str(jobs)], 1500, cwd=ROOT,
        env=environment)
    if status != 0:
        raise Failed(tail(output))
    return None, "ok"


def ctest():
    local = ROOT / ".deps/bin/ctest"
    return local if local.exists() else "ctest"


def gpu_tests(steps, folder):
    # The model that trains is not among what the preset builds.
    output, status = steps.command("tests", [ctest(), "--test-dir", folder, "-L", "gpu", "-LE", "train_char_lm", "-j", "4",
                                             "--output-on-failure", "--no-tests=error", "--timeout", "150"], 300)
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


def peers(steps, folder, arguments):
    data = steps.logs / "peers.json"
    data.unlink(missing_ok=True)
    library = folder / "bench/libinvact_bench_c.so"
    output, status = steps.command("peers", [sys.executable, ROOT / "bench/pytorch/peers.py", "--library", library,
                                             "--json", data, *arguments], 3600, env=dict(os.environ, PYTHONUNBUFFERED="1"))
    if status == SKIPPED:
        raise Skipped(reason(output))
    if not data.exists():
        raise Failed(tail(output))
    result = json.loads(data.read_text())
    if result["problems"]:
        steps.failed = True
    return result, f"PyTorch {result['torch']}, {len(result['rows'])} rows" + "".join(
        f"; FAILED: {part}: {problem}" for part, problem in result["problems"].items())


ROOFLINE_METRICS = {
    "smsp__inst_executed.sum": "instructions",
    "dram__bytes.sum": "bytes",
    "smsp__inst_executed.avg.pct_of_peak_sustained_elapsed": "issue",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "dram",
    "smsp__inst_executed.sum.peak_sustained": "peak per cycle",
    "smsp__cycles_elapsed.avg.per_second": "clock",
    "dram__bytes.sum.peak_sustained": "peak bytes per cycle",
    "dram__cycles_elapsed.avg.per_second": "dram clock",
    "gpu__time_duration.sum": "ns",
}


def rows_of_ncu(output, metrics):
    """Of each kernel, in the order of their launches, its name and its metrics."""
    lines = output.splitlines()
    header = next((number for number, line in enumerate(lines) if line.startswith('"ID"')), None)
    if header is None:
        raise Failed(tail(output))
    kernels = {}
    for row in csv.DictReader(line for line in lines[header:] if line.startswith('"')):
        kernel = kernels.setdefault(int(row["ID"]), {"kernel": row["Kernel Name"]})
        if row["Metric Name"] in metrics:
            kernel[metrics[row["Metric Name"]]] = float(row["Metric Value"].replace(",", ""))
    return list(kernels.values())


def ncu_program():
    ncu = find("ncu")
    if ncu is None or one_line(ncu, "--version") is None:
        raise Skipped("no ncu")
    return [ncu, "--csv", "--print-units", "base", "--clock-control", "none"]


def roofline(steps, folder):
    """Instructions and bytes of every contestant's kernels, by ncu."""
    order = steps.logs / "profiled.json"
    order.unlink(missing_ok=True)
    output, status = steps.command(
        "roofline", [*ncu_program(), "--profile-from-start", "off", "--metrics", ",".join(ROOFLINE_METRICS), sys.executable,
                     ROOT / "bench/pytorch/peers.py", "--profile", "--json", order, "--library",
                     folder / "bench/libinvact_bench_c.so"], 240)
    if "ERR_NVGPUCTRPERM" in output:
        raise Skipped("no permission to read the GPU's counters")
    if "skipped: " in output:
        raise Skipped(output[output.index("skipped: ") + 9:].splitlines()[0])
    if status != 0 or not order.exists():
        raise Failed(tail(output))
    contestants = json.loads(order.read_text())["profiled"]
    kernels = rows_of_ncu(output, ROOFLINE_METRICS)
    if len(kernels) != len(contestants):
        raise Failed(f"{len(kernels)} kernels of {len(contestants)} contestants")
    elements = 1 << ROOFLINE_LOG2N
    rows = []
    for (activation, direction, name), kernel in zip(contestants, kernels):
        rows.append({"activation": activation, "direction": direction, "name": name, "kernel": kernel["kernel"],
                     "instructions": 32 * kernel["instructions"] / elements, "bytes": kernel["bytes"] / elements,
                     "issue": kernel["issue"] / 100, "dram": kernel["dram"] / 100,
                     "bytes_per_second": 1e9 * kernel["bytes"] / kernel["ns"],
                     "peak_instructions": kernel["peak per cycle"] * kernel["clock"],
                     "peak_bytes": kernel["peak bytes per cycle"] * kernel["dram clock"]})
    return rows, f"{len(rows)} kernels"


def dram(steps, program):
    """Of each kernel the median of every metric."""
    output, status = steps.command(
        "ncu", [*ncu_program(), "--kernel-name", "regex:(forward|backward)_run_kernel", "--metrics",
                ",".join(DRAM_METRICS), program, "--profile=1", f"--benchmark_filter=bfloat16/.*/log2n:{LARGE}"], 120)
    if "ERR_NVGPUCTRPERM" in output:
        raise Skipped("no permission to read the GPU's counters")
    if status != 0:
        raise Failed(tail(output))
    samples = {}
    for kernel in rows_of_ncu(output, DRAM_METRICS):
        text = kernel.pop("kernel")
        key = ("gelu" if "gelu" in text else "silu", "bitmask" if "bitmask" in text else "mantissa_bit",
               "forward" if "forward_run_kernel" in text else "backward")
        for metric, value in kernel.items():
            samples.setdefault(key, {}).setdefault(metric, []).append(value)
    medians = {key: {metric: statistics.median(values) for metric, values in metrics.items()}
               for key, metrics in samples.items()}
    return medians, f"{len(medians)} kernels"
