"""Lines on the people who annotate: progress, each person, agreement, and the effect of suggestions."""

from laud_ray.quality.anchoring import Anchoring
from laud_ray.quality.annotators import Annotator, PeopleFigures
from laud_ray.report.formatting import decimal, dollars, percent, whole_interval


def progress_line(people: PeopleFigures) -> str:
    """Return one line on the numbers of answered and open questions."""
    disputed = f", {people.disputed:,} with different answers wait for an adjudicator" if people.disputed else ""
    cost = f"; {dollars(people.dollars)} for the time" if people.dollars else ""
    late = f"; {people.late:,} answers came after their question was settled" if people.late else ""
    return f"{people.done:,} questions answered, {people.open:,} open{disputed}{late}{cost}"


def waiting_line(people: PeopleFigures) -> str:
    """Say what people have to answer."""
    open = people.open + people.disputed
    questions = "1 question" if open == 1 else f"{open:,} questions"
    disputed = f", {people.disputed:,} of them by an adjudicator" if people.disputed else ""
    return f"People have {questions} to answer{disputed}."


def person_line(one: Annotator) -> str:
    """Return one line on the answers of a person."""
    parts = [f"{one.answers:,} answer{'' if one.answers == 1 else 's'}"]
    if one.unsure:
        parts.append(f"{one.unsure:,} without a label")
    if one.seconds is not None:
        parts.append(f"median {one.seconds:.1f} s")
    parts.append(accuracy_words(one))
    if one.gold:
        parts.append(f"{one.gold_right:,} of {one.gold:,} known answers right")
    if one.hurried:
        parts.append(f"{one.fast:,} answers in a row in under a second each")
    return f"{one.name}: {', '.join(parts)}"


def accuracy_words(one: Annotator) -> str:
    """Return a person's accuracy with its interval, or why it is not known."""
    if one.accuracy is None:
        return "accuracy not known: no known answers and no questions answered twice"
    return f"accuracy {percent(one.accuracy.value)} {whole_interval(one.accuracy)}, n = {one.accuracy.n:,}"


def agreement_words(people: PeopleFigures) -> str | None:
    """Return the agreement of two people on questions drawn at random; None if there are no such questions."""
    if (found := people.agreement) is None:
        return None
    alpha = f"Krippendorff's alpha {decimal(found.alpha)}"
    return f"{alpha} on {found.documents:,} questions drawn at random for two people"


def anchoring_words(found: Anchoring) -> str:
    """Return how much shown suggestions influence people's answers, and how much time they save."""
    effect = found.effect
    moved = (
        f"shown suggestions are followed {100 * effect.value:+.1f} points more often than hidden ones are met "
        f"[{100 * effect.low:+.1f}, {100 * effect.high:+.1f}]"
    )
    saved = (
        "" if found.saved is None else f", and save {percent(found.saved.value)} {whole_interval(found.saved)} of time"
    )
    return f"{moved}{saved}; {found.shown:,} shown, {found.hidden:,} hidden"


def people_lines(people: PeopleFigures, over: str | None = None) -> list[tuple[str, str]]:
    """Return (name, text) rows for the terminal.

    Args:
        over: why nobody gets another question; None if they do.
    """
    rows = [("people", progress_line(people)), *([("", over)] if over else [])]
    rows += [("", person_line(one)) for one in people.annotators]
    if (agreement := agreement_words(people)) is not None:
        rows.append(("", agreement))
    if people.anchoring is not None:
        rows.append(("suggestions", anchoring_words(people.anchoring)))
    return rows
