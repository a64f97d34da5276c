"""Who is compared."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entrant:
    """A worker with its options."""

    name: str
    script: str
    about: str
    options: dict[str, str] = field(default_factory=dict)
    ours: bool = False
    barred: bool = False
    """Whether this project means to be several times faster."""
    whole_run: bool = False
    """Iterations differ by design: their mean counts, not their median."""


ENTRANTS = (
    Entrant(
        "veaat-mappo", "veaat_loop.py", "this project's learner, the algorithm of the others",
        {"algorithm": "mappo"}, ours=True,
    ),
    Entrant(
        "veaat-iei", "veaat_loop.py", "the same with the exploration incentive",
        {"algorithm": "ma_iei_ppo"}, ours=True,
    ),
    Entrant(
        "veaat-tiny", "veaat_loop.py",
        "the same, pruned meanwhile; mean of a whole run without its warm-up",
        {"algorithm": "tiny_ma_iei_ppo"}, ours=True, whole_run=True,
    ),
    Entrant(
        "benchmarl-mappo", "benchmarl_loop.py", "BenchMARL, five critics that see everything",
        {"algorithm": "mappo"}, barred=True,
    ),
    Entrant(
        "benchmarl-ippo", "benchmarl_loop.py", "BenchMARL, five critics of own observations",
        {"algorithm": "ippo"}, barred=True,
    ),
    Entrant(
        "torchrl", "torchrl_loop.py", "TorchRL's collector, GAE and ClipPPOLoss in a plain loop",
        barred=True,
    ),
    Entrant("torch", "torch_loop.py", "stacked weights and autograd in plain PyTorch"),
    Entrant("jax", "jax_loop.py", "PureJaxRL's way: one compiled function per iteration"),
)  # fmt: skip
BY_NAME = {entrant.name: entrant for entrant in ENTRANTS}
