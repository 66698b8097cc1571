"""Import this before timm or transformers: beside a CPU build of torch they then load with any build of torchvision."""

from supple.bench.torchvision_absent import declare_missing_operators

declare_missing_operators()
