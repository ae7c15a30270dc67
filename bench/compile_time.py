#!/usr/bin/env python3
"""What including invact and using one op adds to the compile time of a translation unit.

    bench/compile_time.py [--runs N] [--gxx g++] [--nvcc nvcc] [--arch sm_90a] [--limit SECONDS]

Compiles, in turn, a baseline that includes the CUDA half and bfloat16 headers and does the same work on
memory with its own arithmetic, and the same with <invact/invact.hpp> and one op in it: g++ and, where there
is one, nvcc. Prints the median, wall and CPU time (user and system, of the compiler and all that it starts).
The runs of the two alternate, so that a machine that slows down slows both. With --limit the exit status
is 1 when a median of the added CPU time exceeds it.
"""

import argparse
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

INCLUDE = pathlib.Path(__file__).resolve().parent.parent / "include"

TOOLKIT = "#include <cuda_bf16.h>\n#include <cuda_fp16.h>\n"

BASELINE = TOOLKIT + """
__global__ void forward(const float* x, __nv_bfloat16* y, unsigned char* mask) {
  y[threadIdx.x] = __float2bfloat16(x[threadIdx.x] * 2.0f);
  mask[threadIdx.x] = x[threadIdx.x] < 0.0f;
}
__global__ void backward(const float* dy, const __nv_bfloat16* y, const unsigned char* mask, float* dx) {
  dx[threadIdx.x] = dy[threadIdx.x] * __bfloat162float(y[threadIdx.x]) * mask[threadIdx.x];
}
"""
WITH_LIBRARY = TOOLKIT + """#include <invact/invact.hpp>
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


def host(source):
    """The same functions for a host compiler: one element each."""
    return source.replace("__global__ ", "").replace("threadIdx.x", "0")


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


def compare(command, folder, suffix, texts, runs):
    """Medians (wall, CPU) of each text, and of the differences of neighbouring runs."""
    files = []
    for number, text in enumerate(texts):
        file = folder / f"unit{number}{suffix}"
        file.write_text(text)
        files.append(file)
    samples = [[] for _ in files]
    for run in range(runs + 1):
        for file, kept in zip(files, samples):
            figures = measure(command + [str(file), "-o", str(folder / "unit.o")])
            if run > 0:  # the first fills the caches
                kept.append(figures)
    samples.append([tuple(b - a for a, b in zip(*pair)) for pair in zip(*samples)])
    return [tuple(statistics.median(column) for column in zip(*kept)) for kept in samples]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--gxx", default="g++")
    parser.add_argument("--nvcc", default=shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc")
    parser.add_argument("--arch", default="sm_90a")
    parser.add_argument("--limit", type=float, help="seconds of added CPU time that are too many")
    options = parser.parse_args()
    nvcc = shutil.which(options.nvcc)
    if nvcc is None:
        sys.exit("no nvcc: the baseline needs the CUDA toolkit's headers")
    toolkit = pathlib.Path(nvcc).resolve().parent.parent / "include"

    flags = ["-std=c++17", "-O2", "-c", f"-I{INCLUDE}"]
    compilers = [
        ("g++ -O2", [options.gxx, *flags, "-isystem", str(toolkit)], ".cpp", host),
        (f"nvcc -O2 {options.arch}", [nvcc, *flags, f"-arch={options.arch}"], ".cu", str),
    ]
    print(f"median of {options.runs} runs, seconds of wall time (CPU time)\n")
    print(f"| {'compiler':<18} | {'baseline':<13} | {'with one op':<13} | {'added':<13} |")
    print(f"|{'-' * 20}|{'-' * 15}|{'-' * 15}|{'-' * 15}|")
    too_slow = False
    with tempfile.TemporaryDirectory() as name:
        for label, command, suffix, form in compilers:
            texts = [form(BASELINE), form(WITH_LIBRARY)]
            figures = compare(command, pathlib.Path(name), suffix, texts, options.runs)
            cells = " | ".join(f"{f'{wall:.2f} ({cpu:.2f})':<13}" for wall, cpu in figures)
            print(f"| {label:<18} | {cells} |", flush=True)
            too_slow = too_slow or (options.limit is not None and figures[2][1] > options.limit)
    return 1 if too_slow else 0


if __name__ == "__main__":
    sys.exit(main())
