"""Check what a measuring process answers as if it came from a liar: what cannot be true is never a latency."""

import math
from collections.abc import Mapping
from dataclasses import fields

from supple.cost.energy import Energy, NoCounter
from supple.cost.interval import is_within
from supple.cost.latency import FEWEST_ROUNDS, Latency
from supple.cost.request import Request

_MOST_ROUNDS = 10_000_000
_NAMES = {entry.name for entry in fields(Latency)}
_ENERGY_NAMES = {entry.name for entry in fields(Energy)}
_TIMES = ("median_ms", "low_ms", "high_ms", "lower_quartile_ms", "upper_quartile_ms", "drift", "wander")
_SHARES = ("disturbed", "outliers")


class LieError(Exception):
    """An answer that cannot be true; the text says why."""


def checked_latencies(answer: Mapping[str, object], request: Request, seconds: float) -> list[Latency]:
    """Return the latencies of an answer, one per program in the request's order.

    `seconds`: how long the answer took, by this process's clock. Raises `LieError` where the answer is to another
    request or other programs, where a number is missing, not finite or contradicts another, and where the reference
    would have run for longer than it took to answer.
    """
    latencies = [_latency(entry) for entry in _entries("latencies", answer, request)]
    for latency in latencies:
        _check_consistency(latency, request)
        _check_duration(latency, latencies[0], request, seconds)
    return latencies


def checked_energies(answer: Mapping[str, object], request: Request) -> list[Energy] | NoCounter:
    """Return the energies of an answer, one per program in the request's order, or why there is no counter.

    Raises `LieError` as `checked_latencies` does; an energy may be negative, where noise is larger than it.
    """
    if answer.get("energies") is None and isinstance(answer.get("reason"), str):
        _check_repeated(answer, request)
        return NoCounter(" ".join(str(answer["reason"]).split())[:500])
    return [_energy(entry) for entry in _entries("energies", answer, request)]


def _entries(what: str, answer: Mapping[str, object], request: Request) -> list[object]:
    _check_repeated(answer, request)
    entries = answer.get(what)
    if not isinstance(entries, list) or len(entries) != len(request.programs):
        raise LieError(f"did not answer with {len(request.programs)} {what}")
    return entries


def _check_repeated(answer: Mapping[str, object], request: Request) -> None:
    for name, expected in (
        ("identity", request.identity),
        ("target", str(request.target.local)),
        ("reference", request.reference),
        ("programs", list(request.programs)),
        ("quantity", request.quantity),
    ):
        if answer.get(name) != expected:
            raise LieError(f"answered with another {name}")


def _energy(entry: object) -> Energy:
    if not isinstance(entry, dict) or set(entry) != _ENERGY_NAMES or not isinstance(entry["counter"], str):
        raise LieError("answered with an energy that lacks figures, or has others")
    for name in _ENERGY_NAMES - {"counter"}:
        _check_finite(name, entry[name])
    energy = Energy(**entry)
    if not energy.low_mj <= energy.median_mj <= energy.high_mj:
        raise LieError(f"answered with a median of {energy.median_mj} mJ that is not in its interval")
    return energy


def _check_finite(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise LieError(f"answered with {name} {_shown(value)}, which is no finite number")


def _latency(entry: object) -> Latency:
    if not isinstance(entry, dict) or set(entry) != _NAMES:
        raise LieError("answered with a latency that lacks figures, or has others")
    for name in (*_TIMES, *_SHARES, *(["reference_ms"] if entry["reference_ms"] is not None else [])):
        value = entry[name]
        _check_finite(name, value)
        if value < 0 or (value == 0 and name not in _SHARES):
            raise LieError(f"answered with {name} {value}, which is not positive")
    if type(entry["rounds"]) is not int or not FEWEST_ROUNDS <= entry["rounds"] <= _MOST_ROUNDS:
        raise LieError(f"answered with {_shown(entry['rounds'])} rounds")
    if type(entry["is_narrow"]) is not bool:
        raise LieError("did not say why measuring stopped")
    return Latency(**entry)


def _check_consistency(latency: Latency, request: Request) -> None:
    for low, high in (
        (latency.low_ms, latency.high_ms),
        (latency.lower_quartile_ms, latency.upper_quartile_ms),
    ):
        if not low <= latency.median_ms <= high:
            raise LieError(f"answered with a median of {latency.median_ms} ms that is not between {low} and {high} ms")
    if latency.disturbed > 1 or latency.outliers > 1:
        raise LieError("answered that more rounds than there were do not count")
    if latency.is_narrow != is_within(latency.low_ms, latency.median_ms, latency.high_ms, request.effort.precision):
        raise LieError("answered with an interval that is not as narrow, or as wide, as it says")


def _check_duration(latency: Latency, first: Latency, request: Request, seconds: float) -> None:
    expected = first.reference_ms if request.reference_ms is None else request.reference_ms
    if (latency.reference_ms is None) != (request.reference is None) or (
        (latency.reference_ms, latency.drift) != (expected, first.drift)
    ):
        raise LieError("answered with times that go back to another time of the reference")
    # In half of the rounds it took its median or more.
    timed_ms = latency.median_ms if latency.reference_ms is None else latency.reference_ms * latency.drift
    if timed_ms * (latency.rounds // 2) > 1000 * seconds:
        raise LieError("answered with rounds that would have taken longer than the answer did")


def _shown(value: object) -> str:
    return repr(value)[:40]
