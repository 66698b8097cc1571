"""The command line: each command is a thin call into the API. Nothing heavy is imported before a command runs."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import supple
from supple.errors import SuppleError

app = typer.Typer(
    name="supple",
    help="Train one network, fit every device: turn a PyTorch model into a family of networks with shared weights.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_MEGABYTE = 1_000_000

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file: the model, the data, the settings.")]
Out = Annotated[Path | None, typer.Option("--out", help="Run directory. Default: a new one below runs/.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, as train.epochs=3.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print the resolved config and stop.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="[NAME=]SHAPE[:TYPE]",
        help="Shape of an input without the batch, as 3,224,224 or input_ids=16:int64; once per input.",
    ),
]
Weights = Annotated[
    Path | None, typer.Option("--weights", metavar="FILE", help="Take the weights from a safetensors file.")
]
Pretrained = Annotated[
    bool | None,
    typer.Option(
        "--pretrained/--no-pretrained",
        help="Take the weights that timm or transformers has. Default: transformers yes, timm no.",
        show_default=False,
    ),
]


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"supple {supple.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the full Fashion-MNIST set as IDX files.")
    ] = None,
    out: Out = None,
    resume: Resume = False,
    overrides: Overrides = None,
    print_config: PrintConfig = False,
    debug: Debug = False,
) -> None:
    """Train a family on Fashion-MNIST, find its best members for this machine, export them, and write a report.

    Works offline and takes about five minutes on two CPU cores.
    """
    from supple.runs import DEMO_CONFIG

    full_set = [] if data is None else [f"data.path={str(data)!r}"]
    _execute(DEMO_CONFIG, "demo", [*full_set, *(overrides or [])], out, resume, print_config, debug)


@app.command()
def run(
    config: ConfigFile,
    out: Out = None,
    resume: Resume = False,
    overrides: Overrides = None,
    print_config: PrintConfig = False,
    debug: Debug = False,
) -> None:
    """Do the whole job for your own model and data, as a YAML file describes it.

    `supple demo --print-config` prints such a file.
    """
    _execute(config, config.stem, overrides or [], out, resume, print_config, debug)


@app.command()
def train(
    config: ConfigFile,
    out: Out = None,
    resume: Resume = False,
    overrides: Overrides = None,
    print_config: PrintConfig = False,
    debug: Debug = False,
) -> None:
    """Train the family of a YAML file and stop there: the first half of `supple run`.

    `supple run CONFIG --out FOLDER --resume` goes on from it with the search, the export and the report.
    """
    _execute(config, config.stem, overrides or [], out, resume, print_config, debug, only_training=True)


@app.command("search")
def search_command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Folder of a run whose family is trained, or its name below runs/.")
    ],
    objectives: Annotated[
        list[str] | None,
        typer.Option(
            "--objective", metavar="FIGURE", help="What is to be good, as accuracy or macs; once per objective."
        ),
    ] = None,
    constraints: Annotated[
        list[str] | None,
        typer.Option(
            "--constraint",
            metavar="LIMIT",
            help="What members must keep, as 'latency_ms <= 5 on openvino:cpu' or 'parameters <= 1e6'; once per limit.",
        ),
    ] = None,
    targets: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="TARGET", help="Where latency is measured; once per target."),
    ] = None,
    dimensions: Annotated[
        str | None,
        typer.Option(
            "--dimensions",
            metavar="WORDS",
            help="What is searched: shape, bits, kinds as depth, or patterns of names, with commas. Default: all. "
            "With bits, a family without precisions gets int8.",
        ),
    ] = None,
    budget: Annotated[
        int | None, typer.Option("--budget", metavar="MEMBERS", help="Members to evaluate, random ones included.")
    ] = None,
    searcher: Annotated[
        str | None, typer.Option("--searcher", metavar="NAME", help="How the next member is chosen, as nsga2.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the proposals.")] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="NUMBER", help="Search so many times, each with a seed of its own.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="NUMBER", help="Processes that evaluate members.")
    ] = None,
    warm_start: Annotated[
        str | None, typer.Option("--warm-start", metavar="STUDY", help="Begin with the best of an earlier study.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Folder of the search in RUN/searches. Default: a number."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a search: the newest one, or the one of that --name.")
    ] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change another setting, as patience=20.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object of JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Search the trained family of a run for its best members, next to random members that cost as much.

    Settings that are not given are those of the run's own search. Only validation data is read.
    """
    try:
        from supple.runs import SearchRequest, console_progress, search_json_told, search_named, search_told

        given = {
            "objectives": objectives,
            "constraints": constraints,
            "targets": targets,
            "dimensions": dimensions,
            "budget": budget,
            "searcher": None if searcher is None else {"kind": searcher},
            "seed": seed,
            "seeds": seeds,
            "workers": workers,
            "warm_start": warm_start,
        }
        settings = {key: value for key, value in given.items() if value is not None}
        with console_progress() as progress:
            found = search_named(SearchRequest(run, name, resume, settings, overrides or ()), progress)
        typer.echo(json.dumps(search_json_told(*found)) if as_json else search_told(*found))
    except (SuppleError, OSError) as error:
        _fail(error, debug)
    except KeyboardInterrupt:
        _tell("\nInterrupted. Go on with the same command and --resume.")
        raise typer.Exit(130) from None


