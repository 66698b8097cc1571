"""What every task must do, and what each says of outputs and labels that do not fit."""

import math
import re
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from supple.errors import SuppleError
from supple.training.classification import Classification
from supple.training.divergences import KullbackLeibler
from supple.training.language_modelling import LanguageModelling
from supple.training.regression import Regression
from supple.training.segmentation import Segmentation
from supple.training.task import Task
from supple.training.token_classification import TokenClassification

GENERATOR = torch.Generator().manual_seed(5)
TOKENS = torch.randint(0, 7, (4, 6), generator=GENERATOR)
# The ends of three rows have no label.
TAGS = torch.randint(0, 3, (4, 6), generator=GENERATOR).masked_fill(
    torch.arange(6) > torch.tensor([[5, 3, 2, 4]]).T, -100
)
IMAGES = torch.randn(4, 1, 5, 5, generator=GENERATOR)
PIXELS = torch.randint(0, 3, (4, 5, 5), generator=GENERATOR)
PIXELS[0, 0] = 255


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=GENERATOR)


@dataclass(frozen=True)
class Output:
    logits: Tensor


@dataclass(frozen=True)
class Case:
    """A task, outputs and teacher's outputs for a batch, and which entries of the outputs do not count."""

    task: Task
    outputs: Tensor
    teacher: Tensor
    inputs: Tensor
    labels: Tensor
    ignored: Tensor | None = None

    def __str__(self) -> str:
        return str(self.task)

    @property
    def batch(self) -> tuple[Tensor, Tensor]:
        return self.inputs, self.labels


CASES = [
    Case(Classification(0.1), randn(4, 3), randn(4, 3), IMAGES, torch.tensor([0, 2, 1, 1])),
    Case(TokenClassification(), randn(4, 6, 3), randn(4, 6, 3), TOKENS, TAGS, TAGS == -100),
    Case(LanguageModelling(shift=False), randn(4, 6, 7), randn(4, 6, 7), TOKENS, TAGS, TAGS == -100),
    Case(
        LanguageModelling(),
        randn(4, 6, 7),
        randn(4, 6, 7),
        TOKENS,
        TOKENS,
        (torch.arange(6) == 5).expand(4, 6),  # what would come after the last token is not known
    ),
    Case(Regression(), randn(4, 2), randn(4, 2), IMAGES, randn(4, 2)),
    Case(Regression(), randn(4, 1), randn(4, 1), IMAGES, randn(4)),
    Case(Segmentation(), randn(4, 3, 5, 5), randn(4, 3, 5, 5), IMAGES, PIXELS, (PIXELS == 255)),
]


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def part(case: Case, rows: slice) -> tuple[Tensor, Any]:
    return case.outputs[rows], (case.inputs[rows], case.labels[rows])


def test_outputs_and_labels_that_fit_pass(case):
    case.task.check(case.outputs, case.batch)


def test_a_batch_has_four_samples_and_its_inputs_go_into_the_model(case):
    assert case.task.samples(case.batch) == 4
    assert case.task.inputs(case.batch) is case.inputs


def test_losses_weighed_by_their_terms_are_the_loss_of_all(case):
    pieces = [part(case, slice(0, 1)), part(case, slice(1, None))]
    terms = [case.task.terms(batch) for _, batch in pieces]
    assert sum(terms) == case.task.terms(case.batch)
    mean = sum(case.task.loss(*piece) * count for piece, count in zip(pieces, terms, strict=True)) / sum(terms)
    torch.testing.assert_close(mean, case.task.loss(case.outputs, case.batch))


def test_the_loss_is_a_scalar_that_falls_along_its_gradient(case):
    outputs = case.outputs.clone().requires_grad_()
    loss = case.task.loss(outputs, case.batch)
    loss.backward()
    assert loss.dim() == 0
    assert case.task.loss(outputs - 0.01 * outputs.grad, case.batch) < loss


def test_from_the_teacher_itself_there_is_no_divergence(case):
    value = case.task.divergence(case.outputs, case.outputs, case.batch, KullbackLeibler(2.0))
    assert value.item() == pytest.approx(0, abs=1e-6)


def test_the_divergence_falls_along_its_gradient_and_leaves_the_teacher_alone(case):
    outputs, teacher = case.outputs.clone().requires_grad_(), case.teacher.clone().requires_grad_()
    value = case.task.divergence(outputs, teacher, case.batch, KullbackLeibler())
    value.backward()
    assert teacher.grad is None
    assert case.task.divergence(outputs - 0.01 * outputs.grad, teacher, case.batch, KullbackLeibler()) < value


