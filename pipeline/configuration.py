"""Settings from presets, YAML files and single changes; what is wrong is said in one line."""

import importlib.resources
import typing
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from data_io.errors import InputError, nearest
from pipeline.settings import Settings


def preset_names() -> tuple[str, ...]:
    """The names of the presets that come with the package."""
    files = importlib.resources.files("pipeline.presets").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def load_settings(preset: str | Path = "covid-3d-unet", changes: Sequence[str] = ()) -> Settings:
    """Settings from a preset's name or a YAML file, with `changes` such as "training.epochs=5" (values are YAML).

    Raises InputError for an unknown preset, an unknown key (naming the nearest valid one), a value out of range
    or a file that is no text.
    """
    if str(preset) in preset_names():
        text = importlib.resources.files("pipeline.presets").joinpath(f"{preset}.yaml").read_text(encoding="utf-8")
    elif Path(preset).is_file():
        try:
            text = Path(preset).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"settings {preset}: a YAML file is text in UTF-8, found other bytes at {error.start}; store it "
                "as UTF-8, or for a model give the settings.yaml of its run"
            ) from error
    else:
        raise InputError(f"preset {preset}: no such preset or file{nearest(str(preset), preset_names())}")
    content = _parse(text, f"settings {preset}")
    for change in changes:
        _change(content, change)
    return settings_from(content, f"settings {preset}")


def settings_from(content: dict, origin: str) -> Settings:
    """Settings from nested dictionaries; `origin` names them in errors. Raises InputError as `load_settings`."""
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{origin}: {'; '.join(_in_words(problem) for problem in error.errors()[:5])}") from error


def change_settings(settings: Settings, changes: Sequence[str], origin: str) -> Settings:
    """The settings with `changes` such as "prediction.overlap=0.25". Raises InputError as `load_settings`."""
    content = settings.model_dump(mode="json")
    for change in changes:
        _change(content, change)
    return settings_from(content, origin)


def settings_yaml(settings: Settings) -> str:
    """All settings as YAML; `load_settings` of that file gives them back."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, default_flow_style=None)


def _parse(text: str, origin: str) -> dict:
    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{origin}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise InputError(f"{origin}: settings are keys and values, found {type(content).__name__}")
    return content


def _change(content: dict, change: str) -> None:
    key, equals, value = change.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {change}: give KEY=VALUE, for instance training.epochs=5")
    *groups, name = key.strip().split(".")
    for group in groups:
        content = content.setdefault(group, {})
        if not isinstance(content, dict):
            raise InputError(f"--set {change}: {group} is not a group of settings")
    content[name] = _parse(f"value: {value}", f"--set {change}")["value"]


def _in_words(problem: typing.Any) -> str:
    place = ".".join(str(part) for part in problem["loc"]) or "settings"
    if problem["type"] == "extra_forbidden":
        group: typing.Any = Settings
        for part in problem["loc"][:-1]:
            group = group.model_fields[part].annotation
        valid = group.model_fields if isinstance(group, type) and issubclass(group, BaseModel) else ()
        return f"{place} is not a setting{nearest(str(problem['loc'][-1]), tuple(valid))}"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    given = problem["input"]
    found = "" if isinstance(given, dict | BaseModel) or "found" in message else f", found {given!r}"
    return f"{place}: {message}{found}"
