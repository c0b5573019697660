"""Loads settings from presets, YAML files and single changes; errors are one line."""

import importlib.resources
import reprlib
import typing
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.data_io.storage.text_files import read_text
from pneumoseg.data_io.storage.yaml_text import parse_yaml
from pneumoseg.pipeline.settings.schema import Settings
from pneumoseg.pipeline.settings.studies import StudySettings

AnySettings = typing.TypeVar("AnySettings", Settings, StudySettings)
PRESETS: dict[type, str] = {
    Settings: "pneumoseg.pipeline.settings.presets",
    StudySettings: "pneumoseg.pipeline.settings.study_presets",
}
"""The packages of the presets, by the kind of settings: of segmentations, and of networks for whole studies."""
FROM_FILE = "file"
"""Recorded as evaluation.splits in place of a file's path, as paths may identify people or data."""
MOST_VALUES = 10_000
LONGEST_VALUE = 80
LONGEST_MESSAGE = 800


def preset_names(schema: type[Settings] | type[StudySettings] = Settings) -> tuple[str, ...]:
    """The names of the package's presets for settings of that kind."""
    files = importlib.resources.files(PRESETS[schema]).iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def load_settings(preset: str | Path = "covid-3d-unet", changes: Sequence[str] = ()) -> Settings:
    """Settings from a preset's name or a YAML file, with `changes` such as "training.epochs=5" (values are YAML).

    With `base: NAME` a preset or file holds what differs from that preset. Raises InputError for an unknown preset, an
    unknown key (naming the nearest valid one), a value out of range or a file that is not text.
    """
    return _load(Settings, preset, changes)


def load_study_settings(preset: str | Path = "hrct-joint", changes: Sequence[str] = ()) -> StudySettings:
    """As `load_settings`, for networks that say one thing of a whole CT, whose presets are others."""
    return _load(StudySettings, preset, changes)


def names_study_settings(preset: str | Path) -> bool:
    """Whether a preset's name or a YAML file is of a network for whole studies. Raises InputError for a file that is no
    YAML."""
    if str(preset) in preset_names(StudySettings) or not Path(preset).is_file():
        return str(preset) in preset_names(StudySettings)
    content = _parse(read_text(preset, "a YAML file of settings", largest_bytes=1_000_000), f"settings {preset}")
    return of_studies(content) or content.get("base") in preset_names(StudySettings)


def _load(schema: type[AnySettings], preset: str | Path, changes: Sequence[str]) -> AnySettings:
    names = preset_names(schema)
    if str(preset) in names:
        content = _preset(str(preset), schema)
    elif Path(preset).is_file():
        text = read_text(preset, "a YAML file of settings", largest_bytes=1_000_000)
        content = _on_base(_parse(text, f"settings {preset}"), f"settings {preset}", schema)
    else:
        raise InputError(f"preset {str(preset)[:200]}: no such preset or file{nearest(str(preset), names)}")
    for change in changes:
        _change(content, change)
    return _validated(content, f"settings {preset}", schema)


def _preset(name: str, schema: type) -> dict:
    file = importlib.resources.files(PRESETS[schema]).joinpath(f"{name}.yaml")
    return _on_base(_parse(file.read_text(encoding="utf-8"), f"settings {name}"), f"settings {name}", schema)


def _on_base(content: dict, origin: str, schema: type) -> dict:
    """The content, what it lacks taken from the preset that its `base` names, which may have a base itself."""
    base = content.pop("base", None)
    if base is None:
        return content
    names = preset_names(schema)
    if base not in names:
        shown = _shortened(base)
        raise InputError(f"{origin}: base is the name of a preset{nearest(str(base)[:200], names)}, found {shown}")
    return _merged(_preset(base, schema), content)


def _merged(below: dict, above: dict) -> dict:
    """`above` over `below`, group by group; the keys of settings are names, those of a mapping of labels numbers."""
    merged = dict(below)
    for name, value in above.items():
        under = below.get(name, {})
        merged[name] = _merged(under, value) if _is_group(under) and _is_group(value) else value
    return merged


def _is_group(content: object) -> bool:
    return isinstance(content, dict) and all(isinstance(key, str) for key in content)


def settings_from(content: dict, origin: str) -> Settings:
    """Settings from nested dictionaries; `origin` is named in errors. Raises InputError as `load_settings`, and for
    settings of a network for whole studies."""
    return _validated(content, origin, Settings)


def study_settings_from(content: dict, origin: str) -> StudySettings:
    """As `settings_from`, for networks for whole studies. Raises InputError for settings of a segmentation."""
    return _validated(content, origin, StudySettings)


