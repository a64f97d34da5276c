"""Play: Algorithm 1, lines 6 to 13, for all games and agents at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from veaat_migration.learning.actors import Actors
from veaat_migration.learning.environment import Environment
from veaat_migration.policy.observation import as_input


@dataclass(frozen=True)
class Rollout:
    """T rounds of G games; agents are RSUs, then AVs (A of them)."""

    records: Tensor
    """What may be observed, [record, T + 1, G]; the last round is observed but not played."""
    played: Tensor
    """Prices and demands as players see them, [R + V R, T + 1, G]; the first was played before."""
    latents: Tensor
    """u before squashing, [A, R, T, G]."""
    log_probabilities: Tensor
    """Of u under the policy that played, [A, T, G]."""
    rewards: Tensor
    """Utilities [money], [A, T + 1, G]; the first are of the round before."""
    quiet: Tensor | None
    """What AVs would have earned without exploration of their own [money], [V, T, G]."""
    drawn_prices: int
    """The first so many games had prices drawn at random: leaders learn nothing from them."""


@torch.no_grad()
def collect(
    environment: Environment,
    actors: Actors,
    *,
    drawn_prices: int = 0,
    nearby_prices: int = 0,
    nearby: float = 0.0,
    look_ahead: bool = False,
    quiet: bool = False,
    generator: torch.Generator,
) -> Rollout:
    """Play one rollout with exploration.

    Args:
        environment: the games; they go on where the last rollout ended.
        actors: who plays.
        drawn_prices: number of games in which prices are drawn evenly over the price scale, so
            that followers learn to answer all of them.
        nearby_prices: number of further games in which they are drawn around the leaders' own.
        nearby: half the width of that interval, as a share of the price scale.
        look_ahead: also let leaders price the round after the last, which followers would see:
            needed for the value of the last state where gamma > 0.
        quiet: also reckon what AVs would have earned without exploration of their own.
        generator: of the exploration noise.
    """
    rounds, games = environment.rounds, environment.games
    layout = environment.layout
    noise = torch.randn(
        (rounds + 1, actors.agents, layout.n_rsus, games),
        generator=generator,
        device=generator.device,
    ).to(environment.game.device)
    drawn = torch.rand(
        (rounds + 1, layout.n_rsus, drawn_prices + nearby_prices),
        generator=generator,
        device=generator.device,
    ).to(environment.game.device)
    near = slice(drawn_prices, drawn_prices + nearby_prices)
    drawn[..., near] = nearby * as_input(drawn[..., near])
    exploration = actors.log_std.exp() * noise
    # In place: the mean is added round by round.
    latents = exploration.clone()
    leader_latents = latents[:, actors.leaders].unbind()
    follower_latents = latents[:, actors.followers].unbind()
    leaders, followers = actors.evaluator(actors.leaders), actors.evaluator(actors.followers)
    environment.begin()

    def price(t: int) -> Tensor:
        mean = leaders(environment.leaders_see(t))
        shares = leader_latents[t].add_(mean)[:, 0].sigmoid()
        if drawn_prices:
            shares[:, :drawn_prices] = drawn[t, :, :drawn_prices]
        if nearby_prices:
            centre = mean[:, 0, near].sigmoid()
            shares[:, near] = (centre + drawn[t, :, near]).clamp_(0.0, 1.0)
        return environment.post_prices(t, shares)

    for t in range(rounds):
        mean = followers(price(t))
        shares = follower_latents[t].add_(mean).sigmoid()
        environment.post_demands(t, shares.view(-1, games))
    if look_ahead:
        price(rounds)

    played = latents[:rounds].permute(1, 2, 0, 3).contiguous()
    quiet_utilities = None
    if quiet:
        own = exploration[:rounds, actors.followers].permute(1, 2, 0, 3)
        means = played[actors.followers] - own
        quiet_utilities = environment.quiet_utilities(means.sigmoid())
    error = (noise[:rounds] * actors.used).square().sum(2).permute(1, 0, 2)
    constant = (actors.log_std * actors.used).sum(1).unsqueeze(-1)
    return Rollout(
        records=environment.records,
        played=environment.played.transpose(0, 1),
        latents=played,
        log_probabilities=error.mul(-0.5) - constant,
        rewards=environment.rewards(),
        quiet=quiet_utilities,
        drawn_prices=drawn_prices + nearby_prices,
    )
