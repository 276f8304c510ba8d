#!/usr/bin/env python3
"""Measures this package and its peers on the same work, in turn.

    python scripts/benchmark.py --work train --models se_resnet50 \\
        --peers timm keras_layers zeromodels plain --batch 8
    python scripts/benchmark.py --work infer --models se_resnet50 --batch 1 8 \\
        --peers timm torch_compile onnxruntime openvino keras_graph plain
    python scripts/benchmark.py --work memory --models se_resnet50 --peers timm
    python scripts/benchmark.py --work build --models se_resnet152 --peers keras
    python scripts/benchmark.py --work input --photos FOLDER
    python scripts/benchmark.py --work loop --models se_resnet20 --batch 128
    python scripts/benchmark.py --work litert litert_int8 \\
        --models se_mobilenet --batch 1

    python scripts/benchmark.py --draw

Every contender has a process of its own, which does the work once at a time,
A B C A B C …; the others wait meanwhile. A ratio is that of two neighbours in
one round, and the median and the spread (lowest and highest) are over the
rounds. Writes a row per contender to the CSV file; rows of the same case are
replaced. --draw makes pictures of it and the table in the README. The peers:
benchmarks/requirements.txt. Nothing else should run on the machine meanwhile.
"""

import argparse
import contextlib
import csv
import datetime
import itertools
import json
import os
import platform
import re
import runpy
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from marks import ROOT, put_between_marks, write_csv

CONTENDERS = ROOT / "benchmarks" / "contenders.py"
# Read on its own, since the package would import Keras.
NETWORKS = runpy.run_path(str(ROOT / "keras_senet/architectures/table.py"))[
    "NETWORKS"
]
WORKS = {
    "train": ("timm", "keras_layers", "zeromodels", "plain", "xla"),
    "infer": (
        "keras_graph",
        "timm",
        "torch_compile",
        "onnxruntime",
        "openvino",
        "plain",
    ),
    "memory": ("timm",),
    "process": ("timm",),
    "build": ("keras",),
    "litert": ("plain",),
    "litert_int8": ("float32", "plain", "keras"),
    "input": ("torch", "keras"),
    "augment": ("torchvision", "keras"),
    "loop": ("fit", "torch"),
}
UNITS = {
    "memory": "MiB",
    "process": "MiB",
    "input": "images/s/core",
    "augment": "images/s/core",
    "loop": "images/s/core",
}
# Steps of a training loop that are timed together.
STEPS = 48
# Of the table and the pictures.
THREADS = "2"
CASE = ("work", "model", "batch", "size", "threads")
COLUMNS = (
    *CASE,
    "contender",
    "median",
    "low",
    "high",
    "unit",
    "ratio",
    "ratio_low",
    "ratio_high",
    "rounds",
    "date",
    "machine",
    "versions",
    "command",
)


# The README's table: what, work, model, batch, peers, limit of the ratio to the
# fastest of them.
FAST = ("timm", "torch_compile", "onnxruntime", "openvino")
TARGETS = (
    (
        "SE-ResNeXt-50 training step",
        "train",
        "se_resnext50",
        8,
        ("timm",),
        0.95,
    ),
    ("SE-ResNet-50 training step", "train", "se_resnet50", 8, ("timm",), 0.85),
    ("SENet-154 training step", "train", "senet154", 4, ("timm",), 1.0),
    (
        "SE-ResNet-50 to ResNet-50, training",
        "train",
        "se_resnet50",
        8,
        ("plain",),
        1.03,
    ),
    ("SE-ResNet-50 inference", "infer", "se_resnet50", 1, FAST, 0.9),
    ("SE-ResNet-50 inference", "infer", "se_resnet50", 8, FAST, 0.9),
    ("SE-ResNeXt-50 inference", "infer", "se_resnext50", 1, FAST, 0.95),
    ("SE-ResNeXt-50 inference", "infer", "se_resnext50", 8, FAST, 0.95),
    (
        "SE-ResNet-50 to ResNet-50, inference",
        "infer",
        "se_resnet50",
        1,
        ("plain",),
        1.03,
    ),
    (
        "SE-ResNet-50 to ResNet-50, inference",
        "infer",
        "se_resnet50",
        8,
        ("plain",),
        1.03,
    ),
    ("memory of a training step", "memory", "se_resnet50", 8, ("timm",), 1.0),
    ("building SE-ResNet-152", "build", "se_resnet152", 8, ("keras",), 1.2),
    ("images read per second", "input", "se_resnet50", 32, ("torch",), 2.0),
    (
        "SE-MobileNet to MobileNet, LiteRT",
        "litert",
        "se_mobilenet",
        1,
        ("plain",),
        1.1,
    ),
    ("the same in 8 bits", "litert_int8", "se_mobilenet", 1, ("plain",), 1.15),
    (
        "SE-MobileNet in 8 bits",
        "litert_int8",
        "se_mobilenet",
        1,
        ("float32",),
        0.5,
    ),
    (
        "SE-MobileNet in 8 bits",
        "litert_int8",
        "se_mobilenet",
        1,
        ("keras",),
        1.15,
    ),
    ("the loop of training", "loop", "se_resnet20", 128, ("fit",), 1.0),
    ("the loop of training", "loop", "se_resnet20", 128, ("torch",), 1.0),
)
NAMES = {
    "keras": "Keras",
    "keras_graph": "Keras graph",
    "keras_layers": "layers of Keras",
    "xla": "ours with XLA",
    "torch_compile": "torch.compile",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "plain": "without SE",
    "int8": "ours in 8 bits",
    "torch": "torch",
    "torchvision": "torchvision on Pillow",
    "fit": "Keras `fit`",
}


