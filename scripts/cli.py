"""The command `pneumoseg`: all commands under one name."""

import importlib
import importlib.metadata
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import HANDING_ON
from pneumoseg.scripts.shared.streams import run_with_streams

COMMANDS = (
    *("phantom", "download", "verify", "explore", "prepare", "kfold", "train", "predict", "bundle"),
    *("vote", "evaluate", "compare", "metric-comparison", "severity", "followup", "report", "miscnn", "info"),
    *("studies", "convert", "deidentify", "receive", "watch", "serve", "submit"),
)

app = typer.Typer(
    help="Segment COVID-19 lungs in CT volumes: train, cross-validate, predict and measure 3D U-Nets.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(version: bool) -> None:
    if version:
        print(f"pneumoseg {importlib.metadata.version('pneumoseg')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The flags of `pneumoseg` itself."""


for _name in COMMANDS:
    _function = _name.replace("-", "_")
    app.command(name=_name, context_settings=HANDING_ON if _name == "submit" else None)(
        getattr(importlib.import_module(f"pneumoseg.scripts.{_function}"), _function)
    )


def main() -> None:
    """Runs the command that the arguments name."""
    run_with_streams(app)


if __name__ == "__main__":
    main()
