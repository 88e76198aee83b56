"""How well people did, beside the model on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lost_and_found.errors import InvalidConfig, ListMismatch, MissingInput
from lost_and_found.evaluation.metrics import TOP_K
from lost_and_found.evaluation.paired import bonett_price
from lost_and_found.geo.countries import find_country
from lost_and_found.human_baseline.answers import MOST_GUESSES
from lost_and_found.human_baseline.clusters import equal_scenes, independent_answers, reach_of_mean
from lost_and_found.human_baseline.deck import Item
from lost_and_found.human_baseline.model_guesses import ModelGuess
from lost_and_found.human_baseline.proportions import PairedComparison, Proportion
from lost_and_found.human_baseline.quiz import EXPERIENCES

EVERYBODY = "everybody"
PAIRED_COLUMNS = [
    *("group", "k", "n", "players", "pictures", "both", "people_only", "model_only", "neither"),
    *("difference", "low", "high", "p_value", "missing"),
]


def answer_ranks(
    answers: pd.DataFrame, items: Mapping[str, Item], model: Mapping[str, ModelGuess]
) -> pd.DataFrame:
    """One row per answer: who answered which item, how long it took, and the ranks of the truth.

    Columns player, order, experience, item, scene (pictures of one game or place have the same), country_code
    (the truth), seconds, rank, guesses, size (like "320x180"), model_rank. A rank is the place of the truth
    from 1, or 0 if it is not among a person's guesses; the model ranks all countries that it knows. `guesses`
    is how many a person gave. Where the model has no guess, its rank is missing (NA).

    Args:
        answers: from `Answers.table`, a row per guess.
        items: of a deck.
        model: what the model said, by item; empty without one.

    Raises:
        ListMismatch: an answer to a picture that the list lacks.
    """
    if strangers := sorted(set(answers["item"]) - set(items)):
        raise ListMismatch(
            f"{len(strangers)} answered pictures are not in the list, such as {strangers[0]}; "
            "these answers are to another list"
        )
    table = answers.sort_values("place").copy()
    table["country"] = [items[item].country_code for item in table["item"]]
    table["hit"] = np.where(table["country_code"] == table["country"], table["place"], 0)
    one = table.groupby(["player", "order"], sort=False)
    ranks = pd.DataFrame(
        {
            "experience": one["experience"].first(),
            "item": one["item"].first(),
            "scene": [items[item].scene for item in one["item"].first()],
            "country_code": one["country"].first(),
            "seconds": one["seconds"].first(),
            "rank": one["hit"].max(),
            "guesses": one["place"].size(),
            "size": one["width"].first().astype(str) + "x" + one["height"].first().astype(str),
        }
    ).reset_index()
    known = {item: guess.rank for item, guess in model.items()}
    ranks["model_rank"] = pd.array([known.get(item) for item in ranks["item"]], dtype="Int64")
    return ranks.sort_values(["player", "order"], ignore_index=True)


def of_size(ranks: pd.DataFrame, size: str) -> pd.DataFrame:
    """The answers to pictures of a size like "320x180"; all of them for an empty text.

    Raises:
        MissingInput: there are none.
    """
    chosen = ranks[ranks["size"] == size] if size else ranks
    if chosen.empty:
        found = ", ".join(sorted(set(ranks["size"])))
        raise MissingInput(f"nobody answered pictures of size {size!r}; there are answers at {found}")
    return chosen


def group_names(ranks: pd.DataFrame) -> list[str]:
    """The groups that answered something, the most experienced first, then everybody."""
    present = set(ranks["experience"])
    return [name for name in reversed(EXPERIENCES) if name in present] + [EVERYBODY]


def of_group(ranks: pd.DataFrame, group: str) -> pd.DataFrame:
    """The answers of a group."""
    return ranks if group == EVERYBODY else ranks[ranks["experience"] == group]


def group_table(ranks: pd.DataFrame) -> pd.DataFrame:
    """Top-1, 3 and 5 of each group and of the model on the same pictures, with Wilson's intervals.

    Columns group, who ("people" or "model"), k, n, players, pictures, value, low, high. Answers of one player
    are correlated, and so are answers to one scene, so people's intervals are those of the number of
    `independent_answers`. The model's shares count a picture as often as it was answered, so that both cover
    the same items; but its guess was the same each time, so its interval is that of the number of
    `equal_scenes`. A group that answered a picture without a guess of the model has no row of the model.
    """
    rows = []
    for group in group_names(ranks):
        part = of_group(ranks, group)
        rows += [_top_row(part, k, group=group, who="people") for k in TOP_K]
        if part["model_rank"].notna().all():
            rows += [_top_row(part, k, group=group, who="model") for k in TOP_K]
    return pd.DataFrame(rows)


def player_table(ranks: pd.DataFrame) -> pd.DataFrame:
    """One row per player, the most answers first.

    Columns player, experience, n, top1 to top5 with low and high as in `group_table`, median_seconds, and
    model_top1 on the same.
    """
    rows = []
    for (player, experience), part in ranks.groupby(["player", "experience"]):
        row = {"player": player, "experience": experience, "n": len(part)}
        for k in TOP_K:
            share = _people(_hits(part["rank"], k), part)
            row |= {f"top{k}": share.value, f"top{k}_low": share.low, f"top{k}_high": share.high}
        if part["model_rank"].notna().all():
            row["model_top1"] = float(_hits(part["model_rank"], 1).mean())
        rows.append(row | {"median_seconds": part["seconds"].median()})
    return pd.DataFrame(rows).sort_values("n", ascending=False, kind="stable", ignore_index=True)


def study_table(ranks: pd.DataFrame) -> pd.DataFrame:
    """The layout of the study's table 2.6: a row per group, then the model; guesses and top-1, 3, 5 in %."""
    table = group_table(ranks)
    rows: dict[str, dict[str, object]] = {}
    for (who, group), part in table.groupby(["who", "group"], sort=False):
        name = str(group) if who == "people" else f"model, pictures of {group}"
        cells = {f"Top {k}": _cell(row) for k, row in zip(TOP_K, part.to_dict("records"), strict=True)}
        rows[name] = {"guessed pictures": int(part["n"].iloc[0]), **cells}
    people = [name for name in rows if not name.startswith("model")]
    return pd.DataFrame(rows).T.loc[people + [name for name in rows if name not in people]]


