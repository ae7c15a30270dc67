#!/usr/bin/env python3
"""Everything that needs a GPU, in one run: tests, sanitizers, benchmarks.

    bench/device/run.py [--build DIR] [--no-build] [--jobs N] [--stamp TEXT] [--results DIR] [--parts PART,...]
                        [--against FILE] [--quick]

Needs CMake and nvcc, to compare with PyTorch PyTorch and Triton, to plot matplotlib. Configures (preset gpu) and builds into
DIR, build/gpu if not given; then the parts, all if not given:

    tests       the tests labelled gpu
    sanitizers  compute-sanitizer on some of them
    peers       what there is beside it in PyTorch, and how times scale: DATE-GPU-peers.md, with its data (.json) and
                plots (.png, by matplotlib); --against the data of another run on the same GPU, to say how far the two
                agree. If that is the file of the same day, its data are kept as DATE-GPU-peers-first-run.json
    gated       gated units: DATE-GPU-gated.md and .json
    kernels     elementwise kernels, by activation, shape and launch policy: DATE-GPU.md and .json
    gemm        epilogues of GEMMs: DATE-GPU-gemm.md

PyTorch and ncu are used where they are installed. Results go to RESULTS, bench/results if not given; what all printed
stays in DIR/run.

The results carry `git rev-parse HEAD:include`; where git cannot say that, --stamp is required. --quick, for
trying it out: bfloat16 only, 10 rounds, memcheck alone of the sanitizers, of the peers one pass of few sizes without
torch.compile, scaling and ncu, no launch policies, no gated units and no GEMMs; the only report is that of the kernels,
which has what was measured of the peers.

A step that fails is reported and the next one runs; where nothing was measured no report is written. Exit status: 0, 1 when
a step failed or there is no stamp, 77 without a GPU. A target that is not met is no failure: the table says so.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

import device_report
import gated_report
import peers_report
from steps import (ROOT, SKIPPED, Steps, benchmark, build, dram, find, gpu_tests, one_line, peers, printed, roofline,
                   sanitize)

PARTS = ("tests", "sanitizers", "peers", "gated", "kernels", "gemm")
SANITIZER_TOOLS = ("memcheck", "racecheck", "initcheck")
PASSES = 3


def stamp_of(given):
    if given:
        return given
    tree = one_line("git", "rev-parse", "HEAD:include")
    if tree is None:
        sys.exit("run.py: git cannot tell the tree of include/ here: pass --stamp \"$(git rev-parse HEAD:include)\"")
    changed = one_line("git", "status", "--porcelain", "--", ".", ":!bench/results")
    return tree + (", dirty" if changed else "")


def counters_of(rows):
    """Of the rows of a Google Benchmark program what it reports, without what Google Benchmark adds."""
    return {name: {key: value for key, value in row.items() if key == "us" or key.startswith("vs_") or key.endswith(("_us", "/s"))}
            for name, row in rows.items()}


def in_passes(rows):
    """Of several measurements of the same rows the median of every counter, and half of what their times differ by, relative."""
    joined = {}
    for name in rows[0]:
        passes = [row[name] for row in rows if name in row]
        joined[name] = {counter: statistics.median(one[counter] for one in passes) for counter in passes[0]}
        times = [one["us"] for one in passes]
        joined[name]["spread"] = 0.5 * (max(times) - min(times)) / joined[name]["us"]
    return joined


def scaling_of(steps, program):
    rows = []
    for _ in range(PASSES):
        counters, said = benchmark(steps, program)
        rows.append(counters_of(counters))
    return in_passes(rows), said


def peers_before(results, slug, stamp):
    """The newest peers' data there of the same GPU and include/."""
    for path in sorted(results.glob(f"*-{slug}-peers.json"), reverse=True):
        data = json.loads(path.read_text())
        if data["context"]["stamp"] == stamp:
            return data["peers"]
    return None


