#!/usr/bin/env python3
"""What the compiled kernels cost, against the table in this folder and against limits.

    cost.py {ops,kernels} --compiler VERSION [--disassembler PATH] [--update] CUBIN...
    cost.py --find-disassembler [--toolkit FOLDER]

Disassembles the cubins and compares registers, stack, local memory and instructions of every kernel with
TABLE_nvcc-VERSION.md beside this script; --update writes the rows of these cubins' architectures there
instead. Then checks LIMITS, below. The exit status is 1 when a row differs or a limit is exceeded, and 77,
which ctest reports as skipped, without a table for this compiler or without a tool.

`ops` expects the kernels of ops.cu: their instructions are those of one element, less the baseline's.
The instructions of `kernels` are counted as they stand, once each however often a loop runs them.
"""

import argparse
import collections
import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
ELEMENTS = 8  # of a fragment of ops.cu
CLASSES = ["fma", "mufu", "convert", "alu", "constant", "load", "store", "other"]
RESOURCES = ["registers", "stack", "local stored", "local loaded", "16-byte loads", "16-byte stores"]
COLUMNS = ["arch", "kernel", "instructions", *CLASSES, *RESOURCES]

# Table, architecture, kernel (regular expressions, of the whole name), column or the difference of two, least,
# most. Every expression must match a kernel, or it would limit nothing. A decode's limits are what an epilogue
# can afford; the constants that all elements of a fragment share do not count in them. Kernels whose accesses
# are vectors say `true` after the fragment's size.
# What registers are kept free for: the second number of a run kernel, of a rows kernel the same as of most.
FULL = r"(forward|backward)_run_kernel \d+ 2048 \d+ \d+ true .*"
ELEMENTWISE = r"(forward|backward)_(run_kernel \d+ 1536|rows_kernel \d+) \d+ \d+ true .*"
EXCHANGING = r"(forward|backward)_(run_kernel \d+ 1280|rows_kernel \d+) \d+ \d+ false .*"
VECTOR = r"(forward|backward)_(run_kernel \d+|rows_kernel|sums_kernel) \d+ \d+ \d+ true .*"
# A float x beside a y of 16 bits makes a fragment of y 8 bytes.
SAME = r"(?!.* bfloat16 \w+ \w+ float)"
VECTOR_BACKWARD = r"backward_(run_kernel \d+|rows_kernel|sums_kernel) \d+ \d+ \d+ true .*"
# A backward of gated units has five tensors: a few words too many for its registers cost less than fewer threads do.
GATED_BACKWARD = "gated_backward_kernel .*"
LIMITS = [
    ("ops|kernels", ".*", f"(?!{GATED_BACKWARD}).*", "stack", None, 0),
    ("ops|kernels", ".*", f"(?!{GATED_BACKWARD}).*", "local stored", None, 0),
    ("ops|kernels", ".*", f"(?!{GATED_BACKWARD}).*", "local loaded", None, 0),
    ("kernels", ".*", r"gated_backward_kernel \d+ \d+ \d+ true .*", "stack", None, 16),
    ("kernels", ".*", r"gated_backward_kernel \d+ \d+ \d+ false .*", "stack", None, 24),
    ("kernels", "sm_90a", "gated_.*", "registers", None, 48),
    ("kernels", ".*", r"gated_(forward|backward)_kernel \d+ \d+ \d+ true .*", "16-byte loads", 2, None),
    ("kernels", ".*", r"gated_(forward|backward)_kernel \d+ \d+ \d+ true .*", "16-byte stores", 1, None),
    ("ops", ".*", ".*", "16-byte loads", 1, None),
    ("ops", ".*", ".*", "16-byte stores", 1, None),
    ("kernels", ".*", VECTOR, "16-byte loads", 1, None),
    ("kernels", ".*", SAME + VECTOR, "16-byte stores", 1, None),
    ("kernels", ".*", SAME + VECTOR_BACKWARD, "16-byte loads", 2, None),
    ("kernels", "sm_90a", FULL, "registers", None, 32),
    ("kernels", "sm_90a", ELEMENTWISE, "registers", None, 40),
    ("kernels", "sm_90a", EXCHANGING, "registers", None, 48),
    ("kernels", "sm_90a", "backward_sums_kernel .*", "registers", None, 64),
    ("ops", "sm_90a", "gradient gelu bfloat16 .* accurate", "instructions - constant", None, 26),
    ("ops", "sm_90a", "gradient silu bfloat16 .* accurate", "instructions - constant", None, 18),
    ("ops", "sm_90a", "gradient gelu bfloat16 .* fast", "instructions - constant", None, 16),
    ("ops", "sm_90a", "gradient silu bfloat16 .* fast", "instructions - constant", None, 14),
    # Finer than bfloat16, these take more: no target, but a limit.
    ("ops", "sm_90a", "gradient gelu binary16 .* accurate", "instructions - constant", None, 26.5),
    ("ops", "sm_90a", "gradient silu binary16 .* accurate", "instructions - constant", None, 18.5),
    ("ops", "sm_90a", "gradient gelu binary16 .* fast", "instructions - constant", None, 21.5),
    ("ops", "sm_90a", "gradient silu binary16 .* fast", "instructions - constant", None, 17.5),
    ("ops", "sm_90a", "gradient .* float .* accurate", "instructions - constant", None, 49),
]

