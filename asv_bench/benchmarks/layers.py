"""The table of named layers: every piece of work that is timed anywhere, once.

A layer is its shapes and its geometry, nothing else; dtype, method and memory layout are chosen by who times it.
Shapes are channels first, `(n, ic, *spatial)` and `(oc, ic // groups, *kernel)`, in any rank. The names key the
history of the benchmarks, so a name is never changed; a layer that changes gets a new one.

Sources of the shapes: He et al. 2015 (ResNet-50, arXiv:1512.03385, with the stride on the 3x3 as in torchvision),
Simonyan & Zisserman 2014 (VGG-16, arXiv:1409.1556), Sandler et al. 2018 (MobileNetV2, arXiv:1801.04381),
Szegedy et al. 2015 (Inception v3, arXiv:1512.00567), Xie et al. 2016 (ResNeXt, arXiv:1611.05431),
Liu et al. 2022 (ConvNeXt, arXiv:2201.03545), Dosovitskiy et al. 2020 (ViT, arXiv:2010.11929).
"""

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Layer:
    """One convolution: what it is called, its shapes and its geometry (one int for all axes)."""

    name: str
    input: tuple
    weight: tuple
    stride: int = 1
    padding: int | tuple = 0
    dilation: int = 1
    groups: int = 1

    @property
    def rank(self):
        return len(self.input) - 2

    @property
    def pads(self):
        """The padding of each axis."""
        return (self.padding,) * self.rank if isinstance(self.padding, int) else self.padding

    @property
    def output(self):
        sizes = (
            (size + 2 * pad - self.dilation * (kernel - 1) - 1) // self.stride + 1
            for size, kernel, pad in zip(self.input[2:], self.weight[2:], self.pads, strict=True)
        )
        return (self.input[0], self.weight[0], *sizes)

    @property
    def flops(self):
        """Multiplications and additions of the direct sum."""
        return 2 * prod(self.output) * prod(self.weight[1:])


