"""The models: what they log, how they infer, and what they refuse before any work."""

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch import Trainer

from fulmen.errors import ConfigError
from fulmen_split_parallel.counters import Counters
from fulmen_split_parallel.graph_data import GraphData
from fulmen_split_parallel.models import GAT, MLP, SAGE, NodeClassifier
from fulmen_split_parallel.networks import GIN
from fulmen_split_parallel.predictions import Predictions
from fulmen_split_parallel.step_costs import StepCosts

STACK = {"in_channels": 6, "num_classes": 3, "hidden_channels": 8, "layers": 2}


@pytest.fixture
def make_data(small_folder):
    def make(**options):
        return GraphData(**{"path": small_folder, "fanouts": [3, 2], "batch_size": 16, **options})

    return make


@pytest.fixture
def make_trainer(tmp_path):
    def make(**options):
        return Trainer(
            default_root_dir=tmp_path,
            accelerator="cpu",
            max_epochs=3,
            logger=False,
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )

    return make


def test_inference_layer_by_layer_is_sampling_of_all_edges(make_data, make_trainer, small_graph):
    """Metrics of validate and test, and the predictions: every vertex once, in order."""
    model, trainer = SAGE(**STACK, norm="batch", dropout=0.3, jump="max"), make_trainer()
    trainer.fit(model, datamodule=make_data())
    everything = make_data(eval_fanouts=[-1, -1])
    sampled = {
        "val": trainer.validate(model, datamodule=everything, verbose=False),
        "test": trainer.test(model, datamodule=everything, verbose=False),
        "predict": torch.cat(trainer.predict(model, datamodule=everything)),
    }
    model.inference = "layerwise"
    few = make_data(eval_fanouts=[1, 1])  # not looked at
    assert trainer.validate(model, datamodule=few, verbose=False)[0] == pytest.approx(sampled["val"][0])
    assert trainer.test(model, datamodule=few, verbose=False)[0] == pytest.approx(sampled["test"][0])
    predicted = torch.cat(trainer.predict(model, datamodule=few))
    torch.testing.assert_close(predicted, sampled["predict"])

    assert predicted.shape == (120, 3)
    hits = (predicted.argmax(1).numpy() == small_graph.labels)[small_graph.valid_idx]
    assert sampled["val"][0]["val_acc"] == pytest.approx(hits.mean())


def test_predictions_are_written_in_the_order_of_vertices(make_data, make_trainer, tmp_path):
    file = tmp_path / "predictions.npz"
    trainer, model = make_trainer(callbacks=[Predictions(str(file))]), SAGE(**STACK)
    expected = torch.cat(trainer.predict(model, datamodule=make_data(predict="valid")))
    written = np.load(file)
    valid = np.array(trainer.datamodule.graph.valid_idx)

    assert written["vertices"].tolist() == sorted(valid)
    np.testing.assert_array_equal(written["predictions"], expected[valid.argsort()].numpy())
    with pytest.raises(ConfigError, match="expected a file"):
        Predictions("out.csv")


def test_what_neighbours_say_is_learnt(make_data, make_trainer):
    """The graph's edges tell more than its features; the perceptron is not told of them."""
    accuracies = []
    for model, fanouts in ((GAT(**STACK, heads=2, lr=0.01), [5, 5]), (MLP(**STACK, lr=0.01), [])):
        torch.manual_seed(0)
        trainer = make_trainer()
        trainer.fit_loop.max_epochs = 12
        data = make_data(fanouts=fanouts)
        trainer.fit(model, datamodule=data)
        accuracies.append(trainer.test(model, datamodule=data, verbose=False)[0]["test_acc"])
    assert accuracies[0] > accuracies[1]


