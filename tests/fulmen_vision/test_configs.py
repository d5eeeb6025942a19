"""The shipped configs run, and say what they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from fulmen_vision import ResNet18

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "vision").glob("*.yaml"))
FASHION = Path("/usr/share/datasets/fashion-mnist")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def small(image_folder) -> Callable[[Path], list[str]]:
    """Say what limits the time that a config takes, and where its data is."""

    def options(config: Path) -> list[str]:
        if config.stem.startswith("fashion") and not FASHION.is_dir():
            pytest.skip(f"{FASHION} is not there: apt-get install dataset-fashion-mnist")
        if config.stem == "imagenet":
            # The layout of the real one; Lightning counts a class that has no image as one of the 1,000.
            return [
                f"--data.folder={image_folder(('train', 'val'))}",
                "--data.num_workers=1",
                "--data.batch_size=8",
            ]
        return ["--data.limit_train=128", *(["--data.batch_size=16"] if "fashion" in config.stem else [])]

    return options


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_config_trains_saves_and_is_tested(run_fulmen, tmp_path, small, config):
    limits = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.limit_val_batches=2"]
    data = small(config)
    fitted = run_fulmen("fit", "--config", config, *limits, *data)
    assert fitted.status == 0, fitted.stderr

    (checkpoint,) = tmp_path.glob("runs/*/version_0/checkpoints/*.ckpt")
    tested = run_fulmen(
        *("test", "--config", config, "--ckpt_path", checkpoint, "--trainer.limit_test_batches=2", *data)
    )
    assert tested.status == 0, tested.stderr
    assert all(name in tested.stdout for name in ("test_loss", "test_acc", "test_f1", "test_auroc"))


def test_digits_reach_the_accuracy_that_the_config_claims(run_fulmen, tmp_path, repository):
    config = repository / "configs" / "vision" / "digits.yaml"
    assert "to 98% of the 500 test images" in config.read_text()

    fitted = run_fulmen("fit", "--config", config)
    assert fitted.status == 0, fitted.stderr
    (checkpoint,) = tmp_path.glob("runs/digits/version_0/checkpoints/*.ckpt")
    tested = run_fulmen("test", "--config", config, "--ckpt_path", checkpoint)

    accuracy = next(line for line in tested.stdout.splitlines() if "test_acc" in line).split()[-2]
    assert float(accuracy) >= 0.98


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_config_begins_with_what_it_does_and_how_long_it_takes(config):
    first = config.read_text().splitlines()[0]

    assert first.startswith("# Train ")
    assert first.endswith("on 2 cores.")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_schedule_ends_with_the_training(config):
    values = yaml.safe_load(config.read_text())

    scheduler = values["model"]["init_args"]["scheduler"]["init_args"]
    assert scheduler["T_max"] == values["trainer"]["max_epochs"]


def test_npz_and_resnet18_by_their_short_names(run_fulmen, tmp_path, medmnist_file):
    config = tmp_path / "npz.yaml"
    config.write_text(f"""
model:
  class_path: image_classifier
  init_args:
    network: {{class_path: resnet18, init_args: {{in_channels: 3, num_classes: 2, stem: small}}}}
    num_classes: 2
data:
  class_path: npz
  init_args: {{path: {medmnist_file(colour=True)}, label_map: {{0: 0, 1: 0, 2: 1, 3: 1}}, batch_size: 8}}
trainer: {{accelerator: cpu, fast_dev_run: true, logger: false}}
""")

    ran = run_fulmen("fit", "--config", config)

    assert ran.status == 0, ran.stderr


def test_imagenet_with_weights_that_somebody_saved(run_fulmen, tmp_path, repository, image_folder):
    """The path of who tests torchvision's checkpoint: class folders, a bare state dict, no training."""
    torch.manual_seed(0)
    torch.save(ResNet18().state_dict(), tmp_path / "resnet18.pth")
    config = repository / "configs" / "vision" / "imagenet.yaml"
    folder = image_folder(("val",))
    data = [f"--data.folder={folder}", "--data.train=null", "--data.num_workers=0", "--data.batch_size=8"]

    tested = run_fulmen(*("test", "--config", config, *data, "--model.weights=resnet18.pth"))
    refused = run_fulmen(*("test", "--config", config, *data, "--model.weights=vgg16.pth"))

    assert tested.status == 0, tested.stderr
    assert "test_acc" in tested.stdout
    assert refused.status == 2
    assert "model: weights: vgg16.pth: does not exist; expected a file of weights" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_missing_folder_is_one_line_and_status_2(run_fulmen, tmp_path):
    ran = run_fulmen(
        *("fit", "--model=image_classifier", "--model.network=small_cnn", "--model.num_classes=10"),
        *("--data=idx", f"--data.folder={tmp_path / 'nowhere'}", "--trainer.logger=false"),
    )

    assert ran.status == 2
    assert f"{tmp_path / 'nowhere'}: does not exist; expected a folder with" in ran.stderr
    assert "Traceback" not in ran.stderr
