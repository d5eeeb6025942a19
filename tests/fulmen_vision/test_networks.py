"""The networks have the shapes, names and sizes that they promise."""

from __future__ import annotations

import pytest
import torch

from fulmen_vision import VGG16, ResNet18, SmallCNN, SqueezeNet


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


def torchvision_vgg16(classes: int = 1000) -> dict[str, tuple[int, ...]]:
    """Name to shape, in the order of torchvision's checkpoint, written out from the paper's column D."""
    places = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # the other places: ReLU and poolings
    widths = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    shapes: dict[str, tuple[int, ...]] = {}
    for place, outputs, inputs in zip(places, widths, (3, *widths), strict=False):
        shapes |= {f"features.{place}.weight": (outputs, inputs, 3, 3), f"features.{place}.bias": (outputs,)}
    for place, outputs, inputs in ((0, 4096, 25088), (3, 4096, 4096), (6, classes, 4096)):
        shapes |= {f"classifier.{place}.weight": (outputs, inputs), f"classifier.{place}.bias": (outputs,)}
    return shapes


def torchvision_squeezenet(variant: str) -> dict[str, tuple[int, ...]]:
    """Name to shape, in the order of torchvision's checkpoints, from table 1 and its successor."""
    fires, first = {
        "squeezenet1_0": ({3: 16, 4: 16, 5: 32, 7: 32, 8: 48, 9: 48, 10: 64, 12: 64}, (96, 3, 7, 7)),
        "squeezenet1_1": ({3: 16, 4: 16, 6: 32, 7: 32, 9: 48, 10: 48, 11: 64, 12: 64}, (64, 3, 3, 3)),
    }[variant]
    shapes = {"features.0.weight": first, "features.0.bias": first[:1]}
    inputs = first[0]
    for place, squeezed in fires.items():
        for part, shape in (
            ("squeeze", (squeezed, inputs, 1, 1)),
            ("expand1x1", (4 * squeezed, squeezed, 1, 1)),
            ("expand3x3", (4 * squeezed, squeezed, 3, 3)),
        ):
            shapes |= {
                f"features.{place}.{part}.weight": shape,
                f"features.{place}.{part}.bias": shape[:1],
            }
        inputs = 8 * squeezed
    return shapes | {"classifier.1.weight": (1000, 512, 1, 1), "classifier.1.bias": (1000,)}


def shapes_of(network: torch.nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()]


def test_vgg16_has_the_names_and_shapes_of_torchvision_in_order():
    with torch.device("meta"):
        network = VGG16()

    assert shapes_of(network) == list(torchvision_vgg16().items())
    assert weights(network) == 138_357_544
    assert len(network.features) == 31


def test_vgg16_shrinks_as_the_paper_says():
    sizes = []
    network = VGG16(head_width=8, num_classes=3).eval()
    for layer in network.features:
        if isinstance(layer, torch.nn.MaxPool2d):
            layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))

    with torch.no_grad():
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 3)

    assert sizes == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]


def test_a_small_vgg16_differs_from_torchvisions_in_its_head_alone():
    network = VGG16(num_classes=10, head_width=512, images="small")
    expected = torchvision_vgg16(classes=10)
    changed = {name for name, shape in shapes_of(network) if shape != expected[name]}

    assert changed == {f"classifier.{n}" for n in ("0.weight", "0.bias", "3.weight", "3.bias", "6.weight")}
    assert network.classifier[0].weight.shape == (512, 512)
    for size in (16, 28, 64):
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 10)


@pytest.mark.parametrize(("variant", "count"), [("squeezenet1_0", 1_248_424), ("squeezenet1_1", 1_235_496)])
def test_squeezenet_has_the_names_and_shapes_of_torchvision_in_order(variant, count):
    network = SqueezeNet(variant=variant)

    assert shapes_of(network) == list(torchvision_squeezenet(variant).items())
    assert weights(network) == count


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("squeezenet1_0", [(96, 54, 54), (256, 27, 27), (512, 13, 13)]),
        ("squeezenet1_1", [(64, 55, 55), (128, 27, 27), (256, 13, 13)]),
    ],
)
def test_squeezenet_shrinks_as_published(variant, expected):
    sizes = []
    network = SqueezeNet(variant=variant).eval()
    for layer in network.features:
        if isinstance(layer, torch.nn.MaxPool2d):
            layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))

    with torch.no_grad():
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)

    assert sizes == expected


def test_a_fire_module_is_the_papers_formula():
    fire = SqueezeNet(in_channels=1, num_classes=2).features[3]
    x = torch.randn(2, 96, 5, 5, generator=torch.Generator().manual_seed(0))
    conv = torch.nn.functional.conv2d

    squeezed = conv(x, fire.squeeze.weight, fire.squeeze.bias).relu()
    narrow = conv(squeezed, fire.expand1x1.weight, fire.expand1x1.bias).relu()
    wide = conv(squeezed, fire.expand3x3.weight, fire.expand3x3.bias, padding=1).relu()

    torch.testing.assert_close(fire(x), torch.cat([narrow, wide], 1))


@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({}, 21),
        ({"variant": "squeezenet1_1"}, 17),
        ({"stem": "small"}, 8),
        ({"stem": "small", "variant": "squeezenet1_1"}, 8),
    ],
)
def test_squeezenet_takes_images_from_the_size_that_it_says(options, least):
    network = SqueezeNet(num_classes=4, **options)

    assert network(torch.zeros(2, 3, least, least)).shape == (2, 4)
    if "stem" not in options:
        with pytest.raises(RuntimeError):
            network(torch.zeros(2, 3, least - 1, least - 1))
