"""How long work tells that it goes on: the protocol that every stage speaks, and a silent listener.

A stage calls `start` once, `advance` after every finished unit, and `finish` once. What is shown, and where, is the
listener's business; `supple.runs.console` shows it in a terminal.
"""

from collections.abc import Callable
from typing import Protocol

Picture = Callable[[int], str]
"""Draws where a stage stands, in lines of at most so many columns."""


class Progress(Protocol):
    """Listens to the progress of one stage after another."""

    def start(self, stage: str, total: int, unit: str = "steps", done: int = 0) -> None:
        """Begin a stage of `total` units, of which `done` are finished already (after a resume)."""

    def advance(self, units: int = 1, **figures: float | str) -> None:
        """Report finished units and the figures worth showing (loss, images_per_s, ...)."""

    def picture(self, draw: Picture) -> None:
        """Show a picture of where the stage stands, in place of the one before it."""

    def say(self, line: str) -> None:
        """Show one line of text."""

    def finish(self) -> None:
        """End the stage."""


class Silent:
    """A listener that shows nothing."""

    def start(self, stage: str, total: int, unit: str = "steps", done: int = 0) -> None:
        """Ignore it."""

    def advance(self, units: int = 1, **figures: float | str) -> None:
        """Ignore it."""

    def picture(self, draw: Picture) -> None:
        """Ignore it."""

    def say(self, line: str) -> None:
        """Ignore it."""

    def finish(self) -> None:
        """Ignore it."""