@dataclass(frozen=True)
class Pool:
    """One pooling layer; `stride` is given, never left to the default."""

    name: str
    input: tuple
    kernel: int
    stride: int
    padding: int = 0

    @property
    def output(self):
        size = ((s + 2 * self.padding - self.kernel) // self.stride + 1 for s in self.input[2:])
        return (*self.input[:2], *size)

    @property
    def flops(self):
        """Comparisons or additions of the direct computation."""
        return prod(self.output) * self.kernel ** (len(self.input) - 2)


def conv(name, ic, size, oc, kernel, stride=1, padding=None, groups=1, dilation=1, n=1, rank=2):
    """A layer in the usual short notation: sizes may be one int, padding defaults to "the same size at stride 1"."""
    size = (size,) * rank if isinstance(size, int) else size
    kernel = (kernel,) * rank if isinstance(kernel, int) else kernel
    if padding is None:
        padding = tuple(dilation * (k - 1) // 2 for k in kernel)
    return Layer(name, (n, ic, *size), (oc, ic // groups, *kernel), stride, padding, dilation, groups)


DENSE_3X3 = (
    conv("resnet50 3x3 64-64 @56", 64, 56, 64, 3),
    conv("resnet50 3x3 128-128 @28", 128, 28, 128, 3),
    conv("resnet50 3x3 256-256 @14", 256, 14, 256, 3),
    conv("resnet50 3x3 512-512 @7", 512, 7, 512, 3),
    conv("vgg16 3x3 64-64 @224", 64, 224, 64, 3),
    conv("vgg16 3x3 64-128 @112", 64, 112, 128, 3),
    conv("vgg16 3x3 128-128 @112", 128, 112, 128, 3),
    conv("vgg16 3x3 128-256 @56", 128, 56, 256, 3),
    conv("vgg16 3x3 256-256 @56", 256, 56, 256, 3),
    conv("vgg16 3x3 256-512 @28", 256, 28, 512, 3),
    conv("vgg16 3x3 512-512 @28", 512, 28, 512, 3),
    conv("vgg16 3x3 512-512 @14", 512, 14, 512, 3),
    conv("unet 3x3 32-32 @200x176", 32, (200, 176), 32, 3),
    conv("odd 3x3 48-80 @57x61", 48, (57, 61), 80, 3),
)

POINTWISE = (
    conv("resnet50 1x1 64-64 @56", 64, 56, 64, 1),
    conv("resnet50 1x1 64-256 @56", 64, 56, 256, 1),
    conv("resnet50 1x1 256-64 @56", 256, 56, 64, 1),
    conv("resnet50 1x1 256-128 @56", 256, 56, 128, 1),
    conv("resnet50 1x1 128-512 @28", 128, 28, 512, 1),
    conv("resnet50 1x1 512-128 @28", 512, 28, 128, 1),
    conv("resnet50 1x1 512-256 @28", 512, 28, 256, 1),
    conv("resnet50 1x1 256-1024 @14", 256, 14, 1024, 1),
    conv("resnet50 1x1 1024-256 @14", 1024, 14, 256, 1),
    conv("resnet50 1x1 1024-512 @14", 1024, 14, 512, 1),
    conv("resnet50 1x1 512-2048 @7", 512, 7, 2048, 1),
    conv("resnet50 1x1 2048-512 @7", 2048, 7, 512, 1),
    conv("resnet50 1x1 s2 256-512 @56", 256, 56, 512, 1, stride=2),
    conv("resnet50 1x1 s2 512-1024 @28", 512, 28, 1024, 1, stride=2),
    conv("resnet50 1x1 s2 1024-2048 @14", 1024, 14, 2048, 1, stride=2),
    conv("mobilenetv2 1x1 32-16 @112", 32, 112, 16, 1),
    conv("mobilenetv2 1x1 16-96 @112", 16, 112, 96, 1),
    conv("mobilenetv2 1x1 96-24 @56", 96, 56, 24, 1),
    conv("mobilenetv2 1x1 24-144 @56", 24, 56, 144, 1),
    conv("mobilenetv2 1x1 144-32 @28", 144, 28, 32, 1),
    conv("mobilenetv2 1x1 64-384 @14", 64, 14, 384, 1),
    conv("mobilenetv2 1x1 576-96 @14", 576, 14, 96, 1),
    conv("mobilenetv2 1x1 160-960 @7", 160, 7, 960, 1),
    conv("mobilenetv2 1x1 320-1280 @7", 320, 7, 1280, 1),
)

FIRST = (
    conv("resnet50 7x7 s2 3-64 @224", 3, 224, 64, 7, stride=2),
    conv("vgg16 3x3 3-64 @224", 3, 224, 64, 3),
    conv("mobilenetv2 3x3 s2 3-32 @224", 3, 224, 32, 3, stride=2),
    conv("alexnet 11x11 s4 3-64 @224", 3, 224, 64, 11, stride=4, padding=2),
    conv("vit 16x16 s16 3-768 @224", 3, 224, 768, 16, stride=16, padding=0),
    conv("convnext 4x4 s4 3-96 @224", 3, 224, 96, 4, stride=4, padding=0),
)

DEPTHWISE = (
    conv("mobilenetv2 dw 3x3 32 @112", 32, 112, 32, 3, groups=32),
    conv("mobilenetv2 dw 3x3 s2 96 @112", 96, 112, 96, 3, stride=2, groups=96),
    conv("mobilenetv2 dw 3x3 144 @56", 144, 56, 144, 3, groups=144),
    conv("mobilenetv2 dw 3x3 s2 144 @56", 144, 56, 144, 3, stride=2, groups=144),
    conv("mobilenetv2 dw 3x3 192 @28", 192, 28, 192, 3, groups=192),
    conv("mobilenetv2 dw 3x3 s2 192 @28", 192, 28, 192, 3, stride=2, groups=192),
    conv("mobilenetv2 dw 3x3 384 @14", 384, 14, 384, 3, groups=384),
    conv("mobilenetv2 dw 3x3 s2 576 @14", 576, 14, 576, 3, stride=2, groups=576),
    conv("mobilenetv2 dw 3x3 960 @7", 960, 7, 960, 3, groups=960),
    conv("efficientnet dw 5x5 240 @28", 240, 28, 240, 5, groups=240),
    conv("convnext dw 7x7 96 @56", 96, 56, 96, 7, groups=96),
    conv("resnext 3x3 g32 128-128 @56", 128, 56, 128, 3, groups=32),
    conv("resnext 3x3 g32 256-256 @28", 256, 28, 256, 3, groups=32),
    conv("resnext 3x3 s2 g32 256-256 @56", 256, 56, 256, 3, stride=2, groups=32),
    conv("regnet 3x3 g10 240-240 @14", 240, 14, 240, 3, groups=10),
)

# Dense layers that are none of the above: strides, dilation, kernels that are not square, sizes that divide nothing.
DENSE = (
    conv("resnet50 3x3 s2 128-128 @56", 128, 56, 128, 3, stride=2),
    conv("resnet50 3x3 s2 256-256 @28", 256, 28, 256, 3, stride=2),
    conv("resnet50 3x3 s2 512-512 @14", 512, 14, 512, 3, stride=2),
    conv("inception 1x7 192-192 @17", 192, 17, 192, (1, 7)),
    conv("inception 7x1 192-192 @17", 192, 17, 192, (7, 1)),
    conv("inception 5x5 48-64 @35", 48, 35, 64, 5),
    conv("atrous 3x3 d2 256-256 @28", 256, 28, 256, 3, dilation=2),
    conv("odd 3x3 17-33 @55x61", 17, (55, 61), 33, 3),
    conv("odd 5x3 s3 19-21 @97x89", 19, (97, 89), 21, (5, 3), stride=3),
    conv("few 3x3 8-8 @128", 8, 128, 8, 3),
)

IMAGE = tuple(conv(f"image {k}x{k} @1024", 1, 1024, 1, k) for k in (3, 5, 7, 9, 11, 15))
LARGE_KERNELS = tuple(conv(f"image {k}x{k} @1024", 1, 1024, 1, k) for k in (31, 63))
TRANSFORMED_IMAGES = (
    *(conv(f"image {k}x{k} @{size}", 1, size, 1, k) for size in (256, 512) for k in (15, 31, 63, 127)),
    conv("image 127x127 @1024", 1, 1024, 1, 127),
)
SIGNALS = tuple(
    conv(f"signal k{k} @{size}", 1, size, 1, k, padding=0, rank=1)
    for size in (16000, 160_000)
    for k in (64, 256, 1000, 4096, 8192)
)
TINY = (conv("tiny 3x3 1-16 @28", 1, 28, 16, 3), conv("tiny 3x3 16-32 @14", 16, 14, 32, 3))

CONV1D = (
    conv("audio k9 64-64 @16000", 64, 16000, 64, 9, rank=1),
    conv("audio k3 128-128 @4000", 128, 4000, 128, 3, rank=1),
    conv("audio dw k31 256 @2000", 256, 2000, 256, 31, groups=256, rank=1),
)
CONV3D = (
    conv("video 3x3x3 32-32 @32x64x64", 32, (32, 64, 64), 32, 3, rank=3),
    conv("video 3x3x3 3-64 @16x112x112", 3, (16, 112, 112), 64, 3, rank=3),
)
# Read as a transposed convolution: `input` is what it takes, `weight` is (ic, oc // groups, *kernel).
TRANSPOSED = (
    Layer("unet up 2x2 s2 128-64 @56", (1, 128, 56, 56), (128, 64, 2, 2), stride=2),
    Layer("dcgan up 4x4 s2 64-64 @56", (1, 64, 56, 56), (64, 64, 4, 4), stride=2, padding=1),
    Layer("unet up 2x2 s2 512-256 @14", (1, 512, 14, 14), (512, 256, 2, 2), stride=2),
    Layer("batch8 dcgan up 4x4 s2 256-128 @8", (8, 256, 8, 8), (256, 128, 4, 4), stride=2, padding=1),
    Layer("fcn up 4x4 s2 dw 64 @56", (1, 64, 56, 56), (64, 1, 4, 4), stride=2, padding=1, groups=64),
    Layer("fsrcnn up 9x9 s3 56-1 @80", (1, 56, 80, 80), (56, 1, 9, 9), stride=3, padding=4),
    Layer("decoder up 3x3 s1 64-64 @56", (1, 64, 56, 56), (64, 64, 3, 3), padding=1),
    Layer("vocoder up k16 s8 128-64 @1000", (1, 128, 1000), (128, 64, 16), stride=8, padding=4),
    Layer("unet3d up 2x2x2 s2 64-32 @16", (1, 64, 16, 16, 16), (64, 32, 2, 2, 2), stride=2),
)
GRADIENTS = (
    conv("batch8 3x3 64-64 @56", 64, 56, 64, 3, n=8),
    conv("batch8 3x3 s2 128-128 @56", 128, 56, 128, 3, stride=2, n=8),
    conv("batch8 1x1 256-64 @56", 256, 56, 64, 1, n=8),
    conv("batch8 3x3 256-256 @14", 256, 14, 256, 3, n=8),
    conv("batch8 3x3 512-512 @7", 512, 7, 512, 3, n=8),
    conv("batch8 1x1 512-2048 @7", 512, 7, 2048, 1, n=8),
    conv("batch8 1x1 1024-256 @14", 1024, 14, 256, 1, n=8),
    conv("batch2 7x7 s2 3-64 @224", 3, 224, 64, 7, stride=2, n=2),
    conv("batch2 5x5 48-64 @35", 48, 35, 64, 5, n=2),
    conv("single 3x3 64-64 @56", 64, 56, 64, 3),
    conv("single 3x3 128-128 @28", 128, 28, 128, 3),
    conv("batch8 dw 3x3 144 @56", 144, 56, 144, 3, groups=144, n=8),
    conv("batch8 dw 3x3 s2 144 @56", 144, 56, 144, 3, stride=2, groups=144, n=8),
    conv("batch8 dw 3x3 384 @14", 384, 14, 384, 3, groups=384, n=8),
    conv("batch2 dw 7x7 96 @56", 96, 56, 96, 7, groups=96, n=2),
    conv("batch8 3x3 g32 256-256 @28", 256, 28, 256, 3, groups=32, n=8),
    conv("batch4 audio k3 128-128 @4000", 128, 4000, 128, 3, n=4, rank=1),
    conv("batch4 audio k9 64-64 @4000", 64, 4000, 64, 9, n=4, rank=1),
    conv("batch2 video 3x3x3 32-32 @8x56x56", 32, (8, 56, 56), 32, 3, n=2, rank=3),
)

POOLS = (
    Pool("batch4 3x3 s2 64 @112", (4, 64, 112, 112), 3, 2, 1),
    Pool("batch4 2x2 s2 64 @112", (4, 64, 112, 112), 2, 2),
    Pool("batch4 3x3 s1 64 @112", (4, 64, 112, 112), 3, 1, 1),
    Pool("vgg16 2x2 s2 512 @28", (1, 512, 28, 28), 2, 2),
    Pool("inception 3x3 s1 192 @35", (1, 192, 35, 35), 3, 1, 1),
    Pool("tiny 2x2 s2 16 @28", (1, 16, 28, 28), 2, 2),
)
POOLS_OF_OTHER_RANKS = (
    Pool("audio k4 s4 64 @16000", (1, 64, 16000), 4, 4),
    Pool("video 3x3x3 s2 32 @16x56x56", (1, 32, 16, 56, 56), 3, 2, 1),
)
WINDOWS = (
    Pool("batch4 2x2 s2 64 @56", (4, 64, 56, 56), 2, 2),
    Pool("batch4 3x3 s2 64 @56", (4, 64, 56, 56), 3, 2, 1),
    Pool("resnet50 end 3x3 s2 512 @7", (1, 512, 7, 7), 3, 2, 1),
)

BY_NAME = {
    layer.name: layer
    for family in (DENSE_3X3, POINTWISE, FIRST, DEPTHWISE, DENSE, IMAGE, LARGE_KERNELS, TRANSFORMED_IMAGES, TINY)
    for layer in family
}
ANY = BY_NAME | {layer.name: layer for family in (CONV1D, CONV3D, SIGNALS) for layer in family}
POOL_BY_NAME = {pool.name: pool for pool in (*POOLS, *POOLS_OF_OTHER_RANKS)}
WINDOW_BY_NAME = {pool.name: pool for pool in WINDOWS}
