"""Every way to prune ends at the same size, by its own rule."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from veaat_migration.game.instance import GameInstance
from veaat_migration.learning.config import TrainingConfig
from veaat_migration.learning.learner import Learner
from veaat_migration.learning.pruning import METHODS, create_pruner
from veaat_migration.learning.pruning.distillation import DistillingPruner, policy_divergence
from veaat_migration.learning.pruning.dropout import DropoutPruner
from veaat_migration.learning.pruning.group_lasso import group_norms
from veaat_migration.learning.pruning.pruner import GradualPruner

PRUNING = [method for method in METHODS if method != "none"]
Make = Callable[..., Learner]


@pytest.fixture
def make(base: GameInstance, small: TrainingConfig) -> Make:
    def learner(method: str, *, hidden: tuple[int, ...] = (20, 20), **pruning: object) -> Learner:
        part = small.pruning.model_copy(update={"method": method, **pruning})
        network = small.network.model_copy(update={"hidden": hidden})
        return Learner(base, small.model_copy(update={"pruning": part, "network": network}), seed=3)

    return learner


@pytest.mark.parametrize("compensate", ["linear", "none"])
@pytest.mark.parametrize("method", PRUNING)
def test_all_end_at_the_same_size(make: Make, method: str, compensate: str) -> None:
    learner = make(method, hidden=(30, 41), compensate=compensate)
    reached = [0.0] * 5
    while not learner.finished:
        progress = learner.iterate()
        assert all(now >= last for now, last in zip(progress.sparsity, reached, strict=True))
        reached = progress.sparsity
    # 85 % of 30 and of 41 are 25.5 and 34.85: so many neurons have gone whole.
    assert learner.actors.widths[1:-1] == [30 - 25, 41 - 34]
    assert learner.average.widths == learner.actors.widths
    assert reached == pytest.approx([(25 + 34) / 71] * 5)
    assert all(mask is None for mask in learner.actors.masks)
    for parameter in learner.actors.parameters():
        assert bool(torch.isfinite(parameter).all())


# Not dropout: who sits out is drawn for the neurons that are stored.
@pytest.mark.parametrize("method", ["adaptive", "ssl", "l1", "pops"])
def test_masked_and_compact_runs_learn_the_same(make: Make, method: str) -> None:
    masked, compact = make(method, shrink=False), make(method, shrink=True)
    for _ in range(6):
        masked.iterate()
        compact.iterate()
    assert masked.actors.widths[1:-1] == [20, 20]
    assert compact.actors.widths[1] < 20
    records = compact.environment.records.flatten(1)
    torch.testing.assert_close(
        compact.actors(records), masked.actors(records), atol=1e-3, rtol=1e-3
    )


def test_no_pruning_leaves_all_neurons(make: Make) -> None:
    learner = make("none")
    while not learner.finished:
        learner.iterate()
    assert learner.actors.widths[1:-1] == [20, 20]
    assert learner.sparsity().tolist() == [0.0] * 5


@pytest.mark.parametrize("method", ["adaptive", "ssl", "l1", "pops"])
def test_weak_neurons_go_first(make: Make, method: str) -> None:
    learner = make(method)
    pruner = learner.pruner
    assert isinstance(pruner, GradualPruner)
    weak = torch.tensor([2, 5, 11])
    with torch.no_grad():
        learner.actors.weights[0][:, weak] *= 1e-3
        learner.actors.weights[1][..., weak] *= 1e-3
    if method == "adaptive":
        pruner.window.observe(learner.actors)  # type: ignore[attr-defined]
    lowest = pruner.scores()[0].argsort(1)[:, :3].sort(1).values
    assert torch.equal(lowest, weak.expand(5, -1))


@pytest.mark.parametrize("method", ["adaptive", "ssl", "l1"])
def test_the_penalty_drives_weights_to_nothing_until_the_target_is_reached(
    make: Make, method: str
) -> None:
    learner = make(method, regulariser=1.0)
    pruner = learner.pruner
    penalty = pruner.penalty(0)
    assert penalty is not None
    optimizer = torch.optim.SGD(learner.actors.parameters(), lr=0.01)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = penalty()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]
    assert pruner.penalty(11) is None
    assert make(method, regulariser=0.0).pruner.penalty(0) is None


@pytest.mark.parametrize("method", ["pops", "dropout", "none"])
def test_others_do_without_a_penalty(make: Make, method: str) -> None:
    assert make(method, regulariser=1.0).pruner.penalty(0) is None


def test_group_norms_take_all_weights_at_a_neuron(make: Make) -> None:
    actors = make("ssl").actors.requires_grad_(False)
    actors.biases[0].normal_()
    found = group_norms(actors)[0][1, 3]
    group = [actors.weights[0][1, 3], actors.biases[0][1, 3], actors.weights[1][1, :, 3]]
    assert float(found) == pytest.approx(float(torch.cat(group).norm()), rel=1e-5)


def test_norms_of_empty_groups_have_a_gradient(make: Make) -> None:
    actors = make("ssl").actors
    with torch.no_grad():
        actors.weights[0][:, 0] = 0.0
        actors.weights[1][..., 0] = 0.0
    torch.stack([norm.sum() for norm in group_norms(actors)]).sum().backward()
    assert actors.values.grad is not None
    assert bool(torch.isfinite(actors.values.grad).all())


def test_dropped_neurons_come_back_after_the_iteration(make: Make) -> None:
    learner = make("dropout", dropout=0.5, start=0.5)
    pruner = learner.pruner
    assert isinstance(pruner, DropoutPruner)
    pruner.before_iteration(0)
    masks = learner.actors.masks
    assert all(mask is not None and 0.2 < float(mask.mean()) < 0.8 for mask in masks)
    first = copy.deepcopy(masks)
    pruner.after_iteration(0, torch.randn(learner.layout.record_size, 30))
    assert learner.actors.masks == [None, None]
    pruner.before_iteration(1)
    assert any(not torch.equal(a, b) for a, b in zip(first, learner.actors.masks, strict=True))
    pruner.after_iteration(1, torch.randn(learner.layout.record_size, 30))
    # Once all that shall go has gone, the others stay in.
    pruner.before_iteration(11)
    assert learner.actors.masks == [None, None]


def test_chance_chooses_other_neurons_for_every_agent(make: Make) -> None:
    pruner = make("dropout").pruner
    assert isinstance(pruner, DropoutPruner)
    orders = pruner.scores()[0].argsort(1)
    assert len({tuple(order.tolist()) for order in orders}) == 5


def test_distillation_measures_the_divergence_of_torch(make: Make) -> None:
    teacher, student = make("pops").actors, make("pops").actors
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    student.blind()
    student.learns_std = True
    records = torch.randn(student.weights[0].shape[2], 11)
    found = policy_divergence(teacher, student, records).detach()
    p, q = (
        Normal(actors(records).detach(), actors.log_std.detach().exp().expand(5, 2, 11))
        for actors in (teacher, student)
    )
    each = kl_divergence(p, q)
    # Leaders have one action.
    expected = torch.cat([each[:2, 0], each[2:].sum(1)])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_student_imitates_its_teacher_and_utilities_teach_it_nothing(make: Make) -> None:
    learner = make("pops", start=0.5, end=0.9, sparsity=0.0)
    pruner = learner.pruner
    assert isinstance(pruner, DistillingPruner)
    for _ in range(6):
        learner.iterate()
    with torch.no_grad():
        for parameter in learner.actors.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    learner.actors.blind()
    records = learner.environment.records.flatten(1)
    critics = [parameter.detach().clone() for parameter in learner.critics.parameters()]
    teacher = [parameter.clone() for parameter in pruner.teacher.parameters()]

    def distance() -> float:
        with torch.no_grad():
            difference = pruner.teacher(records) - learner.actors(records)
            return float((difference * learner.actors.used).square().mean())

    learner.annealing.learning_rate = lambda *_: 5e-3  # type: ignore[method-assign]
    before = distance()
    for _ in range(4):
        learner.iterate()
    assert distance() < 0.5 * before
    for parameter, value in zip(learner.critics.parameters(), critics, strict=True):
        assert torch.equal(parameter, value)
    for parameter, value in zip(pruner.teacher.parameters(), teacher, strict=True):
        assert torch.equal(parameter, value)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_a_pruner_keeps_for_a_checkpoint_restores_it(make: Make, method: str) -> None:
    learner = make(method)
    for _ in range(5):
        learner.iterate()
    kept = {name: value.clone() for name, value in learner.pruner.state().items()}
    fresh = create_pruner(learner)
    fresh.load(kept)
    again = fresh.state()
    assert set(again) == set(kept)
    for name, value in kept.items():
        assert torch.equal(again[name], value)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_run_that_is_taken_up_prunes_on_as_if_nothing_had_been(make: Make, method: str) -> None:
    whole, fresh = make(method), make(method)
    for _ in range(5):
        whole.iterate()
    fresh.load({name: value.clone() for name, value in whole.state().items()})
    fresh.iteration, fresh.steps = whole.iteration, whole.steps
    while not whole.finished:
        assert fresh.iterate() == whole.iterate()
    for own, other in zip(fresh.average.parameters(), whole.average.parameters(), strict=True):
        assert torch.equal(own, other)