FMA = {"FFMA", "FMUL", "FADD", "FFMA2", "FMUL2", "FADD2", "HFMA2", "HMUL2", "HADD2", "DFMA", "DMUL", "DADD"}
CONVERT = {"F2F", "F2FP", "F2I", "F2IP", "I2F", "I2FP", "FRND"}
MOVES = {"MOV", "UMOV", "IMAD", "HFMA2"}
LOAD = {"LD", "LDG", "LDS", "LDL", "LDSM"}
STORE = {"ST", "STG", "STS", "STL", "RED", "REDG", "ATOM", "ATOMG", "ATOMS"}
OTHER = {"S2R", "CS2R", "S2UR", "LDC", "LDCU", "R2UR", "EXIT", "BRA", "BRX", "JMP", "CALL", "RET", "BSSY", "BSYNC",
         "BREAK", "BAR", "WARPSYNC", "MEMBAR", "NOP", "PREEXIT", "ACQBULK", "DEPBAR"}
ENDS = {"EXIT", "BRA", "BRX", "JMP", "RET"}

Instruction = collections.namedtuple("Instruction", "guard opcode operands")


class Skipped(Exception):
    """What is not here, so that nothing can be said about the cost."""


class Kernel:
    def __init__(self):
        self.instructions = []
        self.labels = {}  # name: index of the instruction that follows it
        self.registers = 0
        self.stack = 0

    def reachable(self):
        """Without the padding and the loop that follow the last EXIT."""
        seen, pending = set(), [0]
        while pending:
            i = pending.pop()
            if i in seen or i >= len(self.instructions):
                continue
            seen.add(i)
            guard, opcode, operands = self.instructions[i]
            pending += [self.labels[name] for name in re.findall(r"[.$\w]+", operands) if name in self.labels]
            # BRA.U and its like name a predicate before the label: they may fall through.
            conditional = guard or re.match(r"!?U?P\w", operands)
            if opcode.split(".")[0] not in ENDS or conditional:
                pending.append(i + 1)
        return [self.instructions[i] for i in sorted(seen)]


def class_of(instruction):
    name = instruction.opcode.split(".")[0]
    if name == "MUFU":
        return "mufu"
    if name in CONVERT or instruction.opcode.startswith("HADD2.F32"):  # half to float
        return "convert"
    # Also as 0 * 0 + constant, in whatever unit is idle.
    if name in MOVES and re.fullmatch(r"U?R\d+, (-?RZ, RZ, )?(-|\+)?(0x[0-9a-f]+|\d[\d.e+-]*|INF)(, -?\d[\d.e+-]*)? ?;?",
                                      instruction.operands):
        return "constant"
    if name in FMA:
        return "fma"
    if name in LOAD:
        return "load"
    if name in STORE:
        return "store"
    # Nearly all of the uniform unit's work is addresses and constants.
    return "other" if name in OTHER or name.startswith("U") else "alu"


def bytes_of(instruction):
    for part in instruction.opcode.split(".")[1:]:
        if re.fullmatch(r"(8|16|32|64|128|256|[US](8|16))", part):
            return int(part.lstrip("US")) // 8
    return 4


