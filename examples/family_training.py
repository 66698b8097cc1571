"""What the examples of tasks share: settings for small networks, and the table of three members at their end."""

from supple import Config, Family, TrainConfig
from supple.training import Precision, SandwichConfig, Task, calibration_inputs, evaluate


def settings(epochs: int, learning_rate: float) -> TrainConfig:
    """Return how to train: in each step the largest, the smallest and a random member."""
    return TrainConfig(
        epochs=epochs,
        learning_rate=learning_rate,
        sampler=SandwichConfig(random_members=1),
        precision=Precision.FP32,  # layers as small as these gain nothing from less
    )


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
