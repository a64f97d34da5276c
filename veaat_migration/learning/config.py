"""Training files: everything that a training run can be told, typed, with defaults that work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from veaat_migration.learning.algorithms import ALGORITHMS
from veaat_migration.learning.pruning import METHODS
from veaat_migration.scenario.errors import ScenarioError
from veaat_migration.scenario.faults import faults_of_models, path_text
from veaat_migration.scenario.parts import Part, Positive, inconsistent
from veaat_migration.scenario.text import read_file

if TYPE_CHECKING:
    Algorithm = str
    PruningMethod = str
else:  # what is registered may be asked for
    Algorithm = Literal[tuple(ALGORITHMS)]
    PruningMethod = Literal[tuple(METHODS)]
Share = Annotated[float, Field(ge=0, le=1)]
Width = Annotated[int, Field(ge=4)]
Count = Annotated[int, Field(ge=1)]


class FadingPart(Part):
    """Rayleigh fading of every link."""

    memory: Share = Field(
        default=0.0,
        description="correlation of a link's gain from round to round; 0: drawn anew in each, "
        "1: once per episode",
    )


class DriftPart(Part):
    """A quantity that wanders within an interval around its value, evenly spread over it."""

    spread: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="half the width of the interval, as a share of the value"
    )
    memory: Share = Field(
        default=1.0,
        description="correlation from round to round; 0: drawn anew in each, 1: once per episode",
    )


class DynamicsPart(Part):
    """What changes while the game is played; nothing by default."""

    fading: FadingPart | None = Field(
        default=None, description="of the links, moves delay; null: none, {}: as below"
    )
    arrivals: DriftPart | None = Field(
        default=None, description="lambda_j: RSUs see it, and it moves the delay in the queue"
    )
    satisfaction: DriftPart | None = Field(default=None, description="delta_i of the AVs' tasks")
    data: DriftPart | None = Field(default=None, description="D_i of the AVs' tasks, moves delay")


class EnvironmentPart(Part):
    """The games that are played."""

    games: Count = Field(default=64, description="G, games side by side")
    rounds: Count = Field(default=50, description="T, rounds of every game between updates")
    episode: Count = Field(
        default=100, description="rounds after which histories are drawn anew; a multiple of rounds"
    )
    history: Count = Field(default=4, description="L, rounds that players remember")
    observe_current_price: bool = Field(
        default=True, description="AVs see the prices they answer; false: the paper's letter"
    )
    price_scale: Literal["geometric", "linear"] = Field(
        default="geometric", description="how a price depends on the share of [c_j, p_max]"
    )

    delay_penalty: Annotated[float, Field(ge=0)] = Field(
        default=10.0,
        description="what each second of a missed deadline (Eq. 11) costs an AV [money/s], in "
        "games with a delay constraint; 0: delay shapes no reward",
    )
    dynamics: DynamicsPart = Field(default_factory=DynamicsPart)

    @model_validator(mode="after")
    def _whole_rollouts(self) -> EnvironmentPart:
        if self.episode % self.rounds:
            raise inconsistent([f"episode: must be a multiple of rounds ({self.rounds})"])
        return self


class NetworkPart(Part):
    """Actors and critics."""

    hidden: Annotated[
        tuple[Annotated[int, Field(ge=4)], ...], Field(strict=False, min_length=1)
    ] = Field(default=(80, 80), description="neurons of the hidden layers")
    activation: Literal["tanh", "relu"] = Field(default="tanh", description="of hidden neurons")
    average_from: Share = Field(
        default=0.8,
        description="what is deployed is the mean of the actors over the iterations from this "
        "share on; 1: the last actors",
    )


class UpdatePart(Part):
    """Gradient steps (Eqs. 26-29, 33)."""

    learning_rate: Positive = Field(default=1.7e-3, description="at the first iteration")
    final_learning_rate: Positive = Field(default=5e-5, description="at the last, linear between")
    epochs: Count = Field(default=4, description="times that every sample is used")
    minibatches: Count = Field(default=4, description="gradient steps per epoch")
    clip: Positive | None = Field(default=0.2, description="epsilon of Eq. (29); null: no ratio")
    gamma: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="discount; rounds pay independently, so 0 is the game that is played, and more "
        "rewards players for what their rivals will do in return",
    )
    gae_lambda: Share = Field(default=0.95, description="of generalised advantage estimation")
    value_weight: Positive = Field(default=0.5, description="c_2 of Eq. (33)")
    max_gradient: Positive = Field(default=0.5, description="largest norm of an agent's gradient")
    critic: Literal["own", "central"] = Field(
        default="central",
        description="what V sees: the agent's observation, or all but its own present action",
    )
    follower_baseline: Literal["quiet", "critic"] = Field(
        default="quiet",
        description="what an AV compares its reward with: what it would have earned without its "
        "exploration, which it can reckon, or V; quiet needs gamma = 0",
    )
    workers: Count = Field(
        default=8, description="asynchronous workers (maa3c); must divide the games"
    )


class ExplorationPart(Part):
    """The Gaussians before squashing."""

    std: Literal["scheduled", "learned"] = Field(
        default="scheduled", description="who sets standard deviations: a schedule or the gradient"
    )
    initial_std: Positive = Field(default=0.7, description="at the start")
    final_std: Positive = Field(default=0.08, description="of leaders at the end (scheduled)")
    follower_std: Positive = Field(
        default=0.18, description="of followers when leaders begin to learn (scheduled)"
    )
    follower_final_std: Positive = Field(
        default=0.04, description="of followers at the end (scheduled)"
    )
    entropy: Annotated[float, Field(ge=0)] = Field(
        default=0.01, description="c_3max of Eq. (34), weight of the entropy (learned)"
    )
    anneal_rate: Positive = Field(default=30.0, description="alpha of Eq. (34) times iterations")
    anneal_at: Share = Field(default=0.25, description="N_0 of Eq. (34) as a share of iterations")


class StagesPart(Part):
    """Stackelberg learning on two time scales: followers must answer before leaders can learn."""

    follower_iterations: Annotated[int, Field(ge=0)] = Field(
        default=20, description="first iterations, in which only AVs learn, at prices drawn evenly"
    )
    drawn_prices: Share = Field(
        default=0.1, description="share of games whose prices are drawn evenly ever after"
    )
    nearby_prices: Share = Field(
        default=0.4,
        description="share of games whose prices are drawn around the leaders' own: leaders need "
        "to know how demand falls there, to which the AVs themselves are almost indifferent",
    )
    nearby: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.05, description="how far around, as a share of the price scale"
    )

    @model_validator(mode="after")
    def _leaders_play(self) -> StagesPart:
        if self.drawn_prices + self.nearby_prices >= 1.0:
            raise inconsistent(["drawn_prices, nearby_prices: must sum to less than 1"])
        return self


class IncentivePart(Part):
    """The exploration incentive (Eqs. 30-34)."""

    weight: Annotated[float, Field(ge=0)] = Field(
        default=0.05, description="c_1 of Eq. (32) at the start, in deviations of the utility"
    )
    anneal: bool = Field(
        default=True, description="c_1 falls like c_3 (Eq. 34): else it moves the equilibrium"
    )
    in_loss: bool = Field(
        default=False,
        description="also the score-function form of c_3 E[r_int] in Eq. (33); counts r_int twice",
    )
    latent: Count = Field(default=16, description="dimensions of z")
    hidden: Annotated[int, Field(ge=4)] = Field(default=64, description="neurons a hidden layer")
    learning_rate: Positive = Field(default=1e-3, description="of the autoencoder")
    steps: Count = Field(default=4, description="gradient steps per iteration (Algorithm 2)")
    batch: Count = Field(default=256, description="transitions per gradient step")
    target: Literal["next_state", "difference"] = Field(
        default="next_state", description="what the decoder reconstructs"
    )
    samples: Count = Field(default=64, description="Monte Carlo samples of Eq. (41)")


class PruningPart(Part):
    """Pruning of the actors (Eqs. 35-47) or another way to the same sparsity."""

    method: PruningMethod = Field(default="adaptive", description="who decides which neurons go")
    sparsity: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.85, description="p_f, share of every actor's hidden neurons that are removed"
    )
    initial_sparsity: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.0, description="p_i")
    start: Share = Field(default=0.15, description="t_0 as a share of the iterations")
    end: Share = Field(default=0.5, description="when p_f is reached, as a share of iterations")
    sensitivity: Annotated[float, Field(ge=0)] = Field(
        default=0.5, description="phi of Eq. (38): how much exploration delays pruning"
    )
    window: Count = Field(default=20, description="w of Eq. (36), iterations")
    decay: Annotated[float, Field(gt=0, le=1)] = Field(default=0.9, description="gamma_n, Eq. (36)")
    regulariser: Annotated[float, Field(ge=0)] = Field(
        default=1e-4, description="lambda of Eq. (45) and of the lassos (ssl, l1), 0: off"
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1, description="share of neurons that sit out an iteration (dropout)"
    )
    rule: Literal["per_layer", "cumulative", "literal"] = Field(
        default="per_layer", description="reading of Eq. (37)"
    )
    compensate: Literal["linear", "mean", "none"] = Field(
        default="linear",
        description="how neurons that stay take over from one that goes; the paper: none",
    )
    shrink: bool = Field(default=True, description="remove pruned neurons physically at once")

    @model_validator(mode="after")
    def _in_order(self) -> PruningPart:
        problems = []
        if self.end <= self.start:
            problems.append(f"end: must be > start ({self.start:g}), got {self.end:g}")
        if self.initial_sparsity > self.sparsity:
            problems.append(f"initial_sparsity: must be <= sparsity ({self.sparsity:g})")
        if problems:
            raise inconsistent(problems)
        return self


class TrainingConfig(Part):
    """A whole training file."""

    name: str = ""
    description: str = ""
    game: str = Field(description="scenario or plain instance, seen from this file")
    algorithm: Algorithm = Field(default="tiny_ma_iei_ppo", description="who learns")
    iterations: Count = Field(default=150, description="rollouts, each with its updates")
    environment: EnvironmentPart = Field(default_factory=EnvironmentPart)
    network: NetworkPart = Field(default_factory=NetworkPart)
    update: UpdatePart = Field(default_factory=UpdatePart)
    exploration: ExplorationPart = Field(default_factory=ExplorationPart)
    stages: StagesPart = Field(default_factory=StagesPart)
    incentive: IncentivePart = Field(default_factory=IncentivePart)
    pruning: PruningPart = Field(default_factory=PruningPart)

    @model_validator(mode="after")
    def _equal_shares(self) -> TrainingConfig:
        games, workers = self.environment.games, self.update.workers
        if self.algorithm == "maa3c" and games % workers:
            problem = f"environment.games: must be a multiple of update.workers ({workers})"
            raise inconsistent([f"{problem}, got {games}"])
        return self

    @model_validator(mode="after")
    def _leaders_learn(self) -> TrainingConfig:
        if self.stages.follower_iterations >= self.iterations:
            raise inconsistent(
                [f"stages.follower_iterations: must be < iterations ({self.iterations})"]
            )
        return self

    def digest(self) -> str:
        """SHA-256 of the configuration, defaults included."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


