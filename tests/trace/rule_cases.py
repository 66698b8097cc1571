"""The cases of the contract of operator rules: a tiny module for every rule, and more for hard forms."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

GRID = torch.zeros(2, 3, 3, 2)


class Between(nn.Module):
    """Puts an operator between a layer that makes its channels and, where it has one, a layer that reads them."""

    def __init__(self, operator: Callable[..., object], before: nn.Module, after: nn.Module | None = None) -> None:
        super().__init__()
        self.operator = operator
        self.before = before
        self.after = after

    def forward(self, x: torch.Tensor) -> object:
        result = self.operator(self.before(x))
        return result if self.after is None else self.after(result)


class Joined(nn.Module):
    """Two convolutions of the same input, joined, read by a third layer."""

    def __init__(self, join: Callable[..., torch.Tensor], channels: tuple[int, int], after: nn.Module) -> None:
        super().__init__()
        self.join = join
        self.left = nn.Conv2d(3, channels[0], 1)
        self.right = nn.Conv2d(3, channels[1], 1)
        self.after = after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.join(self.left(x), self.right(x)))  # type: ignore[no-any-return]


class Table(nn.Module):
    """Looks rows up and reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 6)
        self.after = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.table(x))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Case:
    """A module, the shape of one input, the operators whose rules it is about, and whether index sets can be checked.

    They cannot where values along the shrinking range mix (a softmax), or where zero does not stay zero on the way to
    the output. `baked` holds sizes that the module's own code writes down.
    """

    operators: tuple[str, ...]
    module: Callable[[], nn.Module]
    shape: tuple[int, ...] = (3, 4, 4)
    exact: bool = True
    input: Callable[..., torch.Tensor] = torch.randn
    baked: tuple[int, ...] = ()

    def __str__(self) -> str:
        return "-".join(self.operators) or "pointwise"


def conv(out: int = 8, in_channels: int = 3, **more: int) -> nn.Module:
    return nn.Conv2d(in_channels, out, 1, **more)


def after_conv(*operators: str, op: Callable[..., object], exact: bool = True) -> Case:
    return Case(operators, lambda: Between(op, conv()), exact=exact)


def through(
    *operators: str, op: Callable[..., object], after: Callable[[], nn.Module], baked: tuple[int, ...] = ()
) -> Case:
    return Case(operators, lambda: Between(op, conv(8), after()), baked=baked)


def after_linear(*operators: str, op: Callable[..., object], exact: bool = True) -> Case:
    return Case(operators, lambda: Between(op, nn.Linear(3, 8)), (3,), exact)


def pools() -> Iterator[Case]:
    kinds = ("max_pool{}d", "max_pool{}d_with_indices", "avg_pool{}d")
    adaptive = ("adaptive_avg_pool{}d", "adaptive_max_pool{}d", "_adaptive_avg_pool{}d")
    for axes, layer in enumerate((nn.Conv1d, nn.Conv2d, nn.Conv3d), 1):
        before = functools.partial(layer, 3, 8, 1)
        shape = (3, *(4,) * axes)
        for name in (kind.format(axes) for kind in kinds + adaptive):
            if hasattr(torch.ops.aten, name):
                op = functools.partial(_call, getattr(torch.ops.aten, name), [2] * axes)
                yield Case((name,), lambda op=op, before=before: Between(op, before()), shape)
        double = functools.partial(functional.interpolate, scale_factor=2, mode="nearest")
        yield Case((f"upsample_nearest{axes}d",), lambda op=double, before=before: Between(op, before()), shape)
    for mode in ("bilinear", "bicubic"):
        resize = functools.partial(functional.interpolate, scale_factor=2, mode=mode)
        yield after_conv(f"upsample_{mode}2d", op=resize)


def _call(op: Callable[..., object], argument: object, x: torch.Tensor) -> object:
    return op(x, argument)


