"""What faults do to the paper's three networks on Fashion-MNIST, under each protection.

    sudo apt-get install dataset-fashion-mnist
    python benchmarks/fault_campaign_fashion.py   hours; goes on where it stopped; or name networks
    python benchmarks/fault_campaign_fashion.py --accelerator gpu   minutes

Each network is trained by the shipped configs (configs/vision/fashion_*.yaml, with wot in the last epoch by
configs/zero_space_ecc/fashion_wot.yaml), then memory_faults hits all of its weights and classifies 1,000
fixed test images: the first of the 10,000. A row stops at a half-width of half a point, after 30 trials at
least and a cap at most; where the cap came first the interval says so. One thread; on a GPU the
classifying is in full float32, too. Writes one file a network into
benchmarks/results/fault_campaign_fashion/, with the CPU hours and the hours by the clock that training and
campaign took, on which device.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import seed_everything

from fulmen import Report, Runner, write_artifact
from fulmen_vision.classifier import ImageClassifier
from fulmen_vision.idx import IdxImages
from fulmen_vision.resnet import ResNet18
from fulmen_vision.squeezenet import SqueezeNet
from fulmen_vision.vgg import VGG16
from fulmen_zero_space_ecc.campaign.memory_faults import MemoryFaults

RESULTS = Path(__file__).parent / "results" / "fault_campaign_fashion"
CONFIGS = Path(__file__).parents[1] / "configs"
RATES = [1e-5, 1e-4, 1e-3, 1e-2]
SCHEMES = ["none", "parity_zero", "ecc_72_64", "ecc_72_64_signed", "in_place"]
NETWORKS = {"squeezenet": SqueezeNet, "resnet18": ResNet18, "vgg16": VGG16}
CAPS = {"squeezenet": 400, "resnet18": 400, "vgg16": 100}  # trials a row: a pass of vgg16 takes seconds
IMAGES = 1000


def train(name: str, folder: Path, accelerator: str) -> Path:
    """Train by the shipped configs; return the checkpoint after the last epoch."""
    config = CONFIGS / "vision" / f"fashion_{name}.yaml"
    epochs = yaml.safe_load(config.read_text())["trainer"]["max_epochs"]
    last = folder / "fit" / "last.ckpt"
    done = folder / "trained.json"
    if done.exists():
        return last
    command = [sys.executable, "-m", "fulmen", "fit", "--config", str(config)]
    held = yaml.safe_load((CONFIGS / "zero_space_ecc" / "fashion_wot.yaml").read_text())
    wot, _, checkpoints = held["trainer"]["callbacks"]
    wot["init_args"]["start_epoch"] = epochs - 1
    checkpoints["init_args"]["dirpath"] = str(last.parent)
    write_artifact(folder / "held.yaml", yaml.safe_dump(held))
    command += ["--config", str(folder / "held.yaml")]
    command += [f"--trainer.logger.init_args.save_dir={folder}", f"--trainer.accelerator={accelerator}"]
    command += ["--trainer.devices=1"]
    if last.exists():  # cut off earlier
        command += ["--ckpt_path", str(last)]
    start, wall = _children_cpu(), time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    spent = {"cpu_hours": (_children_cpu() - start) / 3600, "hours": (time.perf_counter() - wall) / 3600}
    write_artifact(done, json.dumps(spent) + "\n")
    return last


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def campaign(name: str, checkpoint: Path, run: Path, accelerator: str) -> Report:
    """Run memory_faults on a checkpoint; a finished run is read back, a broken one goes on."""
    if (run / "report" / "report.json").exists():
        return Report.load(run)
    seed_everything(1, verbose=False)
    analyzer = MemoryFaults(schemes=SCHEMES, rates=RATES, trials=CAPS[name], images=IMAGES)
    network = NETWORKS[name](**network_options(name))
    return Runner(accelerator=accelerator, devices=1, logger=False).analyze(
        analyzer, ImageClassifier(network, 10), IdxImages(), ckpt_path=checkpoint, run=run
    )


def network_options(name: str) -> dict[str, Any]:
    """Return what the shipped config says about the network."""
    config = yaml.safe_load((CONFIGS / "vision" / f"fashion_{name}.yaml").read_text())
    return dict(config["model"]["init_args"]["network"]["init_args"])


def measure(name: str, work: Path, out: Path, accelerator: str) -> None:
    """Train one network, hit it, keep its table."""
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = train(name, folder, accelerator)
    start, wall = time.process_time(), time.perf_counter()
    report = campaign(name, checkpoint, folder / "campaign", accelerator)
    seconds = time.perf_counter() - wall
    spent = folder / "campaign_spent.json"
    earlier = json.loads(spent.read_text()) if spent.exists() else [0.0, 0.0]
    campaign_spent = [earlier[0] + time.process_time() - start, earlier[1] + seconds]
    write_artifact(spent, json.dumps(campaign_spent))
    trained = json.loads((folder / "trained.json").read_text())
    result = {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if accelerator == "gpu" else "CPU, one thread",
        "network": name,
        "clean_accuracy": report.scalars["clean_accuracy/none"],
        "images": report.scalars["images"],
        "cap": CAPS[name],
        "training_cpu_hours": trained["cpu_hours"],
        "training_hours": trained.get("hours"),
        "campaign_cpu_hours": campaign_spent[0] / 3600,
        "campaign_hours": campaign_spent[1] / 3600,
        "campaign": report.tables["campaign"].to_dict("records"),
        "quantiles": report.tables["quantiles"].to_dict("records"),
    }
    write_artifact(out / f"{name}.json", json.dumps(result, indent=1) + "\n")
    print(f"{name}: {seconds:.0f} s for the campaign")
    show(result)


def show(result: dict[str, Any]) -> None:
    """Print one network's table."""
    clean = 100 * result["clean_accuracy"]
    print(f"\n{result['network']}: {clean:.2f} % of {result['images']:.0f} images without faults")
    at = {(row["scheme"], row["rate"]): row for row in result["campaign"]}
    print(f"{'scheme':20}{'extra':>10}" + "".join(f"{rate:>22g}" for rate in RATES))
    for scheme in SCHEMES:
        cells = [at[scheme, rate] for rate in RATES]
        half = [50 * (c["accuracy_high"] - c["accuracy_low"]) for c in cells]
        text = "".join(
            f"{100 * c['accuracy_mean']:>10.2f} +-{width:4.2f} n{c['trials']:<4}"
            for c, width in zip(cells, half, strict=True)
        )
        print(f"{scheme:20}{cells[0]['extra_bytes']:>10,}{text}")


def main() -> None:
    """Measure the networks asked for, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", choices=[*NETWORKS, []], help="default: all three")
    parser.add_argument("--work", type=Path, default=Path("runs/fault_campaign_fashion"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--accelerator", choices=["cpu", "gpu"], default="cpu")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    for name in options.networks or NETWORKS:
        measure(name, options.work, options.out, options.accelerator)


if __name__ == "__main__":
    main()