class Contender:
    """A process that does one work whenever it is asked."""

    def __init__(self, name: str, case: dict):
        self.name = name
        # A file, since nobody reads while it works, and a pipe is soon full.
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [
                sys.executable,
                CONTENDERS,
                json.dumps({**case, "contender": name}),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors if not case["verbose"] else None,
            text=True,
        )
        self.facts = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().strip().splitlines()[-1:]
            raise ContenderError(" ".join(last) or "it ended without a word")
        return json.loads(line)

    def once(self) -> dict:
        """Does the work once, and returns its seconds and peak memory."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        return self._answer()

    def end(self):
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()
        self.errors.close()


class ContenderError(RuntimeError):
    """A contender that can't do its work."""


def measure(
    case: dict, names: list[str], rounds: int
) -> tuple[dict[str, list[float]], dict[str, dict]]:
    """Returns per contender its measurements, one per round, and versions.

    Raises ContenderError if the first can't do the work: what the others take
    is compared with it.
    """
    if UNITS.get(case["work"]) != "MiB":
        return measure_in_turn(case, names, rounds)
    # The peak of a process only grows, so that every round has new ones.
    found = {}
    for _ in range(rounds):
        once, versions = measure_in_turn(case, names, 1)
        for name, values in once.items():
            found.setdefault(name, []).extend(values)
    return found, versions


def measure_in_turn(case, names, rounds):
    """The same with one process a contender for all rounds."""
    contenders, found = [], {}
    try:
        for name in names:
            try:
                contenders.append(Contender(name, case))
                # What timm calls the network, which ours knows.
                case = case | contenders[0].facts["names"]
            except ContenderError as error:
                if not contenders:
                    raise
                print(f"  {name}: left out: {error}", flush=True)
        for round_ in range(rounds):
            # From another place every time, since the first of a round may
            # find the machine in another state than the last.
            shift = round_ % max(1, len(contenders))
            for contender in contenders[shift:] + contenders[:shift]:
                # Threads that wait for more work spin for a while.
                time.sleep(0.25)
                answer = contender.once()
                key = (
                    case["work"]
                    if UNITS.get(case["work"]) == "MiB"
                    else "seconds"
                )
                found.setdefault(contender.name, []).append(answer[key])
    finally:
        for contender in contenders:
            contender.end()
    return found, {c.name: c.facts["versions"] for c in contenders}


def rows_of(case, found, versions, common):
    """Rows of the CSV: per contender the median, and the ratio to the first."""
    ours = next(iter(found))
    for name, values in found.items():
        row = {key: case.get(key, "") for key in CASE}
        unit = UNITS.get(case["work"], "ms")
        scale = 1e3 if unit == "ms" else 1
        if unit == "images/s/core":
            values = [case["images"] / case["threads"] / v for v in values]
        row |= {
            "contender": name,
            "median": rounded(scale * statistics.median(values)),
            "low": rounded(scale * min(values)),
            "high": rounded(scale * max(values)),
            "unit": unit,
            "rounds": len(values),
            "versions": " ".join(f"{k}={v}" for k, v in versions[name].items()),
            **common,
        }
        if name != ours:
            ratios = [
                a / b for a, b in zip(found[ours], found[name], strict=True)
            ]
            if unit == "images/s/core":
                ratios = [1 / ratio for ratio in ratios]
            row |= {
                "ratio": f"{statistics.median(ratios):.3f}",
                "ratio_low": f"{min(ratios):.3f}",
                "ratio_high": f"{max(ratios):.3f}",
            }
        yield row