def test_a_network_that_ranks_cannot_share_still_trains_in_one_process(make_data, make_trainer):
    """torch's BatchNorm is refused by ``split_parallel`` alone."""
    network = GIN(6, 8, 3, 2)
    network.norms[0] = torch.nn.BatchNorm1d(8)
    trainer = make_trainer()
    trainer.fit(NodeClassifier(network, 3), datamodule=make_data())
    assert torch.isfinite(trainer.callback_metrics["val_loss"])


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (lambda: SAGE(**{**STACK, "in_channels": 7}), {}, "in_channels is 7; the graph has 6 features"),
        (lambda: SAGE(**{**STACK, "num_classes": 2}), {}, "num_classes is 2; the graph has 3 classes"),
        (lambda: SAGE(**{**STACK, "layers": 3}), {}, "3 layers, data.fanouts 2 numbers"),
        (lambda: GAT(**STACK, heads=2), {"fanouts": []}, "2 layers, data.fanouts 0 numbers"),
        (lambda: NodeClassifier(GIN(6, 8, 4, 2), 3), {}, r"scores of shape \(16, 4\)"),
    ],
)
def test_data_that_do_not_fit_are_refused(model, data, message, make_data, make_trainer):
    with pytest.raises(ConfigError, match=message):
        make_trainer().fit(model(), datamodule=make_data(**data))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SAGE(**STACK, lr=0.0), "lr is 0.0"),
        (lambda: SAGE(**STACK, weight_decay=-1.0), "weight_decay is -1.0"),
        (lambda: SAGE(**STACK, inference="exact"), "inference is 'exact'; expected sampled or layerwise"),
        (lambda: SAGE(**STACK, inference_folder="/no/such"), "inference_folder /no/such is no folder"),
        (lambda: SAGE(**STACK, dropout=1.5), "dropout is 1.5"),
        (lambda: SAGE(**STACK, aggregation="median"), "aggregation is 'median'"),
        (lambda: SAGE(**{**STACK, "hidden_channels": 0}), "hidden_channels is 0"),
        (lambda: GAT(**STACK, heads=3), "set hidden_channels to 9"),
        (lambda: MLP(**{**STACK, "layers": 0}), "layers is 0"),
        (lambda: NodeClassifier(torch.nn.Linear(6, 3), 3), "network is a Linear; .*networks.GraphNetwork"),
    ],
)
def test_bad_options_are_refused_at_once(make, message):
    with pytest.raises(ConfigError, match=f"^model: .*{message}"):
        make()


def test_inference_layer_by_layer_without_the_graph_is_refused(make_data, make_trainer):
    data = make_data()
    data.setup()
    with pytest.raises(ConfigError, match="inference is layerwise; expected data with their graph"):
        make_trainer().validate(SAGE(**STACK, inference="layerwise"), data.val_dataloader())


def test_counters_say_what_the_batches_held(make_data, make_trainer, capfd):
    data, counters, logged = make_data(), Counters(), []
    trainer = make_trainer(callbacks=[counters])
    model = SAGE(**STACK)
    model.on_before_zero_grad = lambda _: logged.append(dict(trainer.callback_metrics))
    trainer.fit(model, datamodule=data)
    alone = make_data()
    alone.setup()
    batches = list(alone.train_dataloader())  # the first epoch's
    edges = [sum(layer.num_edges for layer in batch.layers) for batch in batches]

    assert [int(step["fulmen/split_parallel/edges"]) for step in logged[1 : len(edges) + 1]] == edges
    assert counters.costs.steps == 3 * len(edges)
    assert trainer.callback_metrics["fulmen/split_parallel/imbalance"] == 1
    assert trainer.callback_metrics["fulmen/split_parallel/shuffled_rows"] == 0


def test_the_table_is_the_mean_step_over_all_ranks():
    costs = StepCosts()
    first = costs.add(np.array([[100, 10, 4, 5, 0.1, 0.2, 0.3, 0.4], [300, 30, 6, 5, 0.3, 0.2, 0.1, 0.6]]))
    costs.add(np.zeros((2, 8)))

    assert first["edges"] == 400
    assert first["imbalance"] == 1.5
    assert first["seconds_sample"] == pytest.approx(0.2)
    table = costs.table("shm")
    assert "The mean of 2 steps on 2 processes" in table
    assert "200   busiest process 1.25 x the mean" in table
    assert "20   25% from the caches" in table
    assert "5   0.25 x the rows loaded, by shm" in table
    assert "250.0 ms" in table


NETWORK = """
from torch_geometric.nn import GCNConv
from fulmen_split_parallel.networks import GraphNetwork

class OfGCN(GraphNetwork):
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__([GCNConv(in_channels, num_classes)])
"""


def test_a_network_of_ones_own_that_cannot_be_is_refused_in_one_line(
    run_fulmen, small_folder, tmp_path, monkeypatch
):
    (tmp_path / "refused_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    network = {"class_path": "refused_network.OfGCN", "init_args": {"in_channels": 6, "num_classes": 3}}
    model = {"network": network, "num_classes": 3}
    config = {
        "model": {"class_path": "split_parallel.node_classifier", "init_args": model},
        "data": {
            "class_path": "split_parallel.graph",
            "init_args": {"path": str(small_folder), "fanouts": [3]},
        },
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))

    ran = run_fulmen("fit", "--config", tmp_path / "run.yaml")

    assert ran.status == 2
    assert "run.yaml: model.init_args.network: GCNConv takes the vertices of one whole graph" in ran.stderr
    assert "DegreeConvolution" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
