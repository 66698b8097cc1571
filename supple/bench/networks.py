"""Networks in plain PyTorch of kinds that the model libraries lack: segmentation, tagging, point clouds, graphs."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional


class DoubleConvolution(nn.Sequential):
    """Two convolutions, each with batch norm and ReLU."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """Segmentation: down by pooling, up by transposed convolutions, with skips that are concatenated.

    Source: Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, 2015.
    """

    def __init__(self, num_classes: int = 21, channels: tuple[int, ...] = (32, 64, 128, 256, 512)) -> None:
        super().__init__()
        self.down = nn.ModuleList(DoubleConvolution(*pair) for pair in pairwise((3, *channels)))
        pairs = list(pairwise(channels))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(wide, narrow, 2, 2) for narrow, wide in pairs)
        self.merge = nn.ModuleList(DoubleConvolution(2 * narrow, narrow) for narrow, _ in pairs)
        self.head = nn.Conv2d(channels[0], num_classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images: (batch, 3, height, width), sizes multiples of 16, to (batch, classes, height, width)."""
        skips = [self.down[0](x)]
        for down in self.down[1:]:
            skips.append(down(functional.max_pool2d(skips[-1], 2)))
        x = skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)  # type: ignore[no-any-return]


class LstmTagger(nn.Module):
    """A tag for each word of a text: two layers of LSTM in both directions, over an embedding.

    The vocabulary is the size of the Penn Treebank's.
    Source: Huang et al., Bidirectional LSTM-CRF Models for Sequence Tagging, 2015 (without the CRF).
    """

    def __init__(
        self, num_words: int = 10_000, num_tags: int = 17, embedding_dim: int = 128, hidden: int = 256
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_words, embedding_dim)
        self.projection = nn.Linear(embedding_dim, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, num_tags))

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Map words: (batch, length) to logits: (batch, length, tags)."""
        features, _ = self.lstm(self.projection(self.embedding(words)).relu())
        return self.head(features)  # type: ignore[no-any-return]


class PointNet(nn.Module):
    """A class for a cloud of points: a learnt rotation of the points, layers shared by all points, a maximum over them.

    Source: Qi et al., PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation, 2017.
    """

    def __init__(self, num_classes: int = 40) -> None:
        super().__init__()
        self.align = PointFeatures(64, 128, 1024)
        self.rotation = nn.Sequential(
            nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 9)
        )
        self.features = PointFeatures(64, 128, 1024)
        self.head = nn.Sequential(
            nn.Linear(1024, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(0.3), nn.Linear(512, num_classes)
        )

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Map points: (batch, 3, points) to (batch, classes)."""
        rotation = self.rotation(self.align(points)).view(-1, 3, 3) + torch.eye(3, device=points.device)
        return self.head(self.features(rotation @ points))  # type: ignore[no-any-return]


class PointFeatures(nn.Module):
    """Layers shared by all points, then the largest value over the points."""

    def __init__(self, *channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        for in_channels, out_channels in pairwise((3, *channels)):
            self.layers.extend((nn.Conv1d(in_channels, out_channels, 1), nn.BatchNorm1d(out_channels), nn.ReLU()))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Map points: (batch, 3, points) to (batch, channels)."""
        return self.layers(points).amax(2)  # type: ignore[no-any-return]


class GraphConvolution(nn.Module):
    """Mix the features of each node with those of its neighbours."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)

    def forward(self, nodes: torch.Tensor, adjacency: torch.Tensor) -> torch.Tensor:
        """Map nodes: (batch, nodes, features), adjacency: (batch, nodes, nodes) to (batch, nodes, out features)."""
        degrees = adjacency.sum(2, keepdim=True).clamp(min=1)
        return self.linear(adjacency @ nodes / degrees + nodes)  # type: ignore[no-any-return]


class GraphNetwork(nn.Module):
    """A class for each node of a graph: graph convolutions with residual connections.

    Source: Kipf & Welling, Semi-Supervised Classification with Graph Convolutional Networks, 2017.
    """

    def __init__(self, in_features: int = 500, width: int = 256, depth: int = 4, num_classes: int = 7) -> None:
        super().__init__()
        self.stem = nn.Linear(in_features, width)
        self.convolutions = nn.ModuleList(GraphConvolution(width, width) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.head = nn.Linear(width, num_classes)

    def forward(self, nodes: torch.Tensor, adjacency: torch.Tensor) -> torch.Tensor:
        """Map nodes: (batch, nodes, features), adjacency: (batch, nodes, nodes) to (batch, nodes, classes)."""
        x = self.stem(nodes).relu()
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = x + convolution(norm(x), adjacency).relu()
        return self.head(x)  # type: ignore[no-any-return]
