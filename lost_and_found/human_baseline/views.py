"""What the quiz's page shows, as HTML. Whatever a player typed is escaped here."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from lost_and_found.geo.countries import find_country
from lost_and_found.human_baseline.answer_map import answer_map
from lost_and_found.human_baseline.proportions import Proportion
from lost_and_found.human_baseline.quiz import Outcome, Question, Standing
from lost_and_found.texts import counted

LEADERS = 20
TITLE = "Lost &amp; Found"


def intro(*, pictures: int, rounds: int, countries: int, model: bool) -> str:
    """What the quiz is about."""
    against = " After each answer you see what the model said about the same picture." if model else ""
    return (
        f"<h1>{TITLE}: where was this taken?</h1>"
        f"<p>You will see {counted(rounds, 'street picture')} out of {pictures:,}, from "
        f"{counted(countries, 'country', 'countries')}. Name up to five countries for each, the likeliest "
        f"first.{against} You can stop at any time and go on later in this browser.</p>"
    )


def question(asked: Question) -> str:
    """Progress and the picture. Its text reveals nothing that the pixels don't."""
    problem = f'<p class="notice" role="status">{escape(asked.problem)}</p>' if asked.problem else ""
    return (
        f"{problem}{_progress(asked.place, asked.rounds, done=asked.place - 1)}"
        f'<img class="picture" alt="Street picture {asked.place} of {asked.rounds}, to be located" '
        f'src="{_source(asked.picture)}"/>'
    )


def outcome(answered: Outcome) -> str:
    """The answer with its map, beside the model's."""
    truth = find_country(answered.item.country_code).name
    colour = "right" if answered.rank else "wrong"
    repeated = ""
    if answered.repeated:
        repeated = '<p class="notice">You have already answered this picture; your first answer counts.</p>'
    parts = [
        _progress(answered.place, answered.rounds, done=answered.place),
        repeated,
        f'<h2 id="verdict" class="{colour}">{_verdict(answered.rank, truth)}</h2>',
        '<div class="pair">',
        f'<img class="picture" alt="The picture again" src="{_source(answered.picture)}"/>',
        answer_map(answered.item.country_code, answered.guesses, answered.item.coordinates),
        "</div>",
        '<div class="versus">',
        _column("You", [(code, None) for code in answered.guesses], answered.item.country_code),
    ]
    if answered.model:
        heading = f"Model: {_place_of(answered.model.rank)}"
        parts.append(_column(heading, answered.model.guesses, answered.item.country_code))
    return "".join([*parts, "</div>"])


def standing(own: Standing) -> str:
    """Running scores with their intervals, beside the model's on the same pictures."""
    if not own.answered:
        return ""
    model = _score_row("Model", own.model) if own.model else ""
    return (
        '<table class="scores"><caption>After '
        f"{counted(own.answered, 'picture')}, with 95 % intervals</caption>"
        f"{_head('', *map(_first, own.top))}<tbody>{_score_row('You', own.top)}{model}</tbody></table>"
    )


def summary(own: Standing) -> str:
    """The end of a session."""
    if not own.answered:
        return '<h2 id="summary">No picture could be shown</h2><p>Tell whoever runs this quiz.</p>'
    return f'<h2 id="summary">Done, <bdi>{escape(own.name)}</bdi>: {_against(own)}</h2>{standing(own)}'


def leaderboard(standings: Sequence[Standing]) -> str:
    """The best players, and the model on the pictures of each."""
    if not standings:
        return "<p>Nobody has answered yet.</p>"
    rows = "".join(
        f'<tr><td>{place}</td><th scope="row">{escape(one.name)}</th><td>{_percent(one.top[1])}</td>'
        f"<td>{_percent(one.top[5])}</td><td>{one.answered}</td>"
        f"<td>{_percent(one.model[1]) if one.model else '–'}</td><td>{escape(one.experience)}</td></tr>"
        for place, one in enumerate(standings[:LEADERS], start=1)
    )
    more = f"<p>and {len(standings) - LEADERS} more</p>" if len(standings) > LEADERS else ""
    heads = ("", "player", "first guess", "among five", "pictures", "model's first guess", "experience")
    return (
        '<p class="help">Right answers, ranked by the lower end of the 95 % interval of the first guess</p>'
        '<div class="wide"><table class="leaders">'
        f"{_head(*heads)}<tbody>{rows}</tbody></table></div>{more}"
    )


def notice(text: str) -> str:
    """Something that did not work, read out by screen readers."""
    return f'<p class="notice" role="alert">{escape(text)}</p>'


def _source(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def _progress(place: int, rounds: int, *, done: int) -> str:
    return (
        f'<p class="progress"><label for="session-progress">Picture {place} of {rounds}</label> '
        f'<progress id="session-progress" value="{done}" max="{rounds}"></progress></p>'
    )


def _verdict(rank: int, truth: str) -> str:
    name = escape(truth)
    if not rank:
        return f"The answer: {name}."
    return f"Right first time: {name}!" if rank == 1 else f"Right on guess {rank}: {name}."


def _place_of(rank: int) -> str:
    return "right first time" if rank == 1 else f"right on guess {rank}" if rank <= 5 else "wrong"


def _column(heading: str, guesses: Sequence[tuple[str, float | None]], truth: str) -> str:
    items = []
    for code, probability in guesses:
        name = escape(find_country(code).name)
        share = "" if probability is None else f' <span class="share">{100 * probability:.0f} %</span>'
        mark = ' class="right"' if code == truth else ""
        note = ' <span class="visually-hidden">(right)</span>' if code == truth else ""
        items.append(f"<li{mark}>{name}{note}{share}</li>")
    return f"<section><h3>{heading}</h3><ol>{''.join(items)}</ol></section>"


def _head(*titles: str) -> str:
    cells = "".join(f'<th scope="col">{title}</th>' if title else "<td></td>" for title in titles)
    return f"<thead><tr>{cells}</tr></thead>"


def _score_row(name: str, top: Mapping[int, Proportion]) -> str:
    cells = "".join(
        f"<td>{_percent(share)} <small>{100 * share.low:.0f}–{100 * share.high:.0f}</small></td>"
        for share in top.values()
    )
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _against(own: Standing) -> str:
    found = f"{own.top[1].hits} of {own.answered} right first time"
    if not own.model:
        return found
    difference = own.top[1].hits - own.model[1].hits
    if not difference:
        return f"{found}, as many as the model"
    return f"{found}, {abs(difference)} {'more' if difference > 0 else 'fewer'} than the model"


def _first(k: int) -> str:
    return "first guess" if k == 1 else f"among {k}"


def _percent(share: Proportion) -> str:
    return f"{100 * share.value:.0f} %"
