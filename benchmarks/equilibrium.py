"""How fast the equilibrium solver is, against the common way, in one process with one BLAS thread.

Prints the median time after a warm-up of `solve` without and with certificate at several sizes;
then, on 10 AVs x 5 RSUs, Gauss-Seidel diagonalisation (leaders in turn maximise their payoff, the
AVs re-equilibrated at every evaluation) in two forms:

- generic: every leader and every AV by scipy's SLSQP (AVs with exact gradients, warm starts and
  ftol 1e-15, in turn until they move less than 1e-7 b_max; leaders with finite differences of
  1e-4, which the accuracy of the AVs asks for, and ftol 1e-10), until prices move less than 1e-4;
- strong: AVs by closed-form replies, vectorised over AVs, and leaders by scipy's bounded scalar
  search (xatol 1e-9), until prices move less than 1e-6: so that the difference to `solve` is the
  method, not the code for AVs.

The exploitability of every answer is measured by the same certificate. Then many base cases at
once, where the installed version can, and with --plot the growth of the time with V and R.

    tools/run python benchmarks/equilibrium.py               # about five minutes
    tools/run python benchmarks/equilibrium.py --quick       # about one minute
    tools/run python benchmarks/equilibrium.py --plot docs/images/equilibrium_growth.png
"""

# ruff: noqa: E402 - the number of threads must be set before numpy is imported
from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import scipy
from scipy.optimize import minimize, minimize_scalar

from veaat_migration.game.batch import solve_batch
from veaat_migration.game.equilibrium import Solution, solve
from veaat_migration.game.exploitability import exploitability
from veaat_migration.game.instance import FloatArray, GameInstance
from veaat_migration.game.matching import matching_probability

ROOMY, TIGHT = 10.0, 5.0
"""b_max [MHz]: reached by few AVs, and by many (payoffs have many kinks)."""
SIZES = [
    (3, 2, "dense", ROOMY),
    (10, 5, "dense", ROOMY),
    (10, 5, "dense", TIGHT),
    (50, 10, "dense", ROOMY),
    (50, 10, "dense", TIGHT),
    (1000, 100, "sparse", ROOMY),
    (1000, 100, "dense", ROOMY),
]
NEIGHBOURS = 6


class TooSlowError(Exception):
    """A measurement ran past its time limit."""


def limited(call: Callable[[], Any], seconds: float) -> tuple[Any, float]:
    """The result of ``call`` and how long it took [s]; raises TooSlowError past ``seconds``."""

    def stop(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        raise TooSlowError

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        began = time.perf_counter()
        result = call()
        return result, time.perf_counter() - began
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)


def median(call: Callable[[], Any], repeats: int, limit: float) -> tuple[Any, float | None]:
    """The last result and the median time of up to ``repeats`` runs after a warm-up.

    A call longer than a fifth of ``limit`` is measured once, one beyond ``limit`` gives None.
    """
    try:
        result, first = limited(call, limit)
        times = [first]
        if first <= limit / 5.0:
            times = [limited(call, limit)[1] for _ in range(min(repeats, int(limit / first)))]
        return result, statistics.median(times)
    except (TooSlowError, MemoryError):
        return None, None


def city(
    n_avs: int, n_rsus: int, couplings: str = "dense", b_max: float = ROOMY, seed: int = 1
) -> GameInstance:
    """A random game about the base case; couplings of one AV or RSU add up to 0.04 and 0.02.

    Sparse: every AV and every RSU is coupled with its six nearest numbers only.
    """
    rng = np.random.default_rng(seed)

    def coupled(size: int, total: float) -> FloatArray:
        matrix = np.triu(rng.uniform(0.5, 1.5, (size, size)), 1)
        if couplings == "sparse":
            gap = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
            matrix *= np.minimum(gap, size - gap) <= NEIGHBOURS // 2
        neighbours = size - 1 if couplings == "dense" else min(NEIGHBOURS, size - 1)
        scaled: FloatArray = (matrix + matrix.T) * total / max(neighbours, 1)
        return scaled

    return GameInstance.create(
        satisfaction=rng.uniform(15.0, 35.0, n_avs),
        offset=np.e - rng.uniform(1.2, 2.2, n_avs),
        quality=rng.uniform(0.7, 1.4, n_rsus),
        cost=rng.uniform(2.0, 5.0, n_rsus),
        social=coupled(n_avs, 0.04),
        service=coupled(n_rsus, 0.02),
        price_max=30.0,
        bandwidth_max=b_max,
    )


