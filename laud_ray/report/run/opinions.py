"""The results of audits, and the agreement between annotators."""

from collections.abc import Iterable, Sequence

from laud_ray.config.task import MULTILABEL
from laud_ray.quality.aggregation import MODEL, Opinion
from laud_ray.quality.raters import Agreement, compare
from laud_ray.report.run.summary import AuditShown, DisputeShown
from laud_ray.steps.annotation.second_opinions import settled
from laud_ray.store import rechecks
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Answered

PEOPLE = "people"


def read_audit(run: RunFolder, asked: Iterable[Answered], feedback: dict[str, str]) -> AuditShown | None:
    """Collect the results of audits; None if there are none.

    Args:
        asked: all queries with their first answers.
        feedback: people's labels by text.
    """
    opinions = rechecks.opinions(run.store.engine)
    if not opinions:
        return None
    texts = {a.query.document.id: a.query.document.text for a in asked}
    found = settled(run.config, opinions)
    first = {one.document_id: one.label for one in opinions if one.attempt == 1}
    voices: dict[str, list[tuple[str, str]]] = {}
    for one in opinions:
        if one.label is not None and one.who != MODEL:
            voices.setdefault(one.document_id, []).append((one.who, one.label))
    return AuditShown(
        answered=run.store.counts()["audit"],
        changed=sum(label is not None and label != first[name] for name, label in found.labels.items()),
        disputed=tuple(
            DisputeShown(name, texts[name], tuple(voices.get(name, ())))
            for name in found.disputed
            if texts[name] not in feedback
        ),
    )


def read_agreement(run: RunFolder, asked: Sequence[Answered], feedback: dict[str, str]) -> Agreement | None:
    """Compare all labels of the same documents: those of oracles, and people's feedback on the same text.

    Args:
        asked: all queries with their first answers.
        feedback: people's labels by text.
    """
    opinions = rechecks.opinions(run.store.engine)
    known = {one.document_id for one in opinions}
    last = max((one.attempt for one in opinions), default=1) + 1
    for a in asked:
        name, text = a.query.document.id, a.query.document.text
        if text in feedback and a.oracle is not None:
            if name not in known:
                opinions.append(Opinion(name, 1, a.round, a.label, a.oracle))
            opinions.append(Opinion(name, last, a.round, feedback[text], PEOPLE))
    return compare(opinions, multilabel=run.config.task.kind == MULTILABEL)
