"""Definitions: named recipes for jobs, with dependencies and schedules, written in YAML or in Python."""

from jobyard.definitions.catalog import Definitions
from jobyard.definitions.definition import Definition, Result, build_label
from jobyard.definitions.entry import DefinitionKeywords, Fault
from jobyard.definitions.writing import Loaded

__all__ = ["Definition", "DefinitionKeywords", "Definitions", "Fault", "Loaded", "Result", "build_label"]