_MODELS: dict[tuple[str | int, ...], type[Part]] = {
    (): TrainingConfig,
    ("environment",): EnvironmentPart,
    ("environment", "dynamics"): DynamicsPart,
    ("environment", "dynamics", "fading"): FadingPart,
    ("environment", "dynamics", "arrivals"): DriftPart,
    ("environment", "dynamics", "satisfaction"): DriftPart,
    ("environment", "dynamics", "data"): DriftPart,
    ("network",): NetworkPart,
    ("update",): UpdatePart,
    ("exploration",): ExplorationPart,
    ("stages",): StagesPart,
    ("incentive",): IncentivePart,
    ("pruning",): PruningPart,
}


def load_config(path: Path) -> TrainingConfig:
    """A training file.

    Raises:
        ScenarioError: it is unreadable or malformed; all faults in one message.
    """
    return parse_config(read_file(path), str(path))


def parse_config(content: Mapping[Any, Any], origin: str) -> TrainingConfig:
    """A training file's content; ``origin`` is named in errors.

    Raises:
        ScenarioError: it is malformed; all faults in one message.
    """
    try:
        return TrainingConfig.model_validate(content)
    except ValidationError as error:
        raise ScenarioError(faults_of_models(error, _MODELS), origin) from error


def describe_keys() -> str:
    """A table of all keys with defaults and meanings, for people."""
    lines: list[str] = []

    def add(location: tuple[str | int, ...]) -> None:
        for name, info in _MODELS[location].model_fields.items():
            here = (*location, name)
            if here not in _MODELS or not info.default_factory:
                default = "required" if info.is_required() else _shown(info.get_default())
                key = path_text(here)
                lines.append(f"{key:40} {default:17} {info.description or ''}".rstrip())
            if here in _MODELS:
                add(here)

    add(())
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        value = list(value)
    return json.dumps(value)
