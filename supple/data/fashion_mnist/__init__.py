"""Fashion-MNIST (Xiao, Rasul, Vollgraf: "Fashion-MNIST: a Novel Image Dataset", 2017), a subset of which is shipped.

The shipped IDX files hold 12,000 training and 2,000 test images of 28 x 28 pixels: the first 1,200 images of each of
the ten classes of the original training file, and the first 200 of each class of the original test file, in the order
of the originals. `python -m supple.data.fashion_mnist.cut` makes them from the originals.
"""

from pathlib import Path

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SHIPPED_FOLDER = Path(__file__).parent
