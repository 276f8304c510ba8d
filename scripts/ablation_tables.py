"""What is known of the finished runs of a study: tables and a picture."""

import json
import statistics
import sys

from ablation_rows import STANDARD, STUDIES, describe, rows_of
from marks import markdown, write_csv

from keras_senet import plots
from keras_senet.replace import replaced


def read_json(path):
    """What a file of the folder says; ends the program if it is damaged."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        sys.exit(
            f"{path} is damaged ({error}). Remove it: the same command makes "
            "it anew."
        )


def finished_runs(args, folder, network, options):
    """What is known of all finished runs of the study, by row and seed."""
    found = []
    for row in rows_of(args.study, network):
        try:
            name = describe(network, options, row)
        except ValueError:
            # A row that this network can't have.
            continue
        runs = [
            read_json(path)
            for path in folder.glob(f"finished/{name}-[0-9]*.json")
        ]
        found += [
            {
                "study": args.study,
                "row": row.label,
                **run,
                "paper_top1_error": row.paper,
            }
            for run in sorted(runs, key=lambda run: run["seed"])
        ]
    return found


def summarise(study, runs):
    """A line per row of the study: mean, spread, and the paper's."""
    lines = {}
    for label in dict.fromkeys(run["row"] for run in runs):
        same = [run for run in runs if run["row"] == label]
        errors = [run["top1_error"] for run in same]
        line = {
            "row": label,
            "errors": errors,
            "mean": statistics.mean(errors),
            "variance": None,
            "change": None,
            "standard_error": None,
            "parameters": same[0]["parameters"],
            "paper": same[0]["paper_top1_error"],
        }
        if len(errors) > 1:
            line["variance"] = statistics.variance(errors)
        lines[label] = line
    standard = lines.get(compared_with(study))
    for line in lines.values():
        if standard in (None, line):
            continue
        line["change"] = line["mean"] - standard["mean"]
        if None not in (line["variance"], standard["variance"]):
            line["standard_error"] = (
                line["variance"] / len(line["errors"])
                + standard["variance"] / len(standard["errors"])
            ) ** 0.5
    return list(lines.values())


def compared_with(study):
    """The label of the row that the others are compared with."""
    return STANDARD.get(study, STUDIES[study][0].label)


def table(study, lines):
    """The lines as Markdown."""

    def points(value, sign=""):
        return "" if value is None else f"{value:{sign}.2f}"

    return markdown(
        [
            study,
            "top-1 error (%)",
            "deviation",
            "runs",
            f'change from "{compared_with(study)}"',
            "its standard error",
            "parameters",
            "the paper's, SE-ResNet-50 on ImageNet",
        ],
        [
            [
                line["row"],
                points(line["mean"]),
                points(line["variance"] and line["variance"] ** 0.5),
                len(line["errors"]),
                points(line["change"], "+"),
                points(line["standard_error"]),
                f"{line['parameters']:,}",
                points(line["paper"]),
            ]
            for line in lines
        ],
    )


def write(args, folder, network, options):
    """Writes runs, table and picture of what is finished; returns the table."""
    runs = finished_runs(args, folder, network, options)
    lines = summarise(args.study, runs)
    write_csv(folder / f"{args.study}.csv", runs)
    text = table(args.study, lines)
    with replaced(folder / f"{args.study}.md") as partial:
        partial.write_text(text)
    figure, axes = plots.new_figure(6, 3.5)
    for place, line in enumerate(lines):
        errors = line["errors"]
        axes.plot([place] * len(errors), errors, "o", color="tab:blue", ms=4)
        axes.plot(place, line["mean"], "_", color="black", ms=24)
    axes.set_xticks(range(len(lines)), [line["row"] for line in lines])
    axes.set_ylabel("top-1 error (%)")
    axes.set_title(
        f"{args.study}: {folder.name}\na dot per seed, bars are means",
        fontsize=9,
    )
    axes.grid(axis="y", alpha=0.3)
    plots.save(figure, folder / f"{args.study}.png")
    return text