def compare_with_model(
    ranks: pd.DataFrame,
    *,
    difference: float = 0.1,
    power: float = 0.8,
) -> pd.DataFrame:
    """People against the model on the same pictures, for each group and k: a paired test.

    Answers to pictures without a guess of the model are left out. Columns group, k, n, players, pictures,
    both, people_only, model_only, neither, difference (the model's share less that of people), low and high
    (its 95 % interval), p_value (McNemar's, exact, of answers as if they were independent) and missing: how
    many more answers, each to another scene, it takes to detect a true `difference` with that power.

    The interval takes players and scenes as samples, see `reach_of_mean`: with five players or more it holds
    for people like them, with fewer for these players only. It is never narrower than that of Bonett and
    Price for one answer per scene, which allows for small numbers.

    Args:
        ranks: from `answer_ranks`.
        difference: of the shares, to be detected.
        power: probability of detecting it.

    Raises:
        InvalidConfig: a difference or power that can't be one.
    """
    if not (0 < difference < 1 and 0 < power < 1):
        raise InvalidConfig(f"difference {difference} and power {power} must both lie between 0 and 1")
    ranks = ranks[ranks["model_rank"].notna()]
    rows = []
    for group in group_names(ranks) if len(ranks) else ():
        part = of_group(ranks, group)
        for k in TOP_K:
            people, model = (_hits(part[name], k).to_numpy() for name in ("rank", "model_rank"))
            paired = pair_up(people, model)
            gains = model.astype(float) - people
            reach = reach_of_mean(gains, part["player"].to_numpy(), part["scene"].to_numpy())
            scenes = part["scene"].nunique()
            worth = scenes / paired.n  # answers to one scene are correlated, which a few may not show
            few_low, few_high = bonett_price(paired.second * worth, paired.first * worth, scenes)
            low = max(-1.0, min(float(few_low), paired.difference - reach))
            high = min(1.0, max(float(few_high), paired.difference + reach))
            rows.append(
                [
                    *(group, k, paired.n, part["player"].nunique(), part["item"].nunique()),
                    *(paired.both, paired.first, paired.second, paired.neither),
                    *(paired.difference, low, high, paired.p_value),
                    max(0, paired.items_to_see(difference, power=power) - scenes),
                ]
            )
    return pd.DataFrame(rows, columns=PAIRED_COLUMNS)


