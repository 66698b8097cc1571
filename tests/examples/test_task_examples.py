"""The examples of tasks run, shortened, and their families learn something."""

from collections.abc import Iterator

import language_modelling
import pytest
import regression
import segmentation
import token_classification
import torch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def check_table(found: dict[str, float], metric: str, printed: str) -> None:
    title, *rows = printed.strip().splitlines()
    assert title.endswith(metric)
    assert [row.split()[0] for row in rows] == list(found) == ["smallest", "middle", "largest"]
    assert [row.split()[2] for row in rows] == [f"{value:.3f}" for value in found.values()]


def test_token_classification(capsys):
    found = token_classification.main(epochs=2)
    check_table(found, "accuracy", capsys.readouterr().out)
    # Four letters of ten belong to names, the most frequent kind.
    assert min(found.values()) > 0.6


def test_language_modelling(capsys):
    found = language_modelling.main(pages=12, epochs=3)
    check_table(found, "perplexity", capsys.readouterr().out)
    # By their frequencies alone, the letters have a perplexity of 27.
    assert found["largest"] < found["smallest"] < 25
    assert found["largest"] < 20


def test_regression(capsys):
    found = regression.main(epochs=10)
    check_table(found, "root mean squared error", capsys.readouterr().out)
    assert max(found.values()) < 0.9


def test_segmentation(capsys):
    found = segmentation.main(epochs=2, count=512)
    check_table(found, "mean intersection over union", capsys.readouterr().out)
    # To call all of it background comes to a quarter at most: one of four classes.
    assert found["largest"] > found["smallest"] > 0.25