def rounded(data):
    """To six digits, which is more than any figure has."""
    return json.loads(json.dumps(data), parse_float=lambda text: float(f"{float(text):.6g}"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    every_part = ", ".join(PARTS)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/gpu", help="the build folder")
    parser.add_argument("--no-build", action="store_true", help="take the programs there as they are")
    parser.add_argument("--stamp", help="what to write for `git rev-parse HEAD:include`")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results", help="where reports go")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {every_part}, by commas; all if not given")
    parser.add_argument("--against", type=pathlib.Path, metavar="FILE", help="the peers' data of another run")
    parser.add_argument("--quick", action="store_true", help="to try it out: less of everything")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="of the build")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if set(parts) - set(PARTS):
        parser.error(f"--parts: there are {every_part}")
    against = None
    if options.against:
        if options.quick or "peers" not in parts:
            parser.error("--against: only a run of peers, and not a quick one, is compared with another")
        try:
            against = peers_report.read(options.against)
        except ValueError as error:
            parser.error(f"--against: {error}")
    if options.quick:
        parts = [part for part in parts if part not in ("gated", "gemm")]
        if not parts or "peers" in parts and "kernels" not in parts:
            parser.error("--quick leaves nothing of these --parts to report: add kernels")
    nvidia_smi = find("nvidia-smi")
    gpu = one_line(nvidia_smi, "--query-gpu=name,driver_version,uuid", "--format=csv,noheader") if nvidia_smi else None
    if gpu is None:
        print("skipped: no GPU (nvidia-smi finds none)")
        return SKIPPED
    name, driver, uuid = (part.strip() for part in gpu.split(","))
    folder = options.build.resolve()
    logs = folder / "run"
    logs.mkdir(parents=True, exist_ok=True)
    options.results.mkdir(parents=True, exist_ok=True)
    nvcc = find("nvcc")
    release = re.search(r"release [\d.]+", subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
                        if nvcc else "")
    context = {"gpu": name, "uuid": uuid, "driver": driver, "cuda": f"CUDA {release.group(0)}" if release else "CUDA unknown",
               "system": f"{os.cpu_count()} cores", "date": datetime.date.today().isoformat(),
               "stamp": stamp_of(options.stamp), "quick": options.quick}
    if against:
        try:
            peers_report.require_same_gpu(context, against["context"])
        except ValueError as error:
            parser.error(f"--against: {error}")
    print(f"{name}, driver {driver}, {context['cuda']}; include/ is {context['stamp']}", flush=True)

    steps = Steps(logs)
    programs = folder / "bench"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    head = [f"# {name}, {context['date']}", "",
            f"Driver {driver}, {context['cuda']}; `git rev-parse HEAD:include`: {context['stamp']}.", ""]
    written = []

    def write(suffix, lines):
        path = options.results / f"{context['date']}-{slug}{suffix}.md"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        written.append(path)

    def keep(suffix, data):
        path = options.results / f"{context['date']}-{slug}{suffix}.json"
        if against and path.exists() and path.resolve() == options.against.resolve():
            path.rename(path.with_name(f"{path.stem}-first-run.json"))
        path.write_text(json.dumps(rounded({"context": context, **data})) + "\n", encoding="utf-8")
        return path

    def report_on_peers(path):
        written.append(peers_report.write(path, against))
        return None, "written"

    def finish():
        steps.say(f"{'FAILED steps: see above' if steps.failed else 'no step failed'}; "
                  f"{', '.join(map(str, written)) or 'no results'}")
        return 1 if steps.failed else 0

    if not options.no_build:
        targets = sorted({"invact_gpu_" + ("tests" if part == "sanitizers" else part) for part in parts})
        steps.run("build", lambda: build(steps, folder, options.jobs, targets))
    if "tests" in parts:
        steps.run("tests", lambda: gpu_tests(steps, folder))
    if "sanitizers" in parts:
        for tool in SANITIZER_TOOLS[:1] if options.quick else SANITIZER_TOOLS:
            steps.run(tool, lambda: sanitize(steps, folder, tool))

    torch = None
    if "peers" in parts:
        torch = steps.run("PyTorch and other peers", lambda: peers(steps, folder, ["--quick"] if options.quick else []))
        if not options.quick:
            scaling = steps.run("scaling benchmarks", lambda: scaling_of(steps, programs / "device_scaling_bench"))
            data = {"peers": torch, "scaling": scaling or {}, "roofline": steps.run("roofline", lambda: roofline(steps, folder))}
            if data["peers"] or data["scaling"] and not steps.failed:
                path = keep("-peers", data)
                steps.run("report on peers", lambda: report_on_peers(path))
    if "gated" in parts:
        gated = steps.run("gated units", lambda: benchmark(steps, programs / "device_gated_bench"))
        gated_torch = torch or steps.run("PyTorch's gated units",
                                         lambda: peers(steps, folder, ["--parts", "gated"]))
        gated_gemm = steps.run("gated units in GEMMs", lambda: printed(steps, programs / "gated_gemm_bench", 300))
        if gated or gated_torch or gated_gemm:
            keep("-gated", {"kernels": counters_of(gated or {}), "PyTorch": gated_torch, "GEMMs": gated_gemm})
            write("-gated", [*head, "Written by bench/device/run.py.", "", *gated_report.report(gated, gated_torch, gated_gemm),
                             "## What ran", "", *device_report.outcomes(steps)])
    if "gemm" in parts:
        outputs = [steps.run("GEMM epilogues", lambda: printed(steps, programs / "gemm_bench", 300)),
                   steps.run("MLP block", lambda: printed(steps, folder / "examples/cutlass_mlp/cutlass_mlp", 120))]
        if any(outputs):
            write("-gemm", [*head, *(f"#{line}" if line.startswith("#") else line for text in outputs if text
                                     for line in [*text.splitlines(), ""])])
    if "kernels" not in parts:
        return finish()

    if torch is None:
        torch = peers_before(options.results, slug, context["stamp"])
    storages = device_report.STORAGES[:1] if options.quick else device_report.STORAGES
    few = ["--iterations=10"] if options.quick else []
    rows = steps.run("elementwise benchmarks", lambda: benchmark(
        steps, programs / "device_elementwise_bench", *few,
        *(["--benchmark_filter=bfloat16"] if options.quick else [])))
    shapes = steps.run("shape benchmarks", lambda: benchmark(steps, programs / "device_shapes_bench", *few))
    catalogue = steps.run("catalogue benchmarks", lambda: benchmark(
        steps, programs / "device_catalogue_bench", *few,
        f"--benchmark_filter={'bfloat16.*' if options.quick else ''}log2n:{device_report.CATALOGUE}"))
    policies = figures = None
    if not options.quick:
        policies = steps.run("launch policies",
                             lambda: printed(steps, programs / "device_launch_policy_bench", 120))
        figures = steps.run("ncu", lambda: dram(steps, programs / "device_elementwise_bench"))
    if not (rows or shapes or catalogue or policies):
        return finish()
    results = device_report.Results(rows, torch, figures)
    keep("-quick" if options.quick else "", {
        "kernels": counters_of(rows or {}), "shapes": counters_of(shapes or {}), "catalogue": counters_of(catalogue or {}),
        "launch policies": policies, "ncu": {" ".join(key): values for key, values in (figures or {}).items()}})
    write("-quick" if options.quick else "",
          [device_report.report(context, steps, results, shapes, catalogue, policies, storages)])
    for line in device_report.targets(results, catalogue, storages):
        print(line)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
