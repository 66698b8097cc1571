"""Small reference models: ordinary PyTorch modules with nothing elastic in them."""

from supple.models.mobilenet import MobileNet, mobilenet_small
from supple.models.resnet import ResNet, resnet_demo, resnet_small

__all__ = ["MobileNet", "ResNet", "mobilenet_small", "resnet_demo", "resnet_small"]
