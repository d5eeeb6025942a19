"""The networks have the shapes, names and sizes that they promise."""

from __future__ import annotations

import pytest
import torch

from fulmen_vision import ResNet18, SmallCNN


def torchvision_resnet18(classes: int = 1000) -> dict[str, tuple[int, ...]]:
    """Name to shape, in the order of torchvision's checkpoint, written out from the paper's table 1."""
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, outputs: int, inputs: int, size: int) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs, size, size)

    def normalisation(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (channels,)
        shapes[f"{name}.num_batches_tracked"] = ()

    convolution("conv1", 64, 3, 7)
    normalisation("bn1", 64)
    inputs = 64
    for layer, outputs in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            name = f"layer{layer}.{block}"
            convolution(f"{name}.conv1", outputs, inputs, 3)
            normalisation(f"{name}.bn1", outputs)
            convolution(f"{name}.conv2", outputs, outputs, 3)
            normalisation(f"{name}.bn2", outputs)
            if inputs != outputs:
                convolution(f"{name}.downsample.0", outputs, inputs, 1)
                normalisation(f"{name}.downsample.1", outputs)
            inputs = outputs
    shapes |= {"fc.weight": (classes, 512), "fc.bias": (classes,)}
    return shapes


def weights(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_resnet18_has_the_names_and_shapes_of_torchvision_in_order():
    found = {name: tuple(tensor.shape) for name, tensor in ResNet18().state_dict().items()}

    assert list(found.items()) == list(torchvision_resnet18().items())
    assert len(found) == 122


def test_resnet18_has_11_689_512_weights():
    assert weights(ResNet18()) == 11_689_512


def test_resnet18_shrinks_as_the_paper_says():
    sizes = []
    network = ResNet18().eval()
    for layer in (network.conv1, network.layer1, network.layer2, network.layer3, network.layer4):
        layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))

    with torch.no_grad():
        scores = network(torch.zeros(1, 3, 224, 224))

    assert scores.shape == (1, 1000)
    assert sizes == [(64, 112, 112), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_a_resnet18_block_is_the_papers_formula():
    block = ResNet18(in_channels=1, num_classes=2).layer2[0].eval()
    x = torch.randn(2, 64, 6, 6, generator=torch.Generator().manual_seed(0))
    conv, norm = torch.nn.functional.conv2d, torch.nn.functional.batch_norm

    def normalised(y: torch.Tensor, bn: torch.nn.BatchNorm2d) -> torch.Tensor:
        return norm(y, bn.running_mean, bn.running_var, bn.weight, bn.bias)

    hidden = normalised(conv(x, block.conv1.weight, stride=2, padding=1), block.bn1).relu()
    shortcut = normalised(conv(x, block.downsample[0].weight, stride=2), block.downsample[1])
    expected = (normalised(conv(hidden, block.conv2.weight, padding=1), block.bn2) + shortcut).relu()

    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("size", [8, 28, 32])
def test_the_small_stem_keeps_small_images(size):
    network = ResNet18(in_channels=1, num_classes=10, stem="small").eval()
    seen = []
    network.layer1.register_forward_hook(lambda _, __, output: seen.append(tuple(output.shape[2:])))

    with torch.no_grad():
        assert network(torch.zeros(2, 1, size, size)).shape == (2, 10)

    assert seen == [(size, size)]
    changed = {
        name
        for name, tensor in network.state_dict().items()
        if tuple(tensor.shape) != torchvision_resnet18(classes=10)[name]
    }
    assert changed == {"conv1.weight"}


def test_small_cnn_has_the_weights_that_its_docstring_says():
    assert weights(SmallCNN()) == 26_410


def test_small_cnn_has_one_depthwise_convolution_and_normalises_after_each():
    convolutions = [m for m in SmallCNN().modules() if isinstance(m, torch.nn.Conv2d)]
    normalisations = [m for m in SmallCNN().modules() if isinstance(m, torch.nn.BatchNorm2d)]

    assert [m.groups for m in convolutions] == [1, 1, 64, 1]
    assert [m.num_features for m in normalisations] == [m.out_channels for m in convolutions]


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (28, 28), (64, 8)])
@pytest.mark.parametrize(("channels", "classes", "width"), [(1, 10, 32), (3, 2, 5)])
def test_small_cnn_takes_any_size_from_8(shape, channels, classes, width):
    network = SmallCNN(channels, classes, width)

    assert network(torch.zeros(2, channels, *shape)).shape == (2, classes)
