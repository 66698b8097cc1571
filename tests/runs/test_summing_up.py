"""Tests of what a run's summary says beside its figures."""

from supple.report import Level
from supple.runs.search_summary import failure_notes
from supple.searching import Failure
from supple.space import Dimension, Kind, Space

SPACE = Space([Dimension("depth", Kind.DEPTH, (1, 2, 4))])


def test_members_that_were_not_measured_are_told():
    failed = (Failure(SPACE.min(), "Its process was killed."), Failure(SPACE.max(), "It hung."))
    (note,) = failure_notes(failed)
    assert note.level is Level.CAUTION
    assert note.text.startswith("2 members could not be measured")
    assert note.text.endswith("Its process was killed.")
    assert failure_notes(failed[:1])[0].text.startswith("A member could not be measured")


def test_without_failures_nothing_is_told():
    assert failure_notes(()) == ()
