"""A network's card: where it comes from, and how sure its figures are."""

from __future__ import annotations

from fulmen.search.cards import changes, glance, lineage, model_card
from fulmen.search.finals import FinalTraining, final_lines, finals_table, handed_over
from fulmen.searching import Candidate, Evaluation, Objective
from fulmen.study import Told

CONVOLUTION = {"class_path": "fulmen_evolution.layers.Convolution", "init_args": {"channels": 8}}
POOLING = {"class_path": "fulmen_evolution.layers.Pooling"}
CANDIDATES = {
    0: Candidate(0, {"lr": 0.1, "layers": [CONVOLUTION]}, note={"origin": "random"}),
    1: Candidate(1, {"lr": 0.1, "layers": [CONVOLUTION, POOLING]}, (0,), note={"origin": "mutation"}),
    4: Candidate(4, {"lr": 0.01, "layers": [CONVOLUTION, POOLING]}, (1, 0), seed=7),
}
OBJECTIVES = [
    Objective("f1", "max", {"metric": "val_f1"}),
    Objective("speed", "min", {"cost": "latency"}, 2.0),
]


def card(finals):
    told = Told(CANDIDATES[4], Evaluation({"f1": 0.9, "speed": 0.5}), 0.0)
    return model_card(2, told, CANDIDATES, OBJECTIVES, finals, {"trainer.max_epochs": 3}, "pathology")


def test_a_lineage_goes_from_the_oldest_to_itself():
    assert [one.id for one in lineage(CANDIDATES[4], CANDIDATES)] == [0, 1, 4]
    assert lineage(CANDIDATES[0], CANDIDATES) == [CANDIDATES[0]]


def test_parents_in_a_circle_end():
    circle = {0: Candidate(0, {}, (1,)), 1: Candidate(1, {}, (0,))}

    assert [one.id for one in lineage(circle[1], circle)] == [0, 1]


def test_what_changed_names_the_layers():
    assert changes(CANDIDATES[0], CANDIDATES[1]) == ["`layers`: with Pooling"]
    assert changes(CANDIDATES[1], CANDIDATES[0]) == ["`layers`: without Pooling"]
    assert changes(CANDIDATES[1], CANDIDATES[4]) == ["`lr`: 0.1 became 0.01"]


def test_a_layer_of_which_an_option_changed_is_named_with_it_alone():
    """All options of a layer are a hundred letters, and the one that changed need not be among the first."""
    wide = {**CONVOLUTION, "init_args": {"channels": 8, "activation": "silu"}}
    plain = {**CONVOLUTION, "init_args": {"channels": 8, "activation": "relu"}}
    before, after = Candidate(0, {"layers": [plain, POOLING]}), Candidate(1, {"layers": [wide]})

    assert changes(before, after) == ["`layers`: Convolution: activation relu became silu; without Pooling"]


def test_at_a_glance_layers_are_their_names():
    assert glance([CONVOLUTION, POOLING]) == "Convolution, Pooling"
    assert glance([8, 16]) == [8, 16]
    assert glance(0.1) == 0.1


def test_a_card_tells_mean_and_spread_of_the_final_trainings():
    finals = {
        f"final-4-{number}-epochs-9": {
            "candidate": 4,
            "status": "ok",
            "values": {"test_f1": f1},
            "artifacts": artifacts,
        }
        for number, f1, artifacts in ((0, 0.876, {}), (1, 0.88, {"checkpoint": __file__}), (2, 0.884, {}))
    }
    text = card(finals)

    assert "# Network 2: candidate 4 of pathology" in text
    assert "| f1 | max | logged metric `val_f1` | 0.9 |" in text
    assert "| speed | min, bound 2 | cost `latency` | 0.5 |" in text
    assert "| test_f1 | 0.88 | 0.004 |" in text
    seed = FinalTraining(CANDIDATES[4], 1).seed
    assert f"`2.ckpt` has the weights of final training 2, seed {seed} (test_f1 0.88), and `2.yaml`" in text
    assert "$ fulmen test --config 2.yaml --ckpt_path 2.ckpt" in text
    assert "- candidate 0 (random)\n- candidate 1 (mutation): `layers`: with Pooling\n" in text
    assert "- candidate 4, with candidate 0: `lr`: 0.1 became 0.01" in text
    assert "- `trainer.max_epochs`: 3" in text
    assert "- `layers`: Convolution (channels 8); Pooling" in text


def test_of_one_training_no_spread_is_told():
    one = {"candidate": 4, "status": "ok", "values": {"test_f1": 0.876}, "artifacts": {}}
    told = Told(CANDIDATES[4], Evaluation(), 0.0)

    assert "| test_f1 | 0.876 | none |" in card({"final-4-0": one})
    assert final_lines(finals_table({"final-4-0": one}, [told])) == [
        "final, network 1 (1 training): test_f1 0.876"
    ]


def test_what_is_handed_over_is_of_the_first_training_that_went_well():
    finals = {
        f"final-4-{number}": {"candidate": 4, "status": status, "artifacts": {"checkpoint": __file__}}
        for number, status in enumerate(["nan", "ok", "ok"])
    }

    assert handed_over(finals, CANDIDATES[4]) == FinalTraining(CANDIDATES[4], 1)
    assert handed_over({"final-4-0": finals["final-4-0"]}, CANDIDATES[4]) is None


def test_without_final_trainings_a_card_says_that_nothing_is_known():
    text = card({})

    assert "nothing is known of its spread" in text
    assert "$ fulmen validate --config 2.yaml --ckpt_path 2.ckpt" in text  # a test it need not have