def reductions() -> Iterator[Case]:
    for name in ("mean", "sum", "var", "std", "amax", "amin", "logsumexp"):
        correction = {"correction": 0} if name in ("var", "std") else {}
        op = functools.partial(getattr(torch, name), dim=(2, 3), **correction)
        yield after_conv(name, op=op)
    yield after_conv("mean", op=lambda x: x.mean(-1, keepdim=True))
    yield after_conv("var", op=lambda x: x.var(1, keepdim=True), exact=False)
    yield after_conv("amax", op=lambda x: x.amax(1), exact=False)
    # Forms without axes reduce all of them.
    yield after_conv("sum", op=torch.sum)
    yield after_conv("std", op=torch.std, exact=False)
    yield after_conv("amin", op=torch.amin, exact=False)

    yield after_conv("cosine_similarity", op=lambda x: functional.cosine_similarity(x, x.flip(2)), exact=False)
    yield after_conv("pairwise_distance", op=lambda x: functional.pairwise_distance(x, x.flip(2), keepdim=True))


def spectra() -> Iterator[Case]:
    for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
        for axes in ("", "2", "n"):
            op = functools.partial(_magnitude, getattr(torch.fft, f"{name}{axes}"), 3 if axes == "" else (2, 3))
            yield after_conv(f"fft_{name}{axes}", op=op)
    yield after_conv("unfold", op=lambda x: x.unfold(2, 2, 1))


def _magnitude(transform: Callable[..., torch.Tensor], dim: object, x: torch.Tensor) -> torch.Tensor:
    return transform(x, dim=dim).abs()


def like_first() -> Iterator[Case]:
    kept: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "dropout": lambda x: functional.dropout(x, 0.5, training=False),
        "feature_dropout": lambda x: torch.feature_dropout(x, 0.5, False),
        "alpha_dropout": lambda x: torch.alpha_dropout(x, 0.5, False),
        "cumprod": lambda x: x.cumprod(2),
        "cummax": lambda x: x.cummax(2).values,
        "cummin": lambda x: x.cummin(2).values,
        "logcumsumexp": lambda x: x.logcumsumexp(3),
        "fill": lambda x: x.clone().fill_(2.0),
        "empty_like": lambda x: torch.empty_like(x).fill_(0.0),
        "real": lambda x: x.to(torch.complex128).real,
        "imag": lambda x: x.to(torch.complex128).imag,
        "clone": lambda x: x.clone(),
        "contiguous": lambda x: x.transpose(2, 3).contiguous(),
        "detach": lambda x: x.detach(),
        "to": lambda x: x.to(torch.float32),
        "_to_copy": lambda x: torch.ops.aten._to_copy(x, dtype=torch.float32),
        "type_as": lambda x: x.type_as(x.detach()),
        "zeros_like": torch.zeros_like,
    }
    for name, op in kept.items():
        yield after_conv(name, op=op)
    yield after_conv("ones_like", op=torch.ones_like)
    for name in ("softmax", "log_softmax"):
        yield after_conv(name, op=lambda x, name=name: getattr(torch, name)(x, 2))
        yield after_conv(name, op=lambda x, name=name: getattr(torch, name)(x, 1), exact=False)
        private = getattr(torch.ops.aten, f"_{name}")
        yield after_conv(f"_{name}", op=lambda x, op=private: op(x, 1, False), exact=False)
    yield after_conv("cumsum", op=lambda x: x.cumsum(1), exact=False)
    yield after_conv("cumsum", op=lambda x: x.cumsum(2))