@dataclass
class Diagonalisation:
    """Leaders in turn at their best price, the AVs re-equilibrated at every evaluation."""

    game: GameInstance
    generic: bool
    tolerance: float
    evaluations: int = 0

    def __post_init__(self) -> None:
        self.demand = np.full((self.game.n_avs, self.game.n_rsus), 1.0)

    def run(self, turns: int = 100) -> FloatArray:
        """Prices when no leader moves by more than ``tolerance`` of its price any more."""
        game = self.game
        low = np.maximum(game.price_min, 1e-6 * game.price_max)
        prices = np.minimum(2.0 * low, game.price_max)
        for _ in range(turns):
            before = prices.copy()
            for j in range(game.n_rsus):
                prices[j] = self._best(prices, j, float(low[j]))
            if np.abs(prices / before - 1.0).max() <= self.tolerance:
                break
        return prices

    def _best(self, prices: FloatArray, j: int, low: float) -> float:
        high = self.game.price_max

        def loss(candidate: Any) -> float:
            trial = prices.copy()
            trial[j] = float(np.ravel(candidate)[0])
            return -self._profit(trial, j)

        if self.generic:
            found = minimize(
                loss, [prices[j]], bounds=[(low, high)], method="SLSQP",
                options={"ftol": 1e-10, "eps": 1e-4},
            )  # fmt: skip
            return float(np.clip(found.x[0], low, high))
        found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-9})
        return float(found.x)

    def _profit(self, prices: FloatArray, j: int) -> float:
        self.evaluations += 1
        theta = matching_probability(prices, self.game.quality)
        if self.generic:
            self._settle_generically(prices, theta)
        else:
            self._settle_by_replies(prices, theta)
        margin = prices[j] - self.game.cost[:, j]
        return float(theta[j] * (self.demand[:, j] * margin).sum())

    def _settle_generically(self, prices: FloatArray, theta: FloatArray) -> None:
        """Gauss-Seidel over the AVs, each by SLSQP from its last demand."""
        game, b = self.game, self.demand
        bounds = [(0.0, game.bandwidth_max)] * game.n_rsus
        for _ in range(50):
            before = b.copy()
            for i in range(game.n_avs):
                charge = prices - game.social[i] @ b
                delta, e, eta = float(game.satisfaction[i]), float(game.offset[i]), game.service

                def loss(
                    own: FloatArray, charge: FloatArray = charge, delta: float = delta,
                    e: float = e, eta: FloatArray = eta,
                ) -> tuple[float, FloatArray]:  # fmt: skip
                    ties = eta @ own
                    value = theta @ (delta * np.log(own + e) + (ties - charge) * own)
                    slope = theta * (delta / (own + e) + ties - charge) + eta @ (theta * own)
                    return -float(value), -slope

                found = minimize(
                    loss, b[i], jac=True, bounds=bounds, method="SLSQP", options={"ftol": 1e-15}
                )
                b[i] = np.clip(found.x, 0.0, game.bandwidth_max)
            if np.abs(b - before).max() <= 1e-7 * game.bandwidth_max:
                break

    def _settle_by_replies(self, prices: FloatArray, theta: FloatArray) -> None:
        game, b = self.game, self.demand
        ratio = game.service * (1.0 + theta[:, None] / theta)
        for _ in range(200):
            net = prices - game.social @ b - b @ ratio
            wanted = game.satisfaction[:, None] / np.maximum(net, 1e-12) - game.offset[:, None]
            new = np.clip(wanted, 0.0, game.bandwidth_max)
            moved = np.abs(new - b).max()
            b = new
            if moved <= 1e-13 * game.bandwidth_max:
                break
        self.demand = b


def shown(seconds: float | None, limit: float) -> str:
    """A time for people; a measurement that gave none ran out of time or memory."""
    if seconds is None:
        return f"> {limit:g} s"
    return f"{1e3 * seconds:.3g} ms" if seconds < 1.0 else f"{seconds:.3g} s"


def report_sizes(repeats: int, limit: float) -> None:
    """Median times of `solve` at every size."""
    print(f"\n{'size':24s}{'without certificate':>20s}{'with certificate':>20s}  answer")
    for v, r, couplings, b_max in SIZES:
        game = city(v, r, couplings, b_max)
        _, bare = median(lambda g=game: solve(g, certify=False), repeats, limit)
        solution, full = median(lambda g=game: solve(g, time_limit=limit), repeats, limit)
        label = f"{v} x {r} {couplings}" + (", tight" if b_max == TIGHT else "")
        answer = "no answer within time and memory" if solution is None else described(solution)
        print(
            f"{label:24s}{shown(bare, limit):>20s}{shown(full, limit):>20s}  {answer}", flush=True
        )


def described(solution: Solution) -> str:
    """Status and exploitability."""
    gains = solution.exploitability
    assert gains is not None
    return f"{solution.status.value}, exploitability {gains.largest:.1e}"