def pair_up(people: np.ndarray, model: np.ndarray) -> PairedComparison:
    """People (first) and model (second) on the same answered pictures, from whether each was right (N,)."""
    return PairedComparison(
        both=int((people & model).sum()),
        first=int((people & ~model).sum()),
        second=int((~people & model).sum()),
        neither=int((~people & ~model).sum()),
    )


def country_table(ranks: pd.DataFrame) -> pd.DataFrame:
    """How hard each country is, the hardest for people first.

    Columns country, country_code, n, people and model (top-1), each with low and high as in `group_table`.
    """
    rows = []
    for code, part in ranks.groupby("country_code"):
        row = {"country": find_country(str(code)).name, "country_code": code, "n": len(part)}
        shares = {"people": _people(_hits(part["rank"], 1), part)}
        if part["model_rank"].notna().all():
            shares["model"] = _model(part, 1)
        for who, share in shares.items():
            row |= {who: share.value, f"{who}_low": share.low, f"{who}_high": share.high}
        rows.append(row)
    return pd.DataFrame(rows).sort_values(["people", "n"], ascending=[True, False], ignore_index=True)


def order_table(ranks: pd.DataFrame) -> pd.DataFrame:
    """How far people's order can be trusted: how often the guess of each place is the truth.

    Columns place, n (answers that have a guess there), value, low, high. The values fall if
    people order well.
    """
    rows = []
    for place in range(1, MOST_GUESSES + 1):
        given = ranks[ranks["guesses"] >= place]
        share = _people(given["rank"] == place, given) if len(given) else Proportion(0, 0)
        ends = {"value": share.value, "low": share.low, "high": share.high}
        rows.append({"place": place, "n": len(given), **ends})
    return pd.DataFrame(rows)


def _hits(ranks: pd.Series, k: int) -> pd.Series:
    return ranks.astype(int).between(1, k)


def _people(hits: pd.Series, answers: pd.DataFrame) -> Proportion:
    """The share of hits, with the interval of the number of `independent_answers`."""
    ids = (answers["player"].to_numpy(), answers["scene"].to_numpy())
    independent = independent_answers(hits.to_numpy(), *ids)
    return Proportion(float(hits.mean()) * independent, independent)


def _model(answers: pd.DataFrame, k: int) -> Proportion:
    """The model's share of hits at k, with the interval of the number of `equal_scenes`."""
    scenes = equal_scenes(answers["scene"].to_numpy())
    return Proportion(float(_hits(answers["model_rank"], k).mean()) * scenes, scenes)


def _top_row(part: pd.DataFrame, k: int, *, group: str, who: str) -> dict[str, object]:
    share = _people(_hits(part["rank"], k), part) if who == "people" else _model(part, k)
    players, pictures = part["player"].nunique(), part["item"].nunique()
    told = {"group": group, "who": who, "k": k, "n": len(part), "players": players, "pictures": pictures}
    return {**told, "value": share.value, "low": share.low, "high": share.high}


def _cell(row: Mapping) -> str:
    return f"{100 * row['value']:.1f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f})"
