#!/usr/bin/env python3
"""What including invact and using it adds to the compile time of a translation unit.

    bench/compile_time.py [--headers] [--runs N] [--json FILE] [--gxx g++] [--nvcc nvcc] [--arch sm_90a]
                          [--limit SECONDS]

Compiles a baseline that includes the CUDA half and bfloat16 headers and does the same work on memory with its own
arithmetic, and the same with <invact/invact.hpp> and one op in it, by g++ and nvcc. With --headers also: every public
header alone, by g++, and by nvcc what needs it (.cuh, and the adapters where CUTLASS is); a call of the host executor;
and the device-wide forward and backward of one op. Their baseline includes the CUDA headers alone, an adapter's also
what it includes of CUTLASS.

Prints medians, wall and CPU time (user and system, of the compiler and all that it starts): of the baseline, of the
unit, and of what it adds to the baseline that was compiled just before it, so that a machine that slows down slows
both. --headers takes minutes, with CUTLASS some ten. --json FILE writes the median, least and greatest of each. With
--limit the exit status is 1 when a median of the added CPU time exceeds it.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "include"
ADAPTERS = "invact/adapters/cutlass"

TOOLKIT = "#include <cuda_bf16.h>\n#include <cuda_fp16.h>\n"

ARITHMETIC = TOOLKIT + """
__global__ void forward(const float* x, __nv_bfloat16* y, unsigned char* mask) {
  y[threadIdx.x] = __float2bfloat16(x[threadIdx.x] * 2.0f);
  mask[threadIdx.x] = x[threadIdx.x] < 0.0f;
}
__global__ void backward(const float* dy, const __nv_bfloat16* y, const unsigned char* mask, float* dx) {
  dx[threadIdx.x] = dy[threadIdx.x] * __bfloat162float(y[threadIdx.x]) * mask[threadIdx.x];
}
"""
ONE_OP = TOOLKIT + """#include <invact/invact.hpp>
using op = invact::inverted<invact::gelu, __nv_bfloat16>;
__global__ void forward(const float* x, __nv_bfloat16* y, unsigned char* mask) {
  const op::encoded e = op{}.forward(x[threadIdx.x]);
  y[threadIdx.x] = e.y;
  mask[threadIdx.x] = static_cast<unsigned char>(e.piece);
}
__global__ void backward(const float* dy, const __nv_bfloat16* y, const unsigned char* mask, float* dx) {
  dx[threadIdx.x] = op{}.backward(dy[threadIdx.x], y[threadIdx.x], mask[threadIdx.x]);
}
"""
DEVICE_WIDE = TOOLKIT + """#include <invact/invact.cuh>
using op = invact::inverted<invact::gelu, __nv_bfloat16>;
cudaError_t forward(long long n, const __nv_bfloat16* x, __nv_bfloat16* y, unsigned char* mask) {
  return invact::device::forward(op{}, n, x, y, mask);
}
cudaError_t backward(long long n, __nv_bfloat16* dy, const __nv_bfloat16* y, const unsigned char* mask) {
  return invact::device::backward(op{}, n, dy, y, mask, dy);
}
"""
HOST_EXECUTOR = TOOLKIT + """#include <invact/host/executor.hpp>
#include <invact/invact.hpp>
using op = invact::inverted<invact::gelu, invact::bfloat16>;
void forward(long long n, const float* x, invact::bfloat16* y, unsigned char* mask) {
  invact::host::forward(op{}, n, x, y, mask);
}
"""


class Unit(typing.NamedTuple):
    """Two texts for one compiler, of which one adds something to the other."""
    name: str
    compiler: str
    baseline: str
    text: str


def host(source):
    """The same functions for a host compiler: one element each."""
    return source.replace("__global__ ", "").replace("threadIdx.x", "0")


def one_op():
    return [Unit("one op", "g++", host(ARITHMETIC), host(ONE_OP)), Unit("one op", "nvcc", ARITHMETIC, ONE_OP)]


def is_detail(header):
    """Whether all that a header declares is in namespace detail."""
    declared = re.search(r"^INVACT_NAMESPACE_BEGIN$(.*)^INVACT_NAMESPACE_END$", header.read_text(), re.S | re.M)
    if declared is None:
        return False
    public = re.sub(r"^namespace detail \{$.*?^\}  // namespace detail$", "", declared[1], flags=re.S | re.M)
    public = re.sub(r"^namespace \w+ \{$|^\}  // namespace \w+$|^INVACT_HOST_NAMESPACE_\w+$", "", public, flags=re.M)
    return re.sub(r"//.*|^#.*", "", public, flags=re.M).isspace()


def of_cutlass(name):
    """The lines by which an adapter, and what it includes of the others, include CUTLASS."""
    lines = []
    for line in (INCLUDE / name).read_text().splitlines():
        if re.match(r"#include <(cutlass|cute)/", line):
            lines.append(line + "\n")
        elif inner := re.match(rf"#include <({ADAPTERS}/.*)>", line):
            lines += of_cutlass(inner[1])
    return lines


def headers(cutlass):
    """Every public header alone; the adapters where `cutlass` is not None."""
    units = []
    for path in sorted(INCLUDE.rglob("*.hpp")) + sorted(INCLUDE.rglob("*.cuh")):
        name = path.relative_to(INCLUDE).as_posix()
        adapter = name.startswith(ADAPTERS)
        if is_detail(path) or adapter and cutlass is None:
            continue
        baseline = TOOLKIT + ("".join(sorted(set(of_cutlass(name)))) if adapter else "")
        compiler = "nvcc" if adapter or path.suffix == ".cuh" else "g++"
        units.append(Unit(f"<{name}>", compiler, baseline, f"{baseline}#include <{name}>\n"))
    return units


def find_cutlass():
    folders = [ROOT / ".deps/python-cutlass/cutlass_library/source"]
    if "CUTLASS_DIR" in os.environ:
        folders.insert(0, pathlib.Path(os.environ["CUTLASS_DIR"]))
    return next((folder / "include" for folder in folders if (folder / "include/cutlass/version.h").exists()), None)


def progress(done, total, text):
    """A line that the next one overwrites; where nobody watches, one of fifty."""
    line = f"{done}/{total} {text}"
    if sys.stderr.isatty():
        print(f"\r{line[:99]:<99}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done % 50 == 0:
        print(line, file=sys.stderr, flush=True)


def measure(command):
    """Wall and CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{run.stdout}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compile_in_turn(units, commands, folder, runs):
    """Of each unit a list of pairs, (wall, CPU) of its baseline and of its text."""
    samples = [[] for _ in units]
    for run in range(runs + 1):
        for number, (unit, kept) in enumerate(zip(units, samples)):
            progress(run * len(units) + number, (runs + 1) * len(units), f"{unit.compiler} {unit.name}")
            pair = []
            for text in (unit.baseline, unit.text):
                file = folder / ("unit.cu" if unit.compiler == "nvcc" else "unit.cpp")
                file.write_text(text)
                pair.append(measure(commands[unit.compiler] + [str(file), "-o", str(folder / "unit.o")]))
            if run > 0:  # round 0 fills the caches
                kept.append(pair)
    progress((runs + 1) * len(units), (runs + 1) * len(units), "compiled")
    return samples