def disassemble(disassembler, cubin):
    """The architecture of a cubin and its kernels by their linkage names."""
    run = subprocess.run([disassembler, cubin], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        sys.exit(f"{disassembler} {cubin}: {run.stderr.strip()}")
    arch = re.search(r"^\s*\.target\s+(\w+)", run.stdout, re.M).group(1)
    kernels = collections.defaultdict(Kernel)
    current = None
    for line in run.stdout.splitlines():
        section = re.match(r"\s*\.section\s+(\S+?),", line)
        if section:
            text = re.match(r"\.text\.(.+)", section.group(1))
            current = kernels[text.group(1)] if text else None
            continue
        if current is None:
            continue
        label = re.match(r"(\S+):$", line)
        if label:
            current.labels[label.group(1)] = len(current.instructions)
        found = re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(@\S+\s+)?([A-Z]\w*(?:\.\w+)*)\s*(.*)", line)
        if found:
            current.instructions.append(Instruction(*found.groups()))
    for attribute, name, value in re.findall(
            r"EIATTR_(REGCOUNT|FRAME_SIZE)\s.*?index@\((.+?)\)\s.*?\.word\s+(0x[0-9a-f]+)", run.stdout, re.S):
        if name in kernels:
            setattr(kernels[name], "registers" if attribute == "REGCOUNT" else "stack", int(value, 16))
    return arch, dict(kernels)


def without_parameters(name):
    depth = 0
    for i, character in enumerate(name):
        depth += (character == "<") - (character == ">")
        if character == "(" and depth == 0:
            return name[:i]
    return name


def readable(name):
    """A demangled name without what all kernels share: forward_kernel gelu bfloat16 bitmask accurate."""
    name = without_parameters(name.replace("(anonymous namespace)::", ""))
    if "<" not in name:
        return name.replace("_", " ").replace("mantissa bit", "mantissa_bit")
    name = re.sub(r"\([\w ]+\)(?=-?\d)", "", name)  # the type before an integer argument
    words = [word.split("::")[-1] for word in re.findall(r"-?\w+(?:::\w+)*", name)]
    return " ".join(w for w in words if w not in ("void", "inverted", "default_evaluator"))


def readable_names(names):
    names = list(names)
    if any(name.startswith("_Z") for name in names):
        tool = shutil.which("c++filt") or shutil.which("cu++filt") or shutil.which("llvm-cxxfilt")
        if tool is None:
            raise Skipped("no c++filt for the kernels' names")
        run = subprocess.run([tool], input="\n".join(names), stdout=subprocess.PIPE, text=True, check=True)
        short = [readable(name) for name in run.stdout.splitlines()]
    else:
        short = [readable(name) for name in names]
    twice = [name for name, count in collections.Counter(short).items() if count > 1]
    if twice:
        sys.exit(f"several kernels have the name {twice[0]}: extend readable() in cost.py")
    return dict(zip(names, short))


def baseline_of(name):
    """forward gelu float bitmask: baseline forward float bitmask. A baseline has none."""
    words = name.split()
    return None if words[0] == "baseline" else " ".join(["baseline", words[0], *words[2:4]])


def measure(table, disassembler, cubins):
    """Rows by (architecture, kernel)."""
    rows = {}
    for cubin in cubins:
        arch, kernels = disassemble(disassembler, cubin)
        short = readable_names(kernels)
        code = {short[name]: kernel.reachable() for name, kernel in kernels.items()}
        counts = {name: collections.Counter(map(class_of, code[name])) for name in code}
        for linkage_name, kernel in kernels.items():
            name = short[linkage_name]
            figures = [sum(counts[name].values())] + [counts[name][c] for c in CLASSES]
            if table == "ops":
                base = counts.get(baseline_of(name), collections.Counter())
                less = [sum(base.values())] + [base[c] for c in CLASSES]
                figures = [f"{(a - b) / ELEMENTS:.2f}" for a, b in zip(figures, less)]

            def of(*opcodes):
                return [i for i in code[name] if i.opcode.split(".")[0] in opcodes]

            resources = [kernel.registers, kernel.stack,
                         sum(map(bytes_of, of("STL"))), sum(map(bytes_of, of("LDL"))),
                         sum(bytes_of(i) >= 16 for i in of("LDG", "LD")),
                         sum(bytes_of(i) >= 16 for i in of("STG", "ST"))]
            rows[arch, name] = [arch, name, *map(str, figures + resources)]
    return rows


def order(key):
    arch, name = key
    return int(re.sub(r"\D", "", arch)), name


def format_row(cells):
    widths = [7, 72, 12] + [max(6, len(c)) for c in COLUMNS[3:]]
    padded = [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths))]
    return f"| {' | '.join(padded)} |"


