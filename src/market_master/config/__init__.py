"""Settings: one YAML file, each key overridable by MM_<SECTION>__<KEY>.

Typed, frozen, read once and handed down.
"""

from market_master.config.environment import home, keys_file, predictions_url, prefect_url, registered_model
from market_master.config.loading import PROJECT_ROOT, build, file_of, load, names, provider_settings
from market_master.config.settings import Settings

__all__ = [
    "PROJECT_ROOT",
    "Settings",
    "build",
    "file_of",
    "home",
    "keys_file",
    "load",
    "names",
    "predictions_url",
    "prefect_url",
    "provider_settings",
    "registered_model",
]