def report_baselines(repeats: int, limit: float) -> None:
    """Ours against diagonalisation on 10 x 5."""
    game = city(10, 5)
    ours, fast = median(lambda: solve(game, certify=False), repeats, limit)
    certified, full = median(lambda: solve(game), repeats, limit)
    print("\n10 x 5, exploitability by the same certificate:")
    if ours is None or fast is None or certified is None or full is None:
        print(f"  solve took more than {limit:g} s")
        return
    measured = exploitability(game, ours.prices, ours.demand)
    print(f"  solve, no certificate    {shown(fast, limit):>9s}  {measured.largest:.1e}")
    print(f"  solve, with certificate  {shown(full, limit):>9s}  {described(certified)}")
    for name, generic, tolerance in [("strong", False, 1e-6), ("generic", True, 1e-4)]:
        method = Diagonalisation(game, generic, tolerance)
        try:
            prices, seconds = limited(method.run, max(limit, 300.0))
        except TooSlowError:
            print(f"  diagonalisation, {name}: more than {max(limit, 300.0):g} s")
            continue
        gains = exploitability(game, prices, method_demand(method, prices))
        print(
            f"  diagonalisation, {name:8s}{shown(seconds, limit):>8s}  {gains.largest:.1e}"
            f"  ({method.evaluations} payoffs; solve is {seconds / fast:.0f} times as fast,"
            f" certified {seconds / full:.0f} times)",
            flush=True,
        )


def method_demand(method: Diagonalisation, prices: FloatArray) -> FloatArray:
    """The AVs' answer at ``prices``, polished by exact replies, so that only prices are judged."""
    method._settle_by_replies(prices, matching_probability(prices, method.game.quality))
    return method.demand


def report_batch(count: int, repeats: int, limit: float) -> None:
    """Many base-size games in one call."""
    games = [city(3, 2, seed=seed) for seed in range(count)]
    result, seconds = median(lambda: solve_batch(games), repeats, limit)
    converged = "" if result is None else f", {np.mean(result.converged):.2%} converged"
    print(f"\nsolve_batch of {count} games of 3 x 2: {shown(seconds, limit)}{converged}")


def growth(limit: float) -> dict[str, list[tuple[int, float]]]:
    """Times against V (R = 5) and R (V = 10), each line as far as the limit allows."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for certify in (False, True):
        word = "with certificate" if certify else "without certificate"
        for axis, numbers in [("V", [2, 5, 10, 20, 50, 100, 200, 500, 1000]),
                              ("R", [1, 2, 5, 10, 20, 50, 100])]:  # fmt: skip
            points: list[tuple[int, float]] = []
            for number in numbers:
                game = city(number, 5) if axis == "V" else city(10, number)
                _, seconds = median(
                    lambda g=game, c=certify: solve(g, certify=c, time_limit=limit), 3, limit
                )
                if seconds is None:
                    break
                points.append((number, seconds))
                print(f"  {axis} = {number:5d} {word:20s} {shown(seconds, limit)}", flush=True)
            lines[f"{axis} {word}"] = points
    return lines


def plot(lines: dict[str, list[tuple[int, float]]], path: Path) -> None:
    """Two log-log panels."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.6), sharey=True, layout="constrained")
    titles = {"V": "AVs, 5 RSUs", "R": "RSUs, 10 AVs"}
    for axis, name in zip(axes, "VR", strict=True):
        for word, colour in [("without certificate", "#1b6ca8"), ("with certificate", "#d1495b")]:
            points = lines[f"{name} {word}"]
            if points:
                axis.loglog(*zip(*points, strict=True), "o-", color=colour, label=word, ms=4)
        axis.set_xlabel(f"number of {titles[name]}")
        axis.grid(visible=True, which="major", color="#dddddd")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("time [s]")
    axes[0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"wrote {path}")


def main() -> int:
    """Run all measurements."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repeats, short time limits")
    parser.add_argument("--limit", type=float, help="most time for one measurement [s]")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="measure and draw growth instead")
    parser.add_argument("--batch", type=int, default=4096, help="games in one batch")
    args = parser.parse_args()
    limit = args.limit or (10.0 if args.quick else 60.0)
    repeats = 3 if args.quick else 11
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__},"
        f" one BLAS thread, {platform.machine()}; medians of {repeats} runs after a warm-up,"
        f" at most {limit:g} s each; load average {os.getloadavg()[0]:.1f}"
        f" on {os.cpu_count()} cores"
    )
    if args.plot:
        plot(growth(limit), args.plot)
        return 0
    report_sizes(repeats, limit)
    report_baselines(repeats, limit)
    report_batch(args.batch, repeats, limit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