def write(path, table, compiler, rows):
    unit = "an element, less the baseline's" if table == "ops" else "a kernel"
    rule = re.sub(r"[^|]", "-", format_row(COLUMNS))
    lines = [f"`{table}.cu` under nvcc {compiler}: instructions of {unit}, and their classes; memory in bytes.",
             "Written by `cost.py --update` (target `update_cost`).", "", format_row(COLUMNS), rule]
    lines += [format_row(rows[key]) for key in sorted(rows, key=order)]
    path.write_text("\n".join(lines) + "\n")


def read(path):
    lines = [line for line in path.read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return {(row[0], row[1]): row for row in rows}


def differences(old, new):
    """The table's lines that differ, as a diff has them."""
    lines = []
    for key in sorted({*old, *new}, key=order):
        if old.get(key) != new.get(key):
            lines += [f"-{format_row(old[key])}"] if key in old else []
            lines += [f"+{format_row(new[key])}"] if key in new else []
    return lines


def exceeded(table, rows):
    lines = []
    archs = {arch for arch, _ in rows}
    for tables, arch_pattern, name_pattern, column, least, most in LIMITS:
        here = [arch for arch in archs if re.fullmatch(arch_pattern, arch)]
        if not here or not re.fullmatch(tables, table):
            continue
        matched = [row for (arch, name), row in sorted(rows.items())
                   if arch in here and re.fullmatch(name_pattern, name)]
        if not matched:
            lines.append(f"no kernel is called {name_pattern}: correct LIMITS in cost.py")
        for row in matched:
            first, *others = (float(row[COLUMNS.index(c)]) for c in column.split(" - "))
            value = first - sum(others)
            if most is not None and value > most:
                lines.append(f"{row[0]} {row[1]}: {column} {value:g}, at most {most}")
            if least is not None and value < least:
                lines.append(f"{row[0]} {row[1]}: {column} {value:g}, at least {least}")
    return lines


def find_disassembler(toolkit):
    """The pinned one first: its spelling of the instructions is the table's."""
    places = [ROOT / ".deps" / "bin"]
    places += [pathlib.Path(toolkit)] if toolkit else []
    package = importlib.util.find_spec("nvidia")
    on_path = [pathlib.Path(found).parent for found in [shutil.which("nvdisasm")] if found]
    packaged = [f for root in (package.submodule_search_locations if package else [])
                for f in sorted(pathlib.Path(root).glob("cu*/bin"))]
    for place in places + on_path + packaged:
        if shutil.which("nvdisasm", path=str(place)):
            return str(place / "nvdisasm")
    raise Skipped("no nvdisasm: cmake/dependencies.sh places one")


def run(options):
    if options.find_disassembler:
        print(find_disassembler(options.toolkit))
        return 0
    path = FOLDER / f"{options.table}_nvcc-{options.compiler}.md"
    if not options.update and not path.exists():
        raise Skipped(f"no table for nvcc {options.compiler}: --update makes {path.name}")
    rows = measure(options.table, options.disassembler or find_disassembler(options.toolkit), options.cubins)
    archs = {arch for arch, _ in rows}
    old = read(path) if path.exists() else {}
    if options.update:
        others = {key: row for key, row in old.items() if key[0] not in archs}
        write(path, options.table, options.compiler, {**others, **rows})
        print(f"wrote {path.name}")
    same_archs = {key: row for key, row in old.items() if key[0] in archs}
    different = [] if options.update else differences(same_archs, rows)
    if different:
        print(f"cost differs from {path.name}; if it should, build update_cost and commit the table:")
        print("\n".join([f" {format_row(COLUMNS)}", *different]))
    over = exceeded(options.table, rows)
    if over:
        print("\n".join(["over the limit:", *over]))
    if not different and not over:
        print(f"{len(rows)} kernels as in {path.name}, all within their limits")
    return 1 if different or (over and not options.update) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", choices=["ops", "kernels"])
    parser.add_argument("cubins", nargs="*", metavar="CUBIN")
    parser.add_argument("--compiler", metavar="VERSION", help="nvcc's, with its patch level: 13.0.88")
    parser.add_argument("--disassembler", metavar="PATH")
    parser.add_argument("--toolkit", metavar="FOLDER", help="where nvcc is, and nvdisasm may be")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--find-disassembler", action="store_true")
    options = parser.parse_intermixed_args()
    if not options.find_disassembler and not (options.table and options.compiler and options.cubins):
        parser.error("a table, --compiler and cubins are needed")
    try:
        return run(options)
    except Skipped as reason:
        print(f"skipped: {reason}")
        return 77


if __name__ == "__main__":
    sys.exit(main())
