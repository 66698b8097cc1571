"""Runs: the whole job from one config file, in one directory that survives a crash."""

from supple.runs.config import ConvertConfig, ExportConfig, ModelConfig, RunConfig
from supple.runs.console import console_progress
from supple.runs.converting import ConvertRequest, convert_named, parse_choice, parse_ties
from supple.runs.directory import RunDirectory
from supple.runs.failing import tells_the_user
from supple.runs.pipeline import (
    DEMO_CONFIG,
    execute,
    execute_training,
    load_config,
    new_directory,
    newest_directory,
)
from supple.runs.profiling import ProfileRequest, profile_named, profile_told
from supple.runs.searching import SearchRequest, search_json_told, search_named, search_told
from supple.runs.sensitivity import SensitivityRequest, sensitivity_json, sensitivity_named

__all__ = [
    "DEMO_CONFIG",
    "ConvertConfig",
    "ConvertRequest",
    "ExportConfig",
    "ModelConfig",
    "ProfileRequest",
    "RunConfig",
    "RunDirectory",
    "SearchRequest",
    "SensitivityRequest",
    "console_progress",
    "convert_named",
    "execute",
    "execute_training",
    "load_config",
    "new_directory",
    "newest_directory",
    "parse_choice",
    "parse_ties",
    "profile_named",
    "profile_told",
    "search_json_told",
    "search_named",
    "search_told",
    "sensitivity_json",
    "sensitivity_named",
    "tells_the_user",
]
