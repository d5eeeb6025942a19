"""What fulmen_vision offers: names alone, so that listing it costs nothing."""

import fulmen

FULMEN_API = 1


@fulmen.hookimpl
def fulmen_components() -> list[fulmen.Component]:
    """Name the model, the networks, the data sets and the callback."""
    return [
        fulmen.Component(
            kind="model",
            name="image_classifier",
            target="fulmen_vision.classifier:ImageClassifier",
            summary="Classifies images with any network; logs loss, accuracy, F1 and AUROC.",
        ),
        fulmen.Component(
            kind="network",
            name="small_cnn",
            target="fulmen_vision.small_cnn:SmallCNN",
            summary="Four convolutions, one of them depthwise, for small images: 26k weights.",
        ),
        fulmen.Component(
            kind="network",
            name="resnet18",
            target="fulmen_vision.resnet:ResNet18",
            summary="ResNet-18 with the parameter names of torchvision's checkpoints.",
        ),
        fulmen.Component(
            kind="network",
            name="vgg16",
            target="fulmen_vision.vgg:VGG16",
            summary="VGG-16 with the parameter names of torchvision's checkpoints.",
        ),
        fulmen.Component(
            kind="network",
            name="squeezenet",
            target="fulmen_vision.squeezenet:SqueezeNet",
            summary="SqueezeNet 1.0 and 1.1 with the parameter names of torchvision's checkpoints.",
        ),
        fulmen.Component(
            kind="data",
            name="digits",
            target="fulmen_vision.digits:Digits",
            summary="1,797 scanned digits of 8x8 pixels, bundled with scikit-learn.",
            extra="vision",
        ),
        fulmen.Component(
            kind="data",
            name="npz",
            target="fulmen_vision.npz:NpzImages",
            summary="One .npz file in MedMNIST's layout.",
        ),
        fulmen.Component(
            kind="data",
            name="idx",
            target="fulmen_vision.idx:IdxImages",
            summary="A folder in MNIST's file format, by default Debian's dataset-fashion-mnist.",
        ),
        fulmen.Component(
            kind="data",
            name="image_folder",
            target="fulmen_vision.image_folder:ImageFolder",
            summary="Image files in one folder a class, as ImageNet's; resized, cropped, normalised.",
            extra="vision",
        ),
        fulmen.Component(
            kind="callback",
            name="predictions",
            target="fulmen_vision.predictions:Predictions",
            summary="Writes what predict says of each image to a table.",
        ),
    ]