def test_the_metric_of_all_data_does_not_hang_on_the_batches(case):
    whole = case.task.score(*part(case, slice(None)))
    pieces = case.task.score(*part(case, slice(0, 1))) + case.task.score(*part(case, slice(1, None)))
    assert case.task.result(pieces) == pytest.approx(case.task.result(whole), rel=1e-6)


def test_outputs_that_are_not_finite_are_no_good_result(case):
    worst = case.task.result(case.task.score(torch.full_like(case.outputs, float("nan")), case.batch))
    assert worst == (0 if case.task.higher_is_better else math.inf)


@pytest.mark.parametrize("case", [case for case in CASES if case.ignored is not None], ids=str)
def test_what_has_no_label_does_not_count(case):
    is_ignored = case.ignored.unsqueeze(1 if case.outputs.dim() == 4 else -1)
    other = torch.where(is_ignored, 9.0, case.outputs)
    assert not torch.equal(other, case.outputs)
    for first, second in (
        (case.task.loss(case.outputs, case.batch), case.task.loss(other, case.batch)),
        *(
            zip(
                vars(case.task.score(case.outputs, case.batch)).values(),
                vars(case.task.score(other, case.batch)).values(),
                strict=True,
            )
        ),
        tuple(
            case.task.divergence(outputs, case.teacher, case.batch, KullbackLeibler())
            for outputs in (case.outputs, other)
        ),
    ):
        assert torch.equal(first, second)


def test_objects_with_logits_are_outputs_too(case):
    said, teacher = Output(case.outputs), Output(case.teacher)
    assert torch.equal(case.task.loss(said, case.batch), case.task.loss(case.outputs, case.batch))
    assert torch.equal(
        case.task.divergence(said, teacher, case.batch, KullbackLeibler()),
        case.task.divergence(case.outputs, case.teacher, case.batch, KullbackLeibler()),
    )


def test_a_teacher_of_another_task_is_named(case):
    with pytest.raises(SuppleError, match=r"The teacher returns predictions of shape .*: a teacher must do the same"):
        case.task.divergence(case.outputs, torch.cat([case.teacher] * 3, dim=1), case.batch, KullbackLeibler())
    with pytest.raises(SuppleError, match="The teacher returns an object of type NoneType, not one tensor of"):
        case.task.divergence(case.outputs, None, case.batch, KullbackLeibler())


def test_tokens_and_pixels_weigh_the_same_in_whichever_sample_they_are():
    loss = TokenClassification().loss(CASES[1].outputs, CASES[1].batch)
    torch.testing.assert_close(loss, functional.cross_entropy(CASES[1].outputs.flatten(0, 1), TAGS.flatten()))
    value = TokenClassification().divergence(CASES[1].outputs, CASES[1].teacher, CASES[1].batch, KullbackLeibler())
    rows = KullbackLeibler()(CASES[1].outputs, CASES[1].teacher)[TAGS != -100]
    torch.testing.assert_close(value, rows.mean())


def test_padding_has_no_label_whatever_stands_there():
    mask = (TAGS != -100).long()
    padded = {"input_ids": TOKENS, "attention_mask": mask, "labels": TAGS.clamp(min=0)}
    outputs = CASES[1].outputs
    assert torch.equal(TokenClassification().loss(outputs, padded), TokenClassification().loss(outputs, (TOKENS, TAGS)))
    assert set(TokenClassification().inputs(padded)) == {"input_ids", "attention_mask"}


def test_a_batch_without_any_label_has_no_loss():
    nothing = (TOKENS, torch.full_like(TAGS, -100))
    assert TokenClassification().terms(nothing) == 0
    assert TokenClassification().loss(CASES[1].outputs, nothing) == 0
    assert TokenClassification().divergence(CASES[1].outputs, CASES[1].teacher, nothing, KullbackLeibler()) == 0


def test_the_next_token_is_predicted():
    outputs = CASES[3].outputs
    expected = functional.cross_entropy(outputs[:, :-1].flatten(0, 1), TOKENS[:, 1:].flatten())
    task = LanguageModelling()
    torch.testing.assert_close(task.loss(outputs, (TOKENS, TOKENS)), expected)
    assert task.result(task.score(outputs, (TOKENS, TOKENS))) == pytest.approx(math.exp(expected.item()), rel=1e-6)


def test_a_perplexity_beyond_all_floats_is_infinite():
    outputs = torch.zeros(1, 2, 2)
    outputs[..., 0] = 5000
    task = LanguageModelling(shift=False)
    assert task.result(task.score(outputs, (outputs, torch.ones(1, 2, dtype=torch.int64)))) == math.inf


