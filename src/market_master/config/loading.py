"""Loading of settings: a YAML file, then the environment's overrides.

Unknown keys are errors.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Union

import yaml
from pydantic import BaseModel, Field, ValidationError, create_model

from market_master.config.settings import ProviderSettings, Settings
from market_master.domain import ConfigError
from market_master.plugins import load_family

PROJECT_ROOT = Path(__file__).resolve().parents[3]
PATH_KEYS = (("universe", "weights"), ("provider", "path"), ("fundamentals", "path"))
PROVIDERS = "market_data.providers"


def names(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """What may be chosen by name: the files of configs/, and MM_CONFIG where it is another."""
    shipped = tuple(sorted(file.stem for file in (PROJECT_ROOT / "configs").glob("*.yaml")))
    configured = environ.get("MM_CONFIG")
    return shipped if not configured or configured in shipped else (*shipped, configured)


def file_of(name: str) -> Path:
    """The file behind a name of `names`, or behind a path."""
    shipped = PROJECT_ROOT / "configs" / f"{name}.yaml"
    return shipped if shipped.exists() else Path(name)


def load(config: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from a YAML file (paths in it are relative to the project's root) and the environment.

    The provider's section is validated by what the provider declares. Raises ConfigError: no such file, not YAML, an
    unknown key (naming the nearest known one) or an impossible value.
    """
    try:
        content = yaml.load(config.read_text(encoding="utf-8"), _PlainYaml)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The config {config} can't be read: {error}. Configs lie in configs/.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"The config {config} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"The config {config} holds no settings; begin with a copy of configs/demo.yaml.")
    if "providers" in content:
        if "provider" in content:
            raise ConfigError(f"{config}: `provider` is one, `providers` a list of several; leave one of them out.")
        content["provider"] = {"kind": "first_of", "providers": content.pop("providers")}
    for part, key in _path_parts(content):
        if isinstance(part, dict) and isinstance(part.get(key), str) and part[key]:
            part[key] = str(PROJECT_ROOT / part[key])
    return _validated(_with_providers(), content, str(config), environ)


def _path_parts(content: dict[str, Any]) -> list[tuple[Any, str]]:
    """The parts of the content that may hold a path, each with its key."""
    provider = content.get("provider")
    several = provider.get("providers") if isinstance(provider, dict) else None
    nested = several if isinstance(several, list) else []
    return [(content.get(section), key) for section, key in PATH_KEYS] + [(part, "path") for part in nested]


def build(content: dict[str, Any], origin: str, environ: Mapping[str, str]) -> Settings:
    """Settings from the plain values that a model card carries, and the environment, which wins.

    No provider is imported: its section is taken as it was stored. Raises ConfigError.
    """
    return _validated(Settings, content, origin, environ)


def provider_settings() -> dict[str, type[ProviderSettings]]:
    """Each provider's own settings by its kind; empty in a lean installation, which has no libraries of providers."""
    try:
        return {kind: plugin.metadata["settings"] for kind, plugin in load_family(PROVIDERS).items()}
    except ModuleNotFoundError:
        return {}


def _with_providers() -> type[Settings]:
    """Settings whose section `provider` is one of those that the providers declare."""
    kinds = provider_settings()
    if not kinds:
        return Settings
    several = kinds.pop("first_of")
    single: Any = Annotated[Union[tuple(kinds.values())], Field(discriminator="kind")]  # noqa: UP007
    first_of = create_model("FirstOfTyped", __base__=several, providers=(tuple[single, ...], ...))
    one_of: Any = Annotated[Union[(*kinds.values(), first_of)], Field(discriminator="kind")]
    return create_model("SettingsWithProviders", __base__=Settings, provider=(one_of, ...))


def _validated(schema: type[Settings], content: dict[str, Any], origin: str, environ: Mapping[str, str]) -> Settings:
    try:
        checked = schema.model_validate(_merged(content, environ))
    except ValidationError as error:
        raise ConfigError(f"{origin}: " + " ".join(_sentence(item) for item in error.errors())) from error
    paths = {section: _absolute(getattr(checked, section), key) for section, key in PATH_KEYS}
    return Settings.model_validate({name: getattr(checked, name) for name in Settings.model_fields} | paths)


def _merged(content: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The content with MM_<KEY> and MM_<SECTION>__<KEY> put in; lists and nulls as in YAML, empty is not set."""
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in content.items()}
    for name, text in sorted(environ.items()):
        where = name.removeprefix("MM_").lower().split("__")
        known = where[0] in Settings.model_fields
        if not name.startswith("MM_") or not text or (len(where) == 1 and not known and not _slip(where[0])):
            continue
        section = merged.get(where[0]) or {}
        if not known or len(where) > 2 or (len(where) == 2 and not isinstance(section, dict)):
            raise ConfigError(f"{name} sets no known setting; {_nearest(where[0], Settings.model_fields)}")
        merged[where[0]] = _value(text) if len(where) == 1 else {**section, where[1]: _value(text)}
    return merged


def _value(text: str) -> Any:
    """A variable's list, mapping or null as in YAML; any other text as it stands."""
    try:
        parsed = yaml.load(text, _PlainYaml)
    except yaml.YAMLError:
        return text
    return parsed if isinstance(parsed, (list, dict)) or parsed is None else text


def _slip(name: str) -> bool:
    """So near a setting that it was meant to be one: MM_HOME is not, MM_INTERVALL is."""
    return bool(difflib.get_close_matches(name, Settings.model_fields, cutoff=0.8))


def _absolute(section: Any, key: str) -> Any:
    path = getattr(section, key, None)
    return section.model_copy(update={key: Path(os.path.abspath(path))}) if path else section


def _sentence(item: Any) -> str:
    where = [str(part) for part in item["loc"]]
    known = _known(where[:-1])
    if item["type"] == "extra_forbidden":
        return f"'{'.'.join(where)}' is not a setting; {_nearest(where[-1], known)}"
    return f"'{'.'.join(where)}': {item['msg']} (given: {item['input']!r})."


def _known(where: list[str]) -> list[str]:
    if not where:
        return list(Settings.model_fields)
    if where[0] == "provider":
        kinds, where = provider_settings(), [where[0], *where[4:]] if where[2:3] == ["providers"] else where
        return list(kinds[where[1]].model_fields) if len(where) > 1 and where[1] in kinds else list(kinds)
    section = Settings.model_fields[where[0]].annotation if where[0] in Settings.model_fields else None
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    return f"the nearest known one is '{close[0]}'." if close else "no such section is known."


class _PlainYaml(yaml.SafeLoader):
    """YAML in which ON and NO are symbols, 000660 is one too, and only true and false are truth values."""


_PlainYaml.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in rules if tag.rpartition(":")[2] not in ("bool", "int", "timestamp")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainYaml.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|True|false|False)$"), list("tTfF"))
_PlainYaml.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