def summary(figures):
    return {clock: {"median": statistics.median(values), "min": min(values), "max": max(values)}
            for clock, values in zip(("wall", "cpu"), zip(*figures))}


def summaries(unit, pairs):
    baseline, total = zip(*pairs)
    added = [(wall - wall_before, cpu - cpu_before) for (wall_before, cpu_before), (wall, cpu) in pairs]
    return {"unit": unit.name, "compiler": unit.compiler, "baseline": summary(baseline), "total": summary(total),
            "added": summary(added)}


def print_table(rows, compilers):
    width = max(len(row["unit"]) for row in rows)
    label = max(map(len, compilers.values()))
    print(f"| {'':<{width}} | {'compiler':<{label}} | {'baseline':<13} | {'with it':<13} | {'added':<13} |")
    print(f"|{'-' * (width + 2)}|{'-' * (label + 2)}|{'-' * 15}|{'-' * 15}|{'-' * 15}|")
    for row in rows:
        cells = [f"{row[part]['wall']['median']:.2f} ({row[part]['cpu']['median']:.2f})"
                 for part in ("baseline", "total", "added")]
        print(f"| {row['unit']:<{width}} | {compilers[row['compiler']]:<{label}} | "
              f"{' | '.join(f'{cell:<13}' for cell in cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--headers", action="store_true", help="every public header, and kernels")
    parser.add_argument("--runs", type=int, help="rounds that count: 9 if not given, 3 with --headers")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--gxx", default="g++")
    parser.add_argument("--nvcc", default=shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc")
    parser.add_argument("--arch", default="sm_90a")
    parser.add_argument("--limit", type=float, help="seconds of added CPU time that are too many")
    options = parser.parse_args()
    runs = options.runs or (3 if options.headers else 9)
    nvcc = shutil.which(options.nvcc)
    if nvcc is None:
        print("skipped: no nvcc, and the baseline needs the CUDA toolkit's headers")
        return 0
    toolkit = pathlib.Path(nvcc).resolve().parent.parent / "include"

    flags = ["-std=c++17", "-O2", "-c", f"-I{INCLUDE}"]
    compilers = {"g++": "g++ -O2", "nvcc": f"nvcc -O2 {options.arch}"}
    commands = {"g++": [options.gxx, *flags, "-isystem", str(toolkit)], "nvcc": [nvcc, *flags, f"-arch={options.arch}"]}
    units = one_op()
    if options.headers:
        cutlass = find_cutlass()
        if cutlass is None:
            print(f"skipped: <{ADAPTERS}/...>: no CUTLASS in CUTLASS_DIR or .deps\n")
        else:
            commands["nvcc"] += ["-isystem", str(cutlass), "--expt-relaxed-constexpr"]
        units = [*headers(cutlass), *units,
                 Unit("host executor, a forward", "g++", TOOLKIT, HOST_EXECUTOR),
                 Unit("device-wide forward and backward", "nvcc", TOOLKIT, DEVICE_WIDE)]
    with tempfile.TemporaryDirectory() as name:
        samples = compile_in_turn(units, commands, pathlib.Path(name), runs)
    rows = [summaries(unit, pairs) for unit, pairs in zip(units, samples)]
    print(f"median of {runs} runs, seconds of wall time (CPU time)\n")
    print_table(rows, compilers)
    if options.json:
        options.json.write_text(json.dumps({"runs": runs, "compilers": compilers, "seconds": rows}, indent=1) + "\n")
    too_slow = options.limit is not None and any(row["added"]["cpu"]["median"] > options.limit for row in rows)
    return 1 if too_slow else 0


if __name__ == "__main__":
    sys.exit(main())
