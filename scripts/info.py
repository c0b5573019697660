"""`pneumoseg info`: versions, hardware, presets and the case store."""

import shutil
from dataclasses import asdict
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Quiet, Verbose, settings_of, use_device
from pneumoseg.scripts.shared.printing import print_json


@command
def info(
    preset: Annotated[
        str | None, typer.Option("--preset", help="Show the settings and the network of this preset.")
    ] = None,
    clear_cases: Annotated[bool, typer.Option("--clear-cases", help="Remove the prepared cases.")] = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Shows versions, hardware, presets, and where prepared cases lie and how much room they take.

    With a preset: its settings, and its network layer by layer with output shapes and parameters, as remarks.

    Example: pneumoseg info --preset demo
    """
    from pneumoseg.data_io.storage.cache import cache_folder
    from pneumoseg.pipeline.models.bundled import bundled_models
    from pneumoseg.pipeline.settings.loading import (
        load_study_settings,
        names_study_settings,
        preset_names,
        settings_yaml,
    )
    from pneumoseg.pipeline.settings.studies import StudySettings

    cases = cache_folder() / "cases"
    if clear_cases and cases.is_dir():
        shutil.rmtree(cases)
    if preset is not None and names_study_settings(preset):
        of_studies = load_study_settings(preset)
        if quiet and not json:
            return
        use_device("auto", None)
        from pneumoseg.pipeline.networks.study_networks import build_study_network
        from pneumoseg.pipeline.networks.study_summary import study_summary

        network = build_study_network(of_studies)
        if json:
            facts_of_network = {"network_summary": {"parameters": network.count_params()}}
            print_json({**of_studies.model_dump(mode="json"), **facts_of_network})
        else:
            _print_settings(settings_yaml(of_studies), study_summary(network, of_studies))
        return
    if preset is not None:
        settings = settings_of(preset)
        if quiet and not json:
            return
        use_device("auto", None)
        from pneumoseg.pipeline.networks.summary import readable_summary, summarise_settings

        summary = summarise_settings(settings)
        if json:
            print_json({**settings.model_dump(mode="json"), "network_summary": asdict(summary)})
        else:
            _print_settings(settings_yaml(settings), readable_summary(summary))
        return
    use_device("auto", None)
    import importlib.metadata

    from pneumoseg.pipeline.prediction.precision_choice import known_choices
    from pneumoseg.pipeline.runtime.hardware import description
    from pneumoseg.pipeline.training.precision_choice import known_policies

    size = sum(file.stat().st_size for file in cases.rglob("*") if file.is_file()) if cases.is_dir() else 0
    models = {
        name: sorted([*folder.glob("model.keras"), *folder.glob("fold_*/model.keras")])
        for name, folder in bundled_models().items()
    }
    facts = {
        "pneumoseg": importlib.metadata.version("pneumoseg"),
        "tensorflow": importlib.metadata.version("tensorflow"),
        "keras": importlib.metadata.version("keras"),
        **description(),
        "openvino": importlib.metadata.version("openvino"),
        "prediction": "keras" if description()["gpu"] else "openvino",
        "measured": {
            "training": known_policies(),
            **{name: [words for file in models[name] for words in known_choices(file)] for name in models},
        },
        "presets": list(preset_names()),
        "presets of whole studies": list(preset_names(StudySettings)),
        "bundled models": list(bundled_models()),
        "prepared cases": {"folder": str(cases), "megabytes": round(size / 1e6, 1)},
    }
    if json:
        print_json(facts)
    elif not quiet:
        for name, value in facts.items():
            print(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
        print("clear the prepared cases with: pneumoseg info --clear-cases")


def _print_settings(yaml: str, network: str) -> None:
    """Settings as YAML, the network as remarks under them."""
    print(yaml)
    print("\n".join(f"# {line}".rstrip() for line in network.splitlines()))


if __name__ == "__main__":
    run(info)
