"""Draws the pictures of docs/equilibria.md into docs/images/, each from a concrete small game.

tools/run python docs/pictures/equilibria.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
from matplotlib import pyplot as plt

from veaat_migration.game.equilibrium import solve
from veaat_migration.game.instance import DelayConstraint, FloatArray, GameInstance
from veaat_migration.game.leader import best_price, payoffs

FOLDER = Path(__file__).parents[1] / "images"
BLUE, RED, GREY, GREEN = "#1b6ca8", "#d1495b", "#8d99a6", "#3a7d44"
STYLE = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def game(delta: Any, offset: Any, quality: Any, cost: Any, **rest: Any) -> GameInstance:
    """A game with p_max = 30 and b_max = 10 unless told otherwise."""
    limits = {"price_max": 30.0, "bandwidth_max": 10.0}
    return GameInstance.create(
        satisfaction=delta, offset=offset, quality=quality, cost=cost, **(limits | rest)
    )


def base(**changes: Any) -> GameInstance:
    """The base case of docs/model.md, with changes."""
    offset = np.e - np.array([1.5, 1.8, 2.0])
    couplings = {"social": 0.02, "service": 0.02}
    return game([20.0, 25.0, 30.0], offset, [1.0, 1.2], [2.0, 2.5], **(couplings | changes))


def profit(instance: GameInstance, prices: Any, rsu: int, points: FloatArray) -> FloatArray:
    """Payoff of one RSU along its own price, the AVs re-equilibrated."""
    vectors = np.repeat(np.asarray(prices, dtype=float)[None], len(points), axis=0)
    vectors[:, rsu] = points
    result: FloatArray = payoffs(instance, vectors).profit[:, rsu]
    return result


def replies(instance: GameInstance, rsu: int, others: FloatArray, jump: float) -> FloatArray:
    """Best prices of one of two RSUs against prices of the other one; nan after a jump."""
    best = []
    for price in others:
        prices = np.full(2, price)
        prices[rsu] = instance.price_max / 2.0
        best.append(best_price(instance, prices, rsu).x)
    result = np.array(best)
    result[1:][np.abs(np.diff(result)) > jump] = np.nan
    return result


def save(figure: Any, name: str) -> None:
    """Write one picture, small enough for a repository."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"equilibrium_{name}.png"
    figure.savefig(path, dpi=100)
    plt.close(figure)
    print(f"wrote {path.relative_to(FOLDER.parents[1])}")


def dropout() -> None:
    """A monopolist with a second peak 0.15 % below the first."""
    delta = np.array([49.4, 8.2, 37.2, 44.5, 13.7])
    offset = np.array([0.61, 1.05, 1.81, 1.62, 0.8])
    instance = game(delta, offset, [0.93], [2.11], bandwidth_max=50.0)
    x = np.linspace(5.5, 11.0, 3000)
    u = profit(instance, [8.0], 0, x)
    peaks = np.nonzero((u[1:-1] > u[:-2]) & (u[1:-1] > u[2:]))[0] + 1
    figure, axis = plt.subplots(figsize=(6.4, 3.2))
    axis.plot(x, u, color=BLUE)
    leaves = delta[1] / offset[1]
    axis.axvline(leaves, color=GREY, ls="--", lw=1.0)
    axis.annotate(f"AV 2 leaves\nat {leaves:.2f}", (leaves, u.min()), (4, 4),
                  textcoords="offset points", color=GREY, va="bottom")  # fmt: skip
    for k in peaks:
        colour, side, shift = (GREEN, "right", -4) if u[k] == u[peaks].max() else (RED, "left", 4)
        axis.plot(x[k], u[k], "o", color=colour)
        axis.annotate(f"{u[k]:.2f}", (x[k], u[k]), (shift, 6), textcoords="offset points",
                      ha=side, color=colour)  # fmt: skip
    axis.set(xlabel="price [money/MHz]", ylabel="payoff [money]")
    axis.margins(y=0.12)
    save(figure, "dropout")


def continuum() -> None:
    """Best replies of two RSUs that run along the same kink."""
    instance = game([4.5, 31.9], [1.79, 1.04], [1.46, 0.91], [1.75, 0.47], service=0.02)
    second = np.linspace(3.170, 3.220, 101)
    first = np.linspace(4.2, 4.5, 61)
    left, right = replies(instance, 0, second, 0.1), replies(instance, 1, first, 0.1)
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2))
    axes[0].plot(left, second, color=BLUE, lw=4.5, alpha=0.55, label="best price of RSU 1")
    axes[0].plot(first, right, color=RED, lw=1.6, label="best price of RSU 2")
    axes[0].set(xlabel="price of RSU 1", ylabel="price of RSU 2", ylim=(second[0], second[-1]))
    axes[0].legend(loc="lower left")
    point = solve(instance).prices
    for rsu, colour in [(0, BLUE), (1, RED)]:
        x = point[rsu] * np.linspace(0.96, 1.04, 401)
        u = profit(instance, point, rsu, x)
        axes[1].plot(100.0 * (x / point[rsu] - 1.0), 100.0 * (u / u.max() - 1.0), color=colour,
                     label=f"RSU {rsu + 1}")  # fmt: skip
    axes[1].axvline(0.0, color=GREY, ls="--", lw=1.0)
    axes[1].set(xlabel="change of own price [%]", ylabel="change of payoff [%]")
    axes[1].legend()
    save(figure, "continuum")


