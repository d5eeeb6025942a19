"""ImageClassifier's figures are scikit-learn's; it trains with the optimiser and schedule it is given."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.cli import ReduceLROnPlateau
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

import fulmen
from fulmen_vision import Digits, ImageClassifier, NpzImages, SmallCNN

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:lightning", "ignore::UserWarning:torchmetrics")


@pytest.fixture
def trainer(tmp_path) -> partial[Trainer]:
    return partial(
        Trainer,
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
    )


def classifier(**options) -> ImageClassifier:
    seed_everything(1, verbose=False)
    return ImageClassifier(SmallCNN(width=8), num_classes=10, **options)


@pytest.mark.parametrize("stage", ["val", "test"])
def test_metrics_are_those_of_scikit_learn(trainer, stage):
    model, data = classifier(optimizer=fast), Digits(batch_size=64)
    run = trainer(max_epochs=2, limit_train_batches=8)
    run.fit(model, data)
    found = (run.validate if stage == "val" else run.test)(model, data, verbose=False)[0]

    loader = getattr(data, f"{stage}_dataloader")()
    truth = torch.cat([labels for _, labels in loader]).numpy()
    predicted = torch.cat(run.predict(model, loader)).double().numpy()
    predicted /= predicted.sum(axis=1, keepdims=True)  # exactly, as scikit-learn demands
    guess = predicted.argmax(axis=1)
    assert found == {
        f"{stage}_loss": pytest.approx(log_loss(truth, predicted), abs=1e-5),
        f"{stage}_acc": pytest.approx(accuracy_score(truth, guess), abs=1e-6),
        f"{stage}_f1": pytest.approx(f1_score(truth, guess, average="macro"), abs=1e-6),
        f"{stage}_auroc": pytest.approx(
            roc_auc_score(truth, predicted, multi_class="ovr"),
            abs=1e-6,
        ),
    }
    assert 0.2 < found[f"{stage}_acc"] < 0.99  # or the comparison would say little


def test_fit_logs_the_names_of_the_design(trainer):
    run = trainer(max_epochs=1)
    run.fit(classifier(), Digits())

    assert set(run.callback_metrics) == {"train_loss", "val_loss", "val_acc", "val_f1", "val_auroc"}


def test_predictions_are_probabilities_in_the_order_of_the_test_images(trainer):
    run, model, data = trainer(), classifier(), Digits()
    predicted = torch.cat(run.predict(model, data))
    with torch.no_grad():
        scores = model.eval()(torch.stack([image for image, _ in data.dataset("test")]))

    assert predicted.shape == (500, 10)
    torch.testing.assert_close(predicted.sum(dim=1), torch.ones(500))
    torch.testing.assert_close(predicted, scores.softmax(dim=1))


def test_predict_takes_images_without_labels(trainer):
    images = torch.zeros(4, 1, 8, 8)

    (predicted,) = trainer().predict(classifier(), torch.utils.data.DataLoader(images, batch_size=4))

    assert predicted.shape == (4, 10)


def test_digits_are_learnt(trainer):
    run, model, data = trainer(max_epochs=6), ImageClassifier(SmallCNN(), 10, optimizer=fast), Digits()
    seed_everything(1, verbose=False)
    run.fit(model, data)

    assert run.test(model, data, verbose=False)[0]["test_acc"] >= 0.96


def fast(parameters):
    return torch.optim.AdamW(parameters, lr=0.005)


def test_the_same_seed_gives_the_same_weights(trainer):
    def train(seed: int) -> np.ndarray:
        seed_everything(seed, verbose=False)
        model = ImageClassifier(SmallCNN(width=8), 10)
        trainer(limit_train_batches=4).fit(model, Digits())
        return torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()

    assert (train(1) == train(1)).all()
    assert (train(1) != train(2)).any()


def test_optimizer_and_scheduler_are_the_given_ones(trainer):
    run = trainer(max_epochs=2, limit_train_batches=1, limit_val_batches=1)
    run.fit(
        classifier(
            optimizer=partial(torch.optim.SGD, lr=0.1, momentum=0.9),
            scheduler=partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5),
        ),
        Digits(),
    )

    assert type(run.optimizers[0]) is torch.optim.SGD
    assert run.optimizers[0].param_groups[0]["lr"] == 0.1 * 0.5**2


@pytest.mark.parametrize(
    ("scheduler", "watched"),
    [
        (partial(ReduceLROnPlateau, monitor="val_acc", mode="max"), "val_acc"),
        (torch.optim.lr_scheduler.ReduceLROnPlateau, "val_loss"),
    ],
    ids=["lightning", "torch"],
)
def test_reduce_on_plateau_watches_a_metric(trainer, scheduler, watched):
    run = trainer(max_epochs=2, limit_train_batches=1, limit_val_batches=1)
    # Nothing is better than the first epoch by 10, so the second one lowers the rate.
    plateau = partial(scheduler, patience=0, threshold=10.0, threshold_mode="abs")
    run.fit(classifier(optimizer=partial(torch.optim.SGD, lr=0.1), scheduler=plateau), Digits())

    assert run.lr_scheduler_configs[0].monitor == watched
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01)


def test_a_loss_of_the_users_own_is_used(trainer):
    model, data = classifier(loss=torch.nn.CrossEntropyLoss(label_smoothing=0.3)), Digits()
    images, labels = next(iter(data.val_dataloader()))
    with torch.no_grad():
        expected = torch.nn.functional.cross_entropy(model.eval()(images), labels, label_smoothing=0.3)

    found = trainer(limit_val_batches=1).validate(model, data, verbose=False)[0]["val_loss"]

    assert found == pytest.approx(expected.item())


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_precision_plugins_go_on_working(trainer, precision):
    run = trainer(precision=precision, limit_train_batches=2, limit_val_batches=2)
    run.fit(classifier(), Digits())

    assert 0 <= run.callback_metrics["val_auroc"] <= 1


def test_data_with_more_classes_than_the_model_is_refused_at_the_door(trainer):
    with pytest.raises(
        fulmen.UserError, match="num_classes is 4; the data has 10 classes: set num_classes to 10"
    ):
        trainer().fit(ImageClassifier(SmallCNN(num_classes=4), num_classes=4), Digits())


def test_a_network_with_other_scores_is_refused(trainer):
    with pytest.raises(fulmen.UserError, match=r"scores of shape \(64, 12\); expected \(batch, 10\)"):
        trainer().validate(ImageClassifier(SmallCNN(num_classes=12), num_classes=10), Digits(), verbose=False)


def test_two_classes_work(trainer, medmnist_file):
    run = trainer(max_epochs=5)
    data = NpzImages(str(medmnist_file()), label_map={0: 0, 1: 0, 2: 1, 3: 1}, batch_size=8)
    seed_everything(1, verbose=False)
    run.fit(ImageClassifier(SmallCNN(num_classes=2), num_classes=2, optimizer=fast), data)

    assert run.callback_metrics["val_acc"] > 0.9


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same_metrics(trainer):
    model, data = classifier(), Digits()
    here = trainer().test(model, data, verbose=False)[0]
    there = trainer(accelerator="gpu", devices=1).test(model, data, verbose=False)[0]

    assert there == pytest.approx(here, abs=1e-3)