def rounded(value: float) -> str:
    """Returns a number as the CSV file has it: more of one that is small."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def shown(value: float) -> str:
    """Returns a number as the README's table has it."""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def write(path: Path, rows: list[dict]):
    """Adds rows to a CSV file, in place of those of the same case."""
    old = []
    if path.exists():
        with path.open(newline="") as file:
            old = list(csv.DictReader(file))
    # All of them: a row's ratio is to ours of its own run.
    new = [str(rows[0][key]) for key in CASE]
    kept = [row for row in old if [row[key] for key in CASE] != new]
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = dict.fromkeys(COLUMNS, "")
    write_csv(path, [{**columns, **row} for row in kept + rows])


def repeat(photos: str, folder: str, times: int) -> int:
    """Makes a folder of links to photos, each some times; returns how many.

    A pass over a large set starts once in many images, and so does this.
    """
    for one in Path(photos).resolve().iterdir():
        for number in range(times):
            link = Path(folder) / f"{one.name}_{number}"
            link.parent.mkdir(exist_ok=True)
            if not link.exists():
                link.symlink_to(one)
    return sum(len(list(link.iterdir())) for link in Path(folder).iterdir())


def table(rows: list[dict]) -> str:
    """Returns the targets and what was measured, in Markdown."""
    lines = [
        "| work | batch | ours | fastest peer | ratio (spread) | target |",
        "|---|---|---|---|---|---|",
    ]
    for label, work, model, batch, peers, limit in TARGETS:
        case = [
            row
            for row in rows
            if (row["work"], row["model"]) == (work, model)
            and int(row["batch"]) == batch
            and row["size"] == str(NETWORKS[model].input_size)
            and row["threads"] == THREADS
        ]
        more_is_better = UNITS.get(work) == "images/s/core"
        theirs = [row for row in case if row["contender"] in peers]
        sign = "≥" if more_is_better else "≤"
        if not theirs:
            lines.append(
                f"| {label} | {batch} | not measured | | | {sign} {limit:.2f} |"
            )
            continue
        closest = (min if more_is_better else max)(
            theirs, key=lambda row: float(row["ratio"])
        )
        ours = next(row for row in case if row["contender"] == "keras_senet")
        ratio = float(closest["ratio"])
        met = ratio >= limit if more_is_better else ratio <= limit
        unit = ours["unit"]
        lines.append(
            f"| {label} | {batch if work != 'build' else ''} | "
            f"{shown(float(ours['median']))} {unit} | "
            f"{NAMES.get(closest['contender'], closest['contender'])} "
            f"{shown(float(closest['median']))} {unit} | "
            f"{ratio:.2f} ({float(closest['ratio_low']):.2f} to "
            f"{float(closest['ratio_high']):.2f}) | "
            f"{sign} {limit:.2f} {'met' if met else '**missed**'} |"
        )
    augment = {
        NAMES.get(row["contender"], row["contender"]): row
        for row in rows
        if row["work"] == "augment" and row["threads"] == THREADS
    }
    if augment:
        ours = augment.pop("keras_senet")
        others = ", ".join(
            f"{name} {shown(float(row['median']))}"
            for name, row in augment.items()
        )
        lines += [
            "",
            f"RandAugment, images/s/core: {shown(float(ours['median']))} "
            f"(target 500); {others}.",
        ]
    dates = sorted({row["date"] for row in rows})
    lines += [
        "",
        f"{rows[0]['machine']}; {' to '.join(sorted({dates[0], dates[-1]}))}.",
    ]
    return "\n".join(lines)