def delay() -> None:
    """A delay limit that binds at dear prices only: captive demand and an equilibrium at p_max."""
    limit = DelayConstraint.create(
        3, 2, data=400.0, spectral_efficiency=12.0, base_delay=0.2, max_delay=[20.0, 24.0, 28.0]
    )
    free, instance = base(), base(delay=limit)
    x = np.linspace(2.2, 30.0, 500)
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2))
    for axis, rival in zip(axes, [solve(free).prices[1], 30.0], strict=True):
        axis.plot(x, profit(free, [0.0, rival], 0, x), "--", color=GREY, label="no delay limit")
        u = profit(instance, [0.0, rival], 0, x)
        axis.plot(x, u, color=BLUE, label="delay limit")
        axis.plot(x[np.argmax(u)], u.max(), "o", color=GREEN)
        axis.set(xlabel="price of RSU 1", title=f"RSU 2 asks {rival:.2f}")
        axis.title.set_size(9.0)
    axes[0].set_ylabel("payoff of RSU 1 [money]")
    axes[0].legend()
    save(figure, "delay")


def cycle() -> None:
    """Strong substitutes: best replies that jump past each other."""
    instance = game(
        [20.0], [1.2], [1.0, 1.1], [1.0, 1.2], service=-0.3, price_max=20.0, bandwidth_max=6.0
    )
    x = np.linspace(1.2, 2.8, 65)
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2))
    axes[0].plot(replies(instance, 0, x, 0.2), x, color=BLUE, label="best price of RSU 1")
    axes[0].plot(x, replies(instance, 1, x, 0.2), color=RED, label="best price of RSU 2")
    prices, path = np.array([1.7, 1.9]), []
    for turn in range(16):
        path.append(prices.copy())
        prices[turn % 2] = best_price(instance, prices, turn % 2).x
    track = np.array(path)
    axes[0].plot(track[:, 0], track[:, 1], ".-", color=GREY, lw=0.8, ms=3, label="leaders in turn")
    axes[0].set(xlabel="price of RSU 1", ylabel="price of RSU 2")
    axes[0].legend(loc="upper right", fontsize=8)
    axes[1].step(range(len(track)), track[:, 0], where="post", color=BLUE, label="RSU 1")
    axes[1].step(range(len(track)), track[:, 1], where="post", color=RED, label="RSU 2")
    axes[1].set(xlabel="move", ylabel="price [money/MHz]")
    axes[1].legend(loc="upper left", ncols=2)
    axes[1].margins(y=0.2)
    save(figure, "cycle")


def capacity() -> None:
    """Below its clearing price an RSU sells the same bandwidth for less."""
    instance = base(capacity=[4.0, 4.0])
    solution = solve(instance)
    x = np.linspace(2.0, 14.0, 600)
    vectors = np.repeat(solution.prices[None], len(x), axis=0)
    vectors[:, 0] = x
    result = payoffs(instance, vectors)
    load = result.followers.batch.theta[:, 0] * result.followers.demand[:, :, 0].sum(axis=1)
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2))
    axes[0].plot(x, profit(base(), solution.prices, 0, x), "--", color=GREY, label="unlimited")
    axes[0].plot(x, result.profit[:, 0], color=BLUE, label="capacity of 4 MHz")
    axes[0].set(xlabel="price of RSU 1", ylabel="payoff of RSU 1 [money]")
    axes[0].legend()
    axes[1].plot(x, load, color=BLUE, label="asked for")
    axes[1].plot(x, np.minimum(load, 4.0), color=GREEN, lw=3.5, alpha=0.5, label="delivered")
    axes[1].set(xlabel="price of RSU 1", ylabel="expected load [MHz]", ylim=(0.0, None))
    axes[1].legend()
    for axis in axes:
        axis.axvline(solution.prices[0], color=RED, ls="--", lw=1.0)
    save(figure, "capacity")


def main() -> int:
    """Draw all of them."""
    with plt.rc_context(STYLE):
        for picture in (dropout, continuum, delay, cycle, capacity):
            picture()
    return 0


if __name__ == "__main__":
    sys.exit(main())