def pointwise() -> Iterator[Case]:
    for name in ("celu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish", "relu6", "selu", "softplus"):
        yield after_conv(name, op=getattr(functional, name))
    yield after_conv("log_sigmoid", op=functional.logsigmoid)
    yield after_conv("where", op=lambda x: torch.where(x > 0, x, x * 2))
    yield after_conv("where", op=lambda x: torch.where(x.mean(1, keepdim=True) > 0, x, 1.0), exact=False)
    yield after_conv("masked_fill", op=lambda x: x.masked_fill(x < 0, 0.5))
    yield after_conv(op=lambda x: x.relu_().add_(1).sigmoid())
    yield after_conv(op=lambda x: x.clamp(min=0) ** 2 / (1 + x.abs()))
    yield after_conv(op=lambda x: x * x.mean((2, 3), keepdim=True))
    # Broadcast over axes that the other operand lacks.
    yield after_linear(op=lambda x: x.unsqueeze(1) * x.unsqueeze(2), exact=True)
    yield after_conv("__and__", op=lambda x: torch.ops.aten.__and__.Tensor(x > 0, x < 1))
    yield after_conv("__or__", op=lambda x: torch.ops.aten.__or__.Tensor(x > 0, x < 1))
    yield after_conv("_weight_norm", op=lambda x: torch._weight_norm(x, x.mean((1, 2, 3), keepdim=True)), exact=False)
    yield after_conv("complex", op=lambda x: torch.complex(x, x.mean(2, keepdim=True)).imag)
    yield after_conv("polar", op=lambda x: torch.polar(x, x).real)
    yield after_conv("floor_divide", op=lambda x: x // 2)
    yield after_conv("copy", op=lambda x: torch.empty_like(x).copy_(x))
    yield Case(("prelu",), lambda: nn.Sequential(conv(8), nn.PReLU(8), conv(5, 8)))
    yield Case(("prelu",), lambda: nn.Sequential(conv(8), nn.PReLU(), conv(5, 8)))
    yield Case((), lambda: Joined(torch.add, (8, 8), conv(4, 8)))
    yield Case((), lambda: Joined(torch.mul, (8, 1), conv(4, 8)))


def shapes() -> Iterator[Case]:
    flat = lambda: nn.Linear(8 * 16, 5)  # noqa: E731
    yield through("flatten", op=lambda x: x.flatten(1), after=flat)
    yield through("view", op=lambda x: x.view(x.size(0), -1), after=flat)
    yield through("reshape", op=lambda x: x.permute(0, 2, 3, 1).reshape(x.size(0), -1), after=flat)
    yield through("_unsafe_view", op=lambda x: torch.ops.aten._unsafe_view(x, [x.size(0), -1]), after=flat)
    yield through("permute", op=lambda x: x.permute(0, 2, 3, 1), after=lambda: nn.Linear(8, 5))
    yield through("transpose", op=lambda x: x.transpose(1, -1), after=lambda: nn.Linear(8, 5))
    # Channels of 2 groups of 4, inner and outer part swapped: the inner part can shrink.
    shuffle = lambda x: x.view(x.size(0), 2, -1, 4, 4).transpose(1, 2).reshape(x.size(0), -1, 4, 4)  # noqa: E731
    yield through("view", "transpose", "reshape", op=shuffle, after=lambda: conv(5, 8), baked=(2,))
    yield through(
        "unflatten", op=lambda x: x.unflatten(1, (2, -1)).flatten(1, 2), after=lambda: nn.Conv2d(8, 5, 3, padding=1)
    )
    yield through(
        "squeeze", op=lambda x: x.mean((2, 3), keepdim=True).squeeze(3).squeeze(2), after=lambda: nn.Linear(8, 5)
    )
    yield through("unsqueeze", op=lambda x: x.unsqueeze(2).unsqueeze(-1).flatten(2), after=lambda: nn.Conv1d(8, 5, 1))
    yield Case(("cat",), lambda: Joined(lambda a, b: torch.cat([a, b], 1), (6, 4), conv(5, 10)))
    yield Case(("cat",), lambda: Joined(lambda a, b: torch.cat([a, b, a], -3), (6, 4), conv(5, 16)))
    yield Case(("cat",), lambda: Joined(lambda a, b: torch.cat([a, b], 1), (7, 1), conv(5, 8)))
    yield Case(("cat",), lambda: Joined(lambda a, b: torch.cat([a, b], 1), (1, 7), conv(5, 8)))
    yield Case(("cat",), lambda: Joined(lambda a, b: torch.cat([a, b], 2), (6, 6), conv(5, 6)))
    # A concatenation, flattened with the positions, and one whose segments are grouped.
    yield Case(
        ("cat", "flatten"), lambda: Joined(lambda a, b: torch.cat([a, b], 1).flatten(1), (6, 4), nn.Linear(160, 5))
    )
    yield Case(("cat", "conv2d"), lambda: Joined(lambda a, b: torch.cat([a, b], 1), (6, 4), conv(10, 10, groups=10)))
    yield Case(("cat", "conv2d"), lambda: Joined(lambda a, b: torch.cat([a, b], 1), (6, 4), conv(20, 10, groups=10)))
    yield Case(("cat", "conv2d"), lambda: Joined(lambda a, b: torch.cat([a, b], 1), (4, 4), conv(6, 8, groups=2)))


def layers() -> Iterator[Case]:
    yield Case(("linear",), lambda: nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 5, bias=False)), (3,))
    for axes, layer in enumerate((nn.Conv1d, nn.Conv2d, nn.Conv3d), 1):
        chain = lambda layer=layer: nn.Sequential(layer(3, 8, 3), layer(8, 5, 1, bias=False))  # noqa: E731
        yield Case((f"conv{axes}d",), chain, (3, *(4,) * axes))
    yield Case(("conv2d",), lambda: nn.Sequential(conv(8), conv(8, 8, groups=8), conv(5, 8)))
    yield Case(("conv2d",), lambda: nn.Sequential(conv(8), conv(24, 8, groups=8), conv(5, 24)))
    yield Case(("conv2d",), lambda: nn.Sequential(conv(8), conv(6, 8, groups=2), conv(5, 6)))
    yield Case(("conv2d",), lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding="same"), conv(5, 8)))
    norm = functools.partial(nn.BatchNorm2d, 8)
    yield Case(("batch_norm",), lambda: nn.Sequential(conv(8), norm(), conv(5, 8)))
    yield Case(("batch_norm",), lambda: nn.Sequential(conv(8), norm(affine=False), conv(5, 8)), exact=False)
    yield Case(("batch_norm",), lambda: nn.Sequential(conv(8), norm(track_running_stats=False), conv(5, 8)))
    yield Case(("embedding",), Table, (), input=lambda *shape: torch.randint(7, shape[:1]))