def _validated(content: dict, origin: str, schema: type[AnySettings]) -> AnySettings:
    if _value_count(content) > MOST_VALUES:
        raise InputError(f"{origin}: settings have at most {MOST_VALUES:,} values, found more")
    if of_studies(content) != (schema is StudySettings):
        kinds = ("a segmentation", "a network for whole studies, which have kind: studies")
        needed, found = kinds if schema is Settings else reversed(kinds)
        raise InputError(f"{origin}: settings of {needed} are needed, found those of {found}")
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        message = "; ".join(_message_of(problem, schema) for problem in error.errors(include_url=False)[:5])
        shown = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} ..."
        raise InputError(f"{origin}: {shown}") from error


def of_studies(content: object) -> bool:
    """Whether nested settings, of a file, are those of a network for whole studies.

    >>> of_studies({"kind": "studies", "seed": 1}), of_studies({"seed": 1})
    (True, False)
    """
    return isinstance(content, dict) and content.get("kind") == "studies"


def change_settings(settings: AnySettings, changes: Sequence[str], origin: str) -> AnySettings:
    """The settings with `changes` such as "prediction.overlap=0.25". Raises InputError as `load_settings`."""
    content = settings.model_dump(mode="json")
    for change in changes:
        _change(content, change)
    return _validated(content, origin, type(settings))


def with_defaults(content: object) -> object:
    """Nested settings as a file of an earlier version holds them, with the defaults of those that it lacks; what is not
    of that form as it is.

    >>> with_defaults({"prediction": {"overlap": 0.25}})["prediction"]["threshold"]
    0.5
    """
    defaults = StudySettings() if of_studies(content) else Settings()
    return _filled(content, defaults.model_dump(mode="json"))


def _filled(content: object, defaults: object) -> object:
    if isinstance(content, list) and isinstance(defaults, dict):  # one for each member of an ensemble
        return [_filled(one, defaults) for one in content]
    if not (isinstance(content, dict) and isinstance(defaults, dict)):
        return content
    return defaults | {name: _filled(value, defaults.get(name)) for name, value in content.items()}


def settings_yaml(settings: AnySettings) -> str:
    """All settings as YAML; `load_settings` or `load_study_settings` of that file gives them back."""
    return yaml.safe_dump(recorded(settings).model_dump(mode="json"), sort_keys=False, default_flow_style=None)


def recorded(settings: AnySettings) -> AnySettings:
    """The settings as files hold them: "file" in place of the path of a file of splits."""
    if not settings.evaluation.splits.lower().endswith(".json"):
        return settings
    evaluation = settings.evaluation.model_copy(update={"splits": FROM_FILE})
    return settings.model_copy(update={"evaluation": evaluation})


def _parse(text: str, origin: str) -> dict:
    content = parse_yaml(text, origin)
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise InputError(f"{origin}: settings are keys and values, found {type(content).__name__}")
    return content


def _change(content: dict, change: str) -> None:
    key, equals, value = change.partition("=")
    shown = change if len(change) <= LONGEST_VALUE else f"{change[:LONGEST_VALUE]} ..."
    if not equals or not key.strip():
        raise InputError(f"{shown}: give KEY=VALUE, for instance training.epochs=5", options=("changes",))
    *groups, name = key.strip().split(".")
    for group in groups:
        content = content.setdefault(group, {})
        if not isinstance(content, dict):
            raise InputError(f"{shown}: {group} is not a group of settings", options=("changes",))
    parsed = _parse(f"value: {value}", f"the change {shown}")
    if set(parsed) != {"value"}:
        raise InputError(f"{shown}: one value is needed, found several lines", options=("changes",))
    content[name] = parsed["value"]


def _message_of(problem: typing.Any, schema: type[BaseModel]) -> str:
    """One error of pydantic as "KEY: MESSAGE, found VALUE"."""
    place = ".".join(str(part)[:LONGEST_VALUE] for part in problem["loc"]) or "settings"
    if problem["type"] == "extra_forbidden":
        group: typing.Any = schema
        for part in problem["loc"][:-1]:
            group = group.model_fields[part].annotation
        valid = group.model_fields if isinstance(group, type) and issubclass(group, BaseModel) else ()
        return f"{place} is not a setting{nearest(str(problem['loc'][-1])[:LONGEST_VALUE], tuple(valid))}"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    given = problem["input"]
    shown = "" if isinstance(given, dict | BaseModel) or "found" in message else f", found {_shortened(given)}"
    return f"{place}: {message}{shown}"


def _shortened(value: object) -> str:
    """A value for a message, shortened where it is long."""
    if isinstance(value, int) and value.bit_length() > 64:  # Python converts thousands of digits slowly, or refuses
        return f"a number of {value.bit_length()} bits"
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = LONGEST_VALUE
    return brief.repr(value)


def _value_count(content: object) -> int:
    """The number of values in nested lists and dictionaries; counting stops just above MOST_VALUES."""
    waiting, count = [content], 0
    while waiting and count <= MOST_VALUES:
        one = waiting.pop()
        count += 1
        if isinstance(one, dict | list | tuple):
            waiting += islice(one.values() if isinstance(one, dict) else one, MOST_VALUES + 1)
    return count
