"""The command `python -m supple.bench`: lists the benchmarks, or runs one and shows its result."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from supple.bench import CATALOGUE, find
from supple.errors import SuppleError

# A table is not folded where it goes to a file.
_WIDTH_WITHOUT_TERMINAL = 1000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    name: Annotated[str | None, typer.Argument(help="The benchmark; without it they are listed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object of JSON.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Run a small version; its numbers mean nothing.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Draw members and orders from this seed.")] = 0,
    models: Annotated[
        list[str] | None,
        typer.Option("--models", metavar="NAME", help="Take this model, or these with commas between; once or more."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", help="Keep finished parts of a long benchmark here, and take up those that are there."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="The folder of the data set, for benchmarks on data.")
    ] = None,
) -> None:
    """Run a reproducible comparison, and print it with its spread, the machine and the versions."""
    if name is None:
        for known, entry in CATALOGUE.items():
            typer.echo(f"{known}  {entry.shows}")
        return
    chosen = tuple(model for text in models or () for model in text.split(",") if model)
    try:
        run = find(name)
        if chosen and not CATALOGUE[name].takes_models:
            raise SuppleError(f'The benchmark "{name}" has models of its own: it takes no --models.')
        if (folder or data) and not CATALOGUE[name].takes_folders:
            raise SuppleError(
                f'The benchmark "{name}" has no parts to keep and no data: it takes no --folder or --data.'
            )
    except SuppleError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    # Only now what takes time to import.
    from supple.bench.form import Options, Result, print_result
    from supple.machine import describe_machine, package_versions
    from supple.runs.console import console_progress

    options = Options(quick, seed, chosen, folder, data)
    try:
        with console_progress() as progress:
            outcome = run(options, progress)
    except SuppleError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    result = Result(name, options, describe_machine(), package_versions(), outcome)
    if as_json:
        typer.echo(json.dumps(result.to_json()))
    else:
        print_result(result, Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL))


if __name__ == "__main__":
    app(prog_name="python -m supple.bench")
