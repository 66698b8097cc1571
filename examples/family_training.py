"""What the examples of tasks share: a training loop in plain PyTorch, and the table at its end."""

import torch

from supple import Config, Family
from supple.training import Plan, Sandwich, SandwichConfig
from supple.training.evaluation import calibration_inputs, evaluate
from supple.training.objective import Objective
from supple.training.task import Task


def train(family: Family, task: Task, batches: list, epochs: int, learning_rate: float = 3e-3) -> None:
    """Train the largest, the smallest and a random member in each step; the largest teaches the others."""
    steps = epochs * len(batches)
    sampler = Sandwich(Plan(family.space, steps, family.count_parameters), SandwichConfig(random_members=1))
    objective = Objective(family, task)
    optimizer = torch.optim.AdamW(family.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    family.train()
    for step in range(steps):
        batch = batches[step % len(batches)]
        objective.begin(batch)
        optimizer.zero_grad()
        for draw in sampler.step(step):
            with family.activate(draw.config) as member:
                loss = objective.loss(draw, member, batch)
            loss.total.backward()
        torch.nn.utils.clip_grad_norm_(family.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def measured(family: Family, task: Task, train_data: list, valid_data: list) -> dict[str, float]:
    """Print the metric of three members; return it by their names."""
    inputs = calibration_inputs(train_data, 512, task)
    found: dict[str, float] = {}
    print(f"{'member':10}{'parameters':>12}   {task.metric}")
    for name, config in members(family).items():
        found[name] = evaluate(family, config, valid_data, task, inputs)
        print(f"{name:10}{family.count_parameters(config):>12,}   {found[name]:.3f}")
    return found


def members(family: Family) -> dict[str, Config]:
    """Return the smallest member, the one with the middle value of each dimension, and the largest."""
    space = family.space
    middle = {entry.name: entry.values[len(entry.values) // 2] for entry in space.dimensions}
    return {"smallest": space.min(), "middle": space.config(middle), "largest": space.max()}