class Attention(nn.Module):
    """Fused attention over queries, keys and values of separate layers, with as many key heads as are given."""

    def __init__(self, key_heads: int = 4, masked: bool = False) -> None:
        super().__init__()
        self.heads, self.key_heads, self.size = 4, key_heads, 3
        self.q = nn.Linear(5, 12)
        self.k, self.v = nn.Linear(5, 3 * key_heads), nn.Linear(5, 3 * key_heads)
        self.out = nn.Linear(12, 5)
        self.mask = nn.Parameter(torch.randn(4, 6, 6)) if masked else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q = self.q(x).view(x.size(0), -1, self.heads, self.size).transpose(1, 2)
        k, v = (part(x).view(x.size(0), -1, self.key_heads, self.size).transpose(1, 2) for part in (self.k, self.v))
        is_grouped = self.heads != self.key_heads
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=self.mask, enable_gqa=is_grouped)
        return self.out(y.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def attention() -> Iterator[Case]:
    # What shrinks inside attention scales it: only shapes are checked where that is so.
    name = "scaled_dot_product_attention"
    yield Case((name,), Attention, (6, 5), exact=False, baked=(3,))
    yield Case((name,), lambda: Attention(masked=True), (6, 5), exact=False, baked=(3,))
    # Grouped queries: key heads shrink, and how many query heads each of them serves.
    yield Case((name,), lambda: Attention(key_heads=2), (6, 5), exact=False, baked=(3,))


class Products(nn.Module):
    """A product of the outputs of two layers."""

    def __init__(self, product: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.product = product
        self.left, self.right = nn.Linear(3, 8), nn.Linear(3, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.product(self.left(x), self.right(x))


class Both(nn.Module):
    """Gives both entries of a pair to a layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, pair: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return self.layer(*pair)  # type: ignore[no-any-return]


class Bare(nn.Module):
    """Parameters of the module itself, in a product with each other and the input."""

    def __init__(self, product: Callable[..., torch.Tensor], *shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.product = product
        self.parameters_of_it = nn.ParameterList(nn.Parameter(torch.randn(shape)) for shape in shapes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.product(x, *self.parameters_of_it)


def products() -> Iterator[Case]:
    def case(*names: str, op: Callable[..., torch.Tensor], shape: tuple[int, ...] = (6, 3)) -> Case:
        return Case(names, lambda: Products(op), shape)

    yield case("matmul", op=lambda a, b: a @ b.transpose(-1, -2))
    yield case("matmul", op=lambda a, b: a.transpose(-1, -2) @ b)
    yield case("matmul", op=lambda a, b: a.unsqueeze(1) @ b.unsqueeze(3))
    yield case("bmm", op=lambda a, b: torch.bmm(a, b.transpose(1, 2)))
    yield case("bmm", op=lambda a, b: torch.bmm(a.transpose(1, 2), b))
    yield case("mm", "t", op=lambda a, b: torch.mm(a, b.t()), shape=(3,))
    yield case("mm", "numpy_T", op=lambda a, b: torch.mm(a.T, b), shape=(3,))
    yield case("mT", op=lambda a, b: a @ b.mT)
    yield Case(("mm",), lambda: Bare(lambda x, a, b: x.mm(a).mm(b), (3, 8), (8, 5)), (3,))
    yield Case(("mv",), lambda: Bare(lambda x, a, b: x.mm(a).mv(b), (3, 8), (8,)), (3,))
    yield Case(("dot",), lambda: Bare(lambda x, a, b: x.sum() * torch.dot(a, b), (8,), (8,)), (3,))
    yield Case(("vdot",), lambda: Bare(lambda x, a, b: x.sum() * torch.vdot(a, b), (8,), (8,)), (3,))
    yield Case(("addmm",), lambda: Bare(lambda x, a, b: torch.addmm(b, x, a), (3, 8), (8,)), (3,))
    yield Case(("baddbmm",), lambda: Bare(lambda x, a, b: torch.baddbmm(b, x, a), (2, 3, 8), (2, 6, 8)), (6, 3))
    yield Case(("outer",), lambda: Bare(lambda x, a, b: x @ torch.outer(a, b), (3,), (8,)), (3,))
    yield Case(("ger",), lambda: Bare(lambda x, a, b: x @ torch.ger(a, b), (3,), (8,)), (3,))
    yield case("inner", op=lambda a, b: torch.inner(a[0], b[0]))
    yield case("tensordot", op=lambda a, b: torch.tensordot(a, b, dims=([2], [2])))
    yield case("tensordot", op=lambda a, b: torch.tensordot(a, b, dims=([0, 1], [0, 1])))
    yield case("cdist", op=torch.cdist)
    yield Case(("bilinear",), lambda: Between(lambda x: (x, x), nn.Linear(3, 8), Both(nn.Bilinear(8, 8, 5))), (3,))
    for equation in ("bnc,bmc->bnm", "bnc,bnd->bcd", "...c,...c->...", "bnc,bnd"):
        yield case("einsum", op=functools.partial(torch.einsum, equation))


def norms() -> Iterator[Case]:
    # A member of a norm over channels counts fewer of them: only shapes are the same.
    yield Case(("layer_norm",), lambda: nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8)), (3,), exact=False)
    yield Case(("layer_norm",), lambda: nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 8)), (3,))
    yield Case(("rms_norm",), lambda: nn.Sequential(nn.Linear(3, 8), nn.RMSNorm(8)), (3,), exact=False)
    yield Case(("group_norm",), lambda: nn.Sequential(conv(8), nn.GroupNorm(2, 8), conv(5, 8)), exact=False)
    instance = functools.partial(nn.InstanceNorm2d, 8)
    yield Case(("instance_norm",), lambda: nn.Sequential(conv(8), instance(affine=True), conv(5, 8)))
    yield Case(("instance_norm",), lambda: nn.Sequential(conv(8), instance(), conv(5, 8)))


def transposed() -> Iterator[Case]:
    for axes, layer in enumerate((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), 1):
        chain = lambda layer=layer: nn.Sequential(layer(3, 8, 2), layer(8, 5, 2, bias=False))  # noqa: E731
        yield Case((f"conv_transpose{axes}d",), chain, (3, *(4,) * axes))
    grouped = functools.partial(nn.ConvTranspose2d, 8, 6, 2, groups=2)
    yield Case(("conv_transpose2d",), lambda: nn.Sequential(conv(8), grouped(), conv(5, 6)))


def parts() -> Iterator[Case]:
    read = lambda: conv(5, 4)  # noqa: E731
    # Parts keep their own sizes: the code must not write them down, so it gets them from a chunk or from the channels.
    yield through("chunk", op=lambda x: torch.mul(*x.chunk(2, 1)), after=read)
    yield through("split", op=lambda x: torch.mul(*x.split(x.size(1) // 2, 1)), after=read)
    yield through("split_with_sizes", op=lambda x: torch.mul(*x.split([x.size(1) // 2] * 2, 1)), after=read)
    yield through("glu", op=lambda x: functional.glu(x, 1), after=read)
    yield after_conv("unbind", op=lambda x: x.unbind(2)[1])
    yield after_conv("select", op=lambda x: x[:, 0], exact=True)
    yield after_conv("select", op=lambda x: x.select(3, -1))
    yield after_conv("slice", op=lambda x: x[..., 1:3])
    yield after_conv("slice", op=lambda x: x[:, :, ::2])
    # Halves: most likely the code computes where the middle is.
    yield through("slice", op=lambda x: x[:, : x.size(1) // 2], after=read)
    yield through("slice", op=lambda x: x[:, x.size(1) // 2 :], after=read)
    yield after_conv("narrow", op=lambda x: x.narrow(2, 1, 2))
    yield after_conv("expand", op=lambda x: x.mean(2, keepdim=True).expand(-1, -1, 6, -1))
    yield after_conv("expand", op=lambda x: x.mean(1, keepdim=True).expand(-1, x.size(1), -1, -1), exact=False)
    yield after_conv("expand", op=lambda x: x.mean((1, 2, 3)).expand(x.size(1), -1), exact=False)
    yield after_conv("expand_as", op=lambda x: x.mean(1, keepdim=True).expand_as(x), exact=False)
    yield after_conv("broadcast_to", op=lambda x: x.mean(2, keepdim=True).broadcast_to(x.shape))
    yield after_conv("repeat", op=lambda x: x.repeat(1, 2, 1, 3))
    yield after_conv("repeat", op=lambda x: x.repeat(2, 1, 1, 1, 1))
    yield after_conv("tile", op=lambda x: x.tile(2, 1, 1))
    yield after_conv("repeat_interleave", op=lambda x: x.repeat_interleave(3, 1))
    yield after_conv("stack", op=lambda x: torch.stack([x, x * 2], 2))
    yield through("pixel_shuffle", op=lambda x: functional.pixel_shuffle(x, 2), after=lambda: conv(5, 2))
    yield through("pixel_unshuffle", op=lambda x: functional.pixel_unshuffle(x, 2), after=lambda: conv(5, 32))


def moves() -> Iterator[Case]:
    yield after_conv("swapaxes", op=lambda x: x.swapaxes(1, -1))
    yield after_conv("movedim", op=lambda x: x.movedim(1, -1))
    yield after_conv("movedim", op=lambda x: x.movedim((1, 2), (3, 0)))
    yield after_conv("pad", op=lambda x: functional.pad(x, (1, 2)))
    yield after_conv("pad", op=lambda x: functional.pad(x, (1, 1, 1, 1), mode="reflect"))
    yield after_conv("constant_pad_nd", op=lambda x: torch.ops.aten.constant_pad_nd(x, [0, 1]))
    yield after_conv("roll", op=lambda x: x.roll((1, 1), (2, 3)))
    yield after_conv("flip", op=lambda x: x.flip(2))
    yield after_conv("swapdims", op=lambda x: x.swapdims(1, -1))
    yield after_conv("moveaxis", op=lambda x: x.moveaxis(1, -1))
    yield after_conv("adjoint", op=lambda x: x.adjoint())
    yield after_conv("mH", op=lambda x: x.mH)
    yield after_conv("diff", op=lambda x: x.diff(dim=2))
    yield after_conv("diagonal", op=lambda x: x.diagonal(dim1=2, dim2=3))
    yield after_conv("diagonal", op=lambda x: x.diagonal(1, 3, 2))
    yield after_conv("view_as_complex", op=lambda x: torch.view_as_complex(x.unflatten(3, (2, 2))).abs())
    yield after_conv("view_as_real", op=lambda x: torch.view_as_real(x.to(torch.complex128)))
    yield through("channel_shuffle", op=lambda x: torch.channel_shuffle(x, 2), after=lambda: conv(5, 8))
    yield after_conv("cat", op=lambda x: torch.cat([torch.tensor([], dtype=x.dtype), x], 2))
    yield after_conv("concat", op=lambda x: torch.concat([x, x], 1))
    yield after_conv("concatenate", op=lambda x: torch.concatenate([x, x], 2))
    yield after_conv("im2col", op=lambda x: functional.unfold(x, 2))
    yield after_conv(
        "im2col", "col2im", op=lambda x: functional.fold(functional.unfold(x, 2, stride=2), 4, 2, stride=2)
    )
    yield after_conv("grid_sampler", op=lambda x: functional.grid_sample(x, GRID.to(x.dtype), align_corners=False))
    yield after_conv("view_as", op=lambda x: x.flatten(2).view_as(x))
    yield after_conv("reshape_as", op=lambda x: x.flatten(2).reshape_as(x))


def picks() -> Iterator[Case]:
    at = torch.tensor([2, 0])
    yield after_conv("index", op=lambda x: x[:, :, at])
    yield after_conv("index", op=lambda x: x[:, :, at, at])
    yield after_conv("index_select", op=lambda x: x.index_select(2, at))
    yield after_conv("argmax", op=lambda x: x.argmax(2))
    yield after_conv("argmin", op=lambda x: x.argmin(2))
    yield after_conv("any", op=lambda x: (x > 0).any(2))
    yield after_conv("all", op=lambda x: (x >= 0).all(-1, keepdim=True))
    yield after_conv("prod", op=lambda x: x.prod(2))
    yield after_conv("norm", op=lambda x: torch.ops.aten.norm.ScalarOpt_dim(x, 2, [1], True))
    yield after_conv("linalg_vector_norm", op=lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True))


def made() -> Iterator[Case]:
    yield after_conv("meshgrid", op=lambda x: x + torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")[0])
    yield after_conv("meshgrid", op=lambda x: x + torch.meshgrid(torch.arange(4), torch.arange(4), indexing="xy")[0])
    yield after_conv("rand", op=lambda x: x * torch.rand(4), exact=False)
    yield after_conv("randn", op=lambda x: x * torch.randn(4), exact=False)
    yield after_conv("randint", op=lambda x: x * torch.randint(3, (4,)), exact=False)
    yield after_conv("randn_like", op=torch.randn_like, exact=False)
    yield after_conv("bernoulli", op=lambda x: torch.bernoulli(x.sigmoid()), exact=False)
    yield after_conv("new_empty", op=lambda x: x.new_empty(4).fill_(1.0) * x)
    # Sizes that are read from a tensor follow it; those of attributes are covered by attention.
    yield after_conv("zeros", op=lambda x: x + torch.zeros(x.shape, dtype=x.dtype))
    yield after_conv("new_ones", op=lambda x: x.new_ones(x.size(0), x.size(1)))
    yield after_conv("arange", op=lambda x: x + torch.arange(4))
    yield after_conv("linspace", op=lambda x: x * torch.linspace(0, 1, 4))
    yield after_conv("eye", op=lambda x: x * torch.eye(4))
    yield after_conv("full", op=lambda x: x * torch.full((4,), 2.0))
    yield after_conv("ones", op=lambda x: x * torch.ones(4, 4))
    yield after_conv("zeros", op=lambda x: x + torch.zeros(4))
    yield after_conv("empty", op=lambda x: x * torch.empty(4), exact=False)
    yield after_conv("scalar_tensor", op=lambda x: x * torch.ops.aten.scalar_tensor(2.0))
    yield after_conv("new_full", op=lambda x: x * x.new_full((4,), 2.0))
    yield after_conv("new_ones", op=lambda x: x * x.new_ones(4))
    yield after_conv("new_zeros", op=lambda x: x + x.new_zeros(4))
    yield after_conv("full_like", op=lambda x: torch.full_like(x, 2.0))
    yield after_conv("rand_like", op=torch.rand_like, exact=False)
    yield after_conv("triu", op=torch.triu)
    yield after_conv("tril", op=lambda x: x.tril(1))
    yield after_conv("alias", op=torch.ops.aten.alias)
    yield after_conv("lift_fresh_copy", op=torch.ops.aten.lift_fresh_copy)
    yield after_conv("_assert_tensor_metadata", op=lambda x: x.to(torch.float64))


def resized() -> Iterator[Case]:
    for mode in ("bilinear", "bicubic"):
        resize = functools.partial(functional.interpolate, scale_factor=2, mode=mode, antialias=True)
        yield after_conv(f"_upsample_{mode}2d_aa", op=resize)
    for axes, mode, layer in ((1, "linear", nn.Conv1d), (3, "trilinear", nn.Conv3d)):
        resize = functools.partial(functional.interpolate, scale_factor=2, mode=mode)
        before = functools.partial(layer, 3, 8, 1)
        yield Case(
            (f"upsample_{mode}{axes}d",), lambda op=resize, before=before: Between(op, before()), (3, *(4,) * axes)
        )


CASES = [
    *layers(),
    *transposed(),
    *norms(),
    *attention(),
    *products(),
    *shapes(),
    *moves(),
    *parts(),
    *picks(),
    *made(),
    *pointwise(),
    *like_first(),
    *reductions(),
    *spectra(),
    *pools(),
    *resized(),
]
