"""An engine of a language model that follows a script."""

from collections.abc import Callable, Sequence

from laud_ray.oracles.engines import Asked, CallRecorder, Completion, Request
from laud_ray.store.ledger import Answer


class Scripted:
    """An engine that says what a function of the request says."""

    at_once = 64

    def __init__(self, say: Callable[[Request], Completion | str]) -> None:
        self.say, self.asked = say, []

    def ask(self, requests: Sequence[Request], recorder: CallRecorder) -> Asked:
        answers: dict[str, Answer] = {}
        for request in requests:
            number = recorder.begin(request, 100)
            if number is None:
                return Asked(answers, recorder.capped())
            self.asked.append(request)
            said = self.say(request)
            completion = Completion(said, (), 100, 2) if isinstance(said, str) else said
            answers[request.key] = recorder.finish(number, completion, 0.1)
        return Asked(answers)