def draw(rows: list[dict], path: Path):
    """Draws the ratios to every peer, and the cost against the work."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    colors = dict(
        zip(
            dict.fromkeys(row["contender"] for row in rows),
            plt.get_cmap("tab20").colors,
            strict=False,
        )
    )

    def legend(axis):
        marks = dict(
            zip(*reversed(axis.get_legend_handles_labels()), strict=True)
        )
        axis.legend(
            marks.values(),
            marks.keys(),
            fontsize=8,
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(1, 1),
        )

    wanted = {
        (work, model, str(batch)) for _, work, model, batch, *_ in TARGETS
    }
    compared = [
        row
        for row in rows
        if row["ratio"]
        and (row["work"], row["model"], row["batch"]) in wanted
        and row["size"] == "224"
        and row["threads"] == THREADS
        and row["unit"] != "images/s/core"
    ]
    cases = list(
        dict.fromkeys((r["work"], r["model"], r["batch"]) for r in compared)
    )
    figure, axis = plt.subplots(figsize=(8, 1.2 + 0.4 * len(cases)))
    for row in compared:
        place = cases.index((row["work"], row["model"], row["batch"]))
        ratio = float(row["ratio"])
        axis.errorbar(
            ratio,
            place,
            xerr=[
                [ratio - float(row["ratio_low"])],
                [float(row["ratio_high"]) - ratio],
            ],
            fmt="o",
            color=colors[row["contender"]],
            label=NAMES.get(row["contender"], row["contender"]),
            elinewidth=1,
        )
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_xscale("log")
    ticks = [0.25, 0.5, 0.75, 1, 1.25, 1.5]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    labels = [
        f"{work} {model}" + (f", batch {batch}" if work != "build" else "")
        for work, model, batch in cases
    ]
    axis.set_yticks(range(len(cases)), labels)
    axis.invert_yaxis()
    axis.set_xlabel("time or memory of keras_senet / that of the peer")
    legend(axis)
    figure.savefig(path.with_suffix(".png"), dpi=120, bbox_inches="tight")
    plt.close(figure)

    sweeps = {
        "batch": lambda r: r["model"] == "se_resnet50" and r["size"] == "224",
        "size": lambda r: r["model"] == "se_resnet50" and r["batch"] == "1",
        "depth": lambda r: r["batch"] == "1" and r["size"] == "224",
    }
    figure, axes = plt.subplots(1, 3, figsize=(13, 4))
    for axis, (name, belongs) in zip(axes, sweeps.items(), strict=True):
        lines = {}
        for row in rows:
            if row["work"] != "infer" or not belongs(row):
                continue
            depth = re.fullmatch(r"se_resnet(\d+)|senet(154)", row["model"])
            if not depth or row["threads"] != THREADS:
                continue
            depth = depth[1] or depth[2]
            x = int(depth if name == "depth" else row[name])
            y = float(row["median"]) / int(row["batch"])
            lines.setdefault(row["contender"], {})[x] = y
        for contender, points in lines.items():
            if len(points) > 2:
                axis.plot(
                    sorted(points),
                    [points[x] for x in sorted(points)],
                    "o-",
                    color=colors[contender],
                    label=NAMES.get(contender, contender),
                )
        axis.set_xlabel({"size": "height and width (pixels)"}.get(name, name))
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        ticks = sorted({x for points in lines.values() for x in points})
        axis.set_xticks(ticks, ticks)
        axis.minorticks_off()
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
    axes[0].set_ylabel("ms per image, inference")
    axes[0].legend(fontsize=8, frameon=False)
    titles = (
        "SE-ResNet-50",
        "SE-ResNet-50, batch 1",
        "SE-ResNets and SENet-154, batch 1",
    )
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path.with_name(f"{path.stem}_cost.png"), dpi=120)
    plt.close(figure)


def machine_name() -> str:
    """The processor and the number of cores that this process may use."""
    text = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        fields = dict(
            re.findall(r"^([\w ]+?)\s*: (.*)$", cpuinfo.read_text(), re.M)
        )
        text = (
            f"{fields.get('model name', text)} family "
            f"{fields.get('cpu family', '?')} model {fields.get('model', '?')}"
        )
    return f"{text}, {len(os.sched_getaffinity(0))} cores"


class Words(argparse.Action):
    """Words of an option, with spaces or commas between them."""

    def __call__(self, parser, namespace, values, option_string=None):
        found = [word for value in values for word in value.split(",") if word]
        setattr(namespace, self.dest, found)


def peers_of(works):
    """The peers that can do each work."""
    known = runpy.run_path(str(CONTENDERS))["CONTENDERS"]
    return {
        work: [name for name in known[work] if name != "keras_senet"]
        for work in works
    }


def check(parser, args):
    """Ends the script with what is wrong with the arguments, if anything."""
    if not (args.work or args.draw):
        parser.error("nothing to do: give --work, --draw or both.")
    for work in args.work:
        if work not in WORKS:
            parser.error(f"--work has {work!r}. Allowed: {', '.join(WORKS)}.")
    for option in ("threads", "rounds", "times"):
        if getattr(args, option) < 1:
            parser.error(f"--{option} is {getattr(args, option)}: at least 1.")
    if args.warmup < 0:
        parser.error(f"--warmup is {args.warmup}: at least 0.")
    for option in ("batch", "size"):
        if min(getattr(args, option) or [1]) < 1:
            parser.error(f"--{option} has a number below 1.")
    for model in args.models:
        if model not in NETWORKS:
            parser.error(
                f"--models has {model!r}, which is no network. `keras-senet "
                "list` names all."
            )
    known = peers_of(WORKS)
    there = list(dict.fromkeys(itertools.chain(*known.values())))
    for peer in args.peers or ():
        if peer not in there:
            parser.error(
                f"--peers has {peer!r}, which has no part in any work. "
                f"Allowed: {', '.join(there)}."
            )
    for work in args.work:
        if work not in ("input", "augment"):
            continue
        if not args.photos:
            parser.error(
                f"--work {work} reads photos. Give --photos FOLDER, a folder "
                "with a folder of JPEG files per class."
            )
        if not Path(args.photos).is_dir():
            parser.error(
                f"--photos is {args.photos!r}, and there is no such folder."
            )


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The options, checked; the script's own by default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    several = {"nargs": "+", "action": Words, "metavar": "NAME"}
    parser.add_argument(
        "--work", **several, default=[], help=f"of {', '.join(WORKS)}"
    )
    parser.add_argument(
        "--draw",
        action="store_true",
        help="make the pictures and the README's table of what is measured",
    )
    parser.add_argument("--models", **several, default=["se_resnet50"])
    parser.add_argument(
        "--peers",
        **several,
        help="each for the work that it has a part in (default: all)",
    )
    parser.add_argument("--batch", nargs="+", type=int, default=[8])
    parser.add_argument(
        "--size", nargs="+", type=int, help="default: that of the network"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument(
        "--times", type=int, default=3, help="the median of which is a round"
    )
    parser.add_argument(
        "--photos",
        default=os.environ.get("KERAS_SENET_PHOTOS"),
        help="folder of photos, for input and augment\n"
        "(default: $KERAS_SENET_PHOTOS)",
    )
    parser.add_argument(
        "--out", help="CSV file (default: results/benchmark_MACHINE.csv)"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show what contenders print"
    )
    args = parser.parse_args(words)
    check(parser, args)
    return args


def main() -> int:
    args = arguments()
    machine = machine_name()
    slug = re.sub(r"\W+", "_", machine.lower()).strip("_")
    out = Path(args.out or ROOT / "results" / f"benchmark_{slug}.csv")
    common = {
        "date": datetime.date.today().isoformat(),
        "machine": machine,
        # Whose photos they are is nobody else's folder.
        "command": "python scripts/benchmark.py "
        + shlex.join(
            "FOLDER" if word == args.photos else word for word in sys.argv[1:]
        ),
    }
    status = 0
    known = peers_of(args.work)
    cases = [
        (work, model, batch, size)
        for work, model, batch in itertools.product(
            args.work, args.models, args.batch
        )
        for size in args.size or [NETWORKS[model].input_size]
    ]
    with tempfile.TemporaryDirectory() as folder:
        for work, model, batch, size in cases:
            case = {
                "work": work,
                "model": model,
                "batch": batch,
                "size": size,
                "threads": args.threads,
                "warmup": args.warmup,
                "times": args.times,
                "folder": folder,
                "photos": args.photos,
                "verbose": args.verbose,
            }
            if work == "loop":
                case["steps"] = STEPS
                case["images"] = STEPS * batch
            elif UNITS.get(work) == "images/s/core":
                # Keras takes half a minute for a thousand augmentations.
                times = {"input": 8, "augment": 4}[work]
                case["photos"] = f"{folder}/{work}"
                case["images"] = repeat(args.photos, case["photos"], times)
            print(f"{work} {model}, batch {batch}, {size} px", flush=True)
            peers = args.peers or WORKS[work]
            names = ["keras_senet", *(p for p in peers if p in known[work])]
            try:
                found, versions = measure(case, names, args.rounds)
            except ContenderError as error:
                print(f"  failed: {error}", file=sys.stderr)
                status = 1
                continue
            rows = list(rows_of(case, found, versions, common))
            write(out, rows)
            for row in rows:
                ratio = ""
                if "ratio" in row:
                    ratio = (
                        f"keras_senet/{row['contender']} {row['ratio']} "
                        f"({row['ratio_low']} to {row['ratio_high']})"
                    )
                print(
                    f"  {row['contender']:14} {row['median']:>9} {row['unit']}"
                    f" ({row['low']} to {row['high']})  {ratio}",
                    flush=True,
                )

    if args.draw:
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
        draw(rows, out)
        put_between_marks(ROOT / "README.md", "benchmark", table(rows) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