@app.command("sensitivity")
def sensitivity_command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Folder of a run whose family is trained, or its name below runs/.")
    ],
    measure: Annotated[
        str,
        typer.Option("--measure", metavar="NAME", help="distortion, loss, hessian or interactions."),
    ] = "distortion",
    samples: Annotated[int, typer.Option("--samples", metavar="NUMBER", help="Training samples to measure on.")] = 512,
    layers: Annotated[
        list[str] | None,
        typer.Option("--layers", metavar="PATTERN", help="Layers to measure, as 'stages.*'; once per pattern."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Formats that layers may have, where the run names none. Default: int8; once per format.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="JSON of a member's config. Default: the full network."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object of JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Show how much harm rounding each layer does to a trained family, and which layers to leave alone.

    Only training data is read.
    """
    try:
        from supple.runs import SensitivityRequest, sensitivity_json, sensitivity_named

        request = SensitivityRequest(run, measure, samples, layers or ("*",), formats or (), config)
        found, advice = sensitivity_named(request)
        typer.echo(json.dumps(sensitivity_json(found, advice)) if as_json else str(advice))
    except (SuppleError, OSError) as error:
        _fail(error, debug)


@app.command("convert")
def convert_command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="package.module:name, timm:NAME, transformers:NAME, or a transformers folder."
        ),
    ],
    inputs: Inputs = None,
    weights: Weights = None,
    pretrained: Pretrained = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option("--freeze", metavar="PATTERN", help="Keep what it finds as it is, as 'head*'; once per pattern."),
    ] = None,
    choices: Annotated[
        list[str] | None,
        typer.Option(
            "--choices",
            metavar="PATTERN=VALUES",
            help="Sizes, or shares of the full size, as 'blocks.*.mlp=0.5,0.75,1.0'; once per pattern.",
        ),
    ] = None,
    ties: Annotated[
        list[str] | None,
        typer.Option(
            "--tie",
            metavar="NAME=PATTERN",
            help="Make one dimension of those found, as 'stage1.hidden=layer1.*.hidden'; once per pattern.",
        ),
    ] = None,
    resolutions: Annotated[
        list[int] | None,
        typer.Option("--resolution", metavar="HEIGHT", help="Let images have this height too; once per height."),
    ] = None,
    kernel_transform: Annotated[
        bool, typer.Option("--kernel-transform", help="Learn how smaller kernels follow from larger ones.")
    ] = False,
    prove: Annotated[
        bool,
        typer.Option("--proof/--no-proof", help="Try every dimension by a run, and freeze what fails."),
    ] = True,
    output: Annotated[
        Path | None, typer.Option("--output", "--out", metavar="FOLDER", help="Save the family in this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one object of JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Turn a model into a family, and print what in it is elastic, how many members it has, and what is frozen."""
    try:
        from supple.runs import ConvertConfig, ConvertRequest, convert_named, parse_choice, parse_ties

        options = ConvertConfig(
            choices=dict(map(parse_choice, choices or ())),
            freeze=freeze or [],
            ties=parse_ties(ties or ()),
            resolutions=resolutions or [],
            kernel_transform=kernel_transform,
            prove=prove,
        )
        request = ConvertRequest(model, inputs or (), weights, pretrained, options, output)
        summary = convert_named(request).summary()
        typer.echo(json.dumps(summary.to_json()) if as_json else str(summary))
    except (SuppleError, OSError) as error:
        _fail(error, debug)


@app.command("targets")
def targets_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one list of JSON.")] = False,
    debug: Debug = False,
) -> None:
    """List where members can be measured and shipped: what this machine has, and what would add the rest.

    Settings follow behind a question mark, as in openvino:cpu?threads=2&batch=8&resolution=96.
    """
    try:
        from supple.runtime.runtimes import availability, availability_table

        found = availability()
        typer.echo(json.dumps([asdict(entry) for entry in found]) if as_json else availability_table(found))
    except (SuppleError, OSError) as error:
        _fail(error, debug)


@app.command("measure")
def measure_command(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Exported models (.onnx, .pte, .safetensors), compared side by side."),
    ],
    target: Annotated[
        str, typer.Option("--target", help="Where to measure: `supple targets` lists what this machine has.")
    ] = "onnxruntime:cpu?threads=1",
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="Longest time that measuring may take.")] = 20.0,
    energy: Annotated[bool, typer.Option("--energy", help="Measure the energy of a batch too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object of JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Measure how long exported models take for one batch, in interleaved rounds, with the interval of the median."""
    try:
        from supple.cost.measured import measure_files, measured_json, measured_text

        measured = measure_files(files, target, seconds, energy)
        typer.echo(json.dumps(measured_json(measured)) if as_json else measured_text(measured))
    except (SuppleError, OSError) as error:
        _fail(error, debug)


@app.command()
def worker(
    listen: Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Address to listen on.")],
    token_file: Annotated[
        Path, typer.Option("--token-file", metavar="FILE", help="File with the token, which nobody else can read.")
    ],
    largest_program: Annotated[
        int, typer.Option("--largest-program", metavar="MB", min=1, help="Size that a program may have.")
    ] = 512,
    memory: Annotated[
        int | None,
        typer.Option("--memory", metavar="MB", min=1, help="Memory for measuring. Default: all of the machine."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Measure programs on this device for searches on other machines, until Ctrl-C.

    There, `remote+onnxruntime:cpu@HOST:PORT` is the target. Neither PyTorch nor ONNX is needed here.
    """
    try:
        from supple.cost.worker.serving import WorkerOptions, serve

        memory_bytes = None if memory is None else memory * _MEGABYTE
        options = WorkerOptions(listen, token_file, largest_program * _MEGABYTE, memory_bytes)
        serve(options, lambda line: typer.echo(line, err=True))
    except (SuppleError, OSError) as error:
        _fail(error, debug)


@app.command("profile")
def profile_command(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Where to measure, as onnxruntime:cpu?threads=1.")],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="Profile the family that this model becomes, as in convert."),
    ] = None,
    family: Annotated[
        Path | None,
        typer.Option("--family", metavar="FOLDER", help="Profile the family saved there; --model is its model."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="RUN", help="Profile the trained family of a run directory.")
    ] = None,
    inputs: Inputs = None,
    weights: Weights = None,
    pretrained: Pretrained = None,
    budget: Annotated[
        str, typer.Option("--budget", metavar="TIME", help="How long it may take, as 90s, 5m or 1h.")
    ] = "5m",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "--out", metavar="FOLDER", help="Save the profile there. Default: a folder below profiles/."
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Measure a family on a target, and save what predicts the latency of any member there, with its error.

    What has been measured is kept: the same command again, after an interruption or with more time, goes on from there.
    """
    try:
        from supple.runs import ProfileRequest, console_progress, profile_named, profile_told

        request = ProfileRequest(target, model, family, run, inputs or (), weights, pretrained, budget, output)
        with console_progress() as progress:
            found, folder = profile_named(request, progress)
        typer.echo(profile_told(found, folder))
    except (SuppleError, OSError) as error:
        _fail(error, debug)
    except KeyboardInterrupt:
        _tell("\nInterrupted. Go on with the same command.")
        raise typer.Exit(130) from None


def _execute(
    file: Path,
    name: str,
    overrides: list[str],
    out: Path | None,
    resume: bool,
    print_config: bool,
    debug: bool,
    only_training: bool = False,
) -> None:
    try:
        from supple.runs import execute, execute_training, load_config, new_directory, newest_directory

        config = load_config(file, overrides)
        if print_config:
            typer.echo(config.to_yaml(), nl=False)
            return
        folder = out or (newest_directory(name) if resume else new_directory(name))
        # Only the main one of several processes has something to tell.
        if result := (execute_training if only_training else execute)(config, folder, resume):
            typer.echo(result)
    except (SuppleError, OSError) as error:
        _fail(error, debug)
    except KeyboardInterrupt:
        _tell("\nInterrupted. Go on with the same command and --resume.")
        raise typer.Exit(130) from None


def _fail(error: Exception, debug: bool) -> None:
    if debug:
        raise error
    _tell(f"Error: {error}")
    raise typer.Exit(1) from None


def _tell(line: str) -> None:
    # Where torchrun started several processes, one of them tells; a device that only measures has no PyTorch to ask.
    if "WORLD_SIZE" in os.environ:
        from supple.runs import tells_the_user

        if not tells_the_user():
            return
    typer.echo(line, err=True)


def main() -> None:
    """Run the command line."""
    # Threads of PyTorch's that wait should sleep, not spin: where other programs need the cores too, spinning threads
    # were seen to make a training step eight times slower. It counts only if it is set before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app(prog_name="supple")


if __name__ == "__main__":
    main()
