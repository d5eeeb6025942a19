"""A hill climber: a stranger's searcher, on one page."""

import random

import fulmen


class Climber(fulmen.Searcher):
    """Changes one value of the candidate that is the best by the first objective.

    Args:
        space: Dotted key to the values it may have.
        objectives: In a search, the config's.
        seed: Of what is drawn. None: in a search ``seed_everything``, elsewhere 0.
    """

    def __init__(self, space: dict[str, list], objectives: list | None = None, seed: int | None = None):
        if not space or not all(space.values()):
            raise fulmen.UserError("climber: space: expected keys and a list of values for each.")
        first = (objectives or [{"name": "loss", "mode": "min"}])[0]
        self.space, self.name, self.sign = space, first["name"], 1 if first["mode"] == "min" else -1
        self.seed, self.asked, self.best, self.at = seed or 0, 0, None, None

    def ask(self):
        draw = random.Random(f"{self.seed}/{self.asked}")
        overlay = {key: draw.choice(values) for key, values in self.space.items()}
        if self.best is not None and draw.random() < 0.7:
            key = draw.choice(list(self.space))
            overlay = {**self.at, key: overlay[key]}
        self.asked += 1
        return fulmen.Candidate(self.asked - 1, overlay)

    def tell(self, candidate, evaluation):
        cost = self.sign * evaluation.values[self.name] if evaluation.status == "ok" else float("inf")
        if cost != float("inf") and (self.best is None or cost < self.best):
            self.best, self.at = cost, dict(candidate.overlay)

    def state_dict(self):
        return {"asked": self.asked, "best": self.best, "at": self.at}

    def load_state_dict(self, state):
        self.asked, self.best, self.at = state["asked"], state["best"], state["at"]