def test_the_error_of_a_regression_is_in_the_units_of_its_targets():
    task = Regression()
    batch = (torch.zeros(4, 1), torch.tensor([10, 20, 30, 40]))
    score = task.score(torch.tensor([[13.0], [20.0], [26.0], [40.0]]), batch)
    assert task.result(score) == pytest.approx(2.5)


def test_intersection_over_union_counts_each_class_alike():
    labels = torch.tensor([[[0, 0, 0, 0], [0, 0, 1, 255]]])
    answers = torch.tensor([[[0, 0, 0, 0], [0, 1, 1, 1]]])
    logits = functional.one_hot(answers, 3).movedim(-1, 1).float()
    task = Segmentation()
    # Class 0: 5 of 6; class 1: 1 of 2, for the pixel without a label does not count; nobody names class 2.
    assert task.result(task.score(logits, (torch.zeros(1, 1, 2, 4), labels))) == pytest.approx((5 / 6 + 1 / 2) / 2)


def test_logits_of_fewer_pixels_are_interpolated():
    coarse = randn(4, 3, 2, 2)
    fine = functional.interpolate(coarse, [5, 5], mode="bilinear", align_corners=False)
    task = Segmentation()
    task.check(coarse, (IMAGES, PIXELS))
    assert torch.equal(task.loss(coarse, (IMAGES, PIXELS)), task.loss(fine, (IMAGES, PIXELS)))
    assert task.divergence(coarse, fine, (IMAGES, PIXELS), KullbackLeibler()).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("task", [TokenClassification(), LanguageModelling(), Segmentation()], ids=str)
def test_labels_that_are_no_tensor_are_named_before_the_model_runs(task):
    with pytest.raises(SuppleError, match="The labels are an object of type list, not a tensor of class numbers"):
        task.terms((TOKENS, [1, 2]))


@pytest.mark.parametrize(
    ("task", "outputs", "batch", "message"),
    [
        (
            TokenClassification(),
            torch.zeros(4, 3),
            (TOKENS, TAGS),
            "a tensor of shape (4, 3) for 4 samples: expected logits of shape (4, tokens, classes)",
        ),
        (
            TokenClassification(),
            torch.zeros(4, 6, 3),
            (TOKENS, TAGS[:, :5]),
            "The labels are torch.int64 of shape (4, 5): expected torch.int64 of shape (4, 6), one for each token.",
        ),
        (
            TokenClassification(),
            torch.zeros(4, 6, 2),
            (TOKENS, TAGS),
            "A label is 2, but the model tells 2 classes apart, 0 to 1 (-100 where there is none)",
        ),
        (TokenClassification(), torch.zeros(4, 6, 3), (TOKENS, TAGS - 100), "A label is -200, but"),
        (
            LanguageModelling(),
            torch.zeros(3, 6, 7),
            (TOKENS, TOKENS),
            "a tensor of shape (3, 6, 7) for 4 samples: expected logits of shape (4, tokens, vocabulary)",
        ),
        (LanguageModelling(), torch.zeros(4, 6, 3), (TOKENS, TOKENS), "but the model tells 3 classes apart"),
        (
            Regression(),
            torch.zeros(4, 2),
            (IMAGES, torch.zeros(4)),
            "returns a tensor of shape (4, 2) for targets of shape (4,): expected the same shape",
        ),
        (Regression(), torch.zeros(4), (IMAGES, [1, 2]), "The targets are an object of type list, not a tensor"),
        (
            Regression(),
            torch.zeros(2),
            (IMAGES[:2], torch.tensor([1.0, float("inf")])),
            "A target is not finite: leave such samples out of the data.",
        ),
        (
            Segmentation(),
            torch.zeros(4, 5, 5),
            (IMAGES, PIXELS),
            "a tensor of shape (4, 5, 5) for 4 images: expected logits of shape (4, classes, height, width)",
        ),
        (
            Segmentation(),
            torch.zeros(4, 3, 5, 5),
            (IMAGES, PIXELS[:, :4]),
            "The labels are torch.int64 of shape (4, 4, 5): expected torch.int64 of shape (4, 5, 5), one for each",
        ),
        (Segmentation(), torch.zeros(4, 2, 5, 5), (IMAGES, PIXELS), "A label is 2, but the model tells 2 classes"),
    ],
)
def test_what_does_not_fit_is_named(task, outputs, batch, message):
    with pytest.raises(SuppleError, match=re.escape(message)):
        task.check(outputs, batch)
