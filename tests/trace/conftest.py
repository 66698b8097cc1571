"""Settings of this room."""

import torch

# Small tensors: several threads on a busy machine only wait for each other.
torch.set_num_threads(1)
