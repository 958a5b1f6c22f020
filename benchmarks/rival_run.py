"""Run another tool once, in its own environment, without importing laud_ray. rivals.py starts it.

    python rival_run.py JOB

JOB is a folder with job.json, texts.json and vectors.npz (vectors and classes of pool and test; `held`: rows of the
pool that must not be queried). Prints one line of JSON: [annotations, accuracy, macro-F1] on the test file after each
fit.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

# The best of 1, 10, 100 and 1000 with 500 random documents of fndds_food, so that small-text has a good learner.
C = 1000.0


class Aligned(LogisticRegression):
    """Logistic regression with a column for every class; small-text takes the index of a column as the class."""

    def __init__(self, classes: int = 0, C: float = C, max_iter: int = 1000) -> None:  # noqa: N803 - scikit-learn's
        super().__init__(C=C, max_iter=max_iter)
        self.classes = classes

    def predict_proba(self, X: np.ndarray) -> np.ndarray:  # noqa: N803 - scikit-learn's
        proba = np.zeros((len(X), self.classes))
        proba[:, self.classes_] = super().predict_proba(X)
        return proba


def main() -> None:
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text())
    arrays = dict(np.load(folder / "vectors.npz"))
    run = {"small_text": small_text, "setfit": setfit}[job["tool"]]
    curve = run(job, arrays, json.loads((folder / "texts.json").read_text()))
    print(json.dumps({"curve": curve}))


def point(n: int, true: np.ndarray, guess: np.ndarray) -> list[float]:
    return [n, float(accuracy_score(true, guess)), float(f1_score(true, guess, average="macro", zero_division=0))]


def small_text(job: dict, arrays: dict, _: dict) -> list[list[float]]:
    """Run small-text's pool-based loop: a random batch first, then the queries of its strategy."""
    import small_text as st

    class Classifier(st.SklearnClassifier):
        """Its adapter for scikit-learn, with the encoder's vectors for the strategies that look at them."""

        def embed(self, data_set, return_proba=False, **ignored):  # noqa: ARG002 - it names a progress bar too
            vectors = np.asarray(data_set.x)
            return (vectors, self.predict(data_set, return_proba=True)[1]) if return_proba else vectors

    class Factory:
        def new(self):
            return Classifier(Aligned(len(arrays["classes"])), len(arrays["classes"]))

    np.random.seed(job["seed"])  # noqa: NPY002 - the library draws from the global generator
    rows = np.setdiff1d(np.arange(len(arrays["pool"])), arrays["held"])
    pool = st.SklearnDataset(arrays["pool"][rows], arrays["pool_gold"][rows], target_labels=arrays["classes"])
    test = st.SklearnDataset(arrays["test"], arrays["test_gold"], target_labels=arrays["classes"])
    learner = st.PoolBasedActiveLearner(Factory(), getattr(st, job["strategy"])(), pool)
    first = np.random.default_rng(job["seed"]).permutation(len(rows))[: job["batch"]]
    learner.initialize_data(first, pool.y[first])
    curve = [point(len(first), arrays["test_gold"], learner.classifier.predict(test))]
    while curve[-1][0] < job["budget"]:
        chosen = learner.query(num_samples=min(job["batch"], job["budget"] - int(curve[-1][0])))
        learner.update(pool.y[chosen])
        curve.append(point(curve[-1][0] + len(chosen), arrays["test_gold"], learner.classifier.predict(test)))
    return curve


def setfit(job: dict, arrays: dict, texts: dict) -> list[list[float]]:
    """Train SetFit on random documents, as many as the budget allows."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    rows = np.setdiff1d(np.arange(len(arrays["pool"])), arrays["held"])
    asked = np.random.default_rng(job["seed"]).permutation(rows)[: job["budget"]]
    data = {"text": [texts["pool"][i] for i in asked], "label": arrays["pool_gold"][asked].tolist()}
    with tempfile.TemporaryDirectory() as out:
        settings = TrainingArguments(
            output_dir=out,
            batch_size=16,
            max_steps=job["steps"],
            seed=job["seed"],
            save_strategy="no",
            report_to="none",
        )
        model = SetFitModel.from_pretrained(job["model"])
        Trainer(model=model, args=settings, train_dataset=Dataset.from_dict(data)).train()
    guess = np.asarray(model.predict(texts["test"], show_progress_bar=False))
    return [point(len(asked), arrays["test_gold"], guess)]


if __name__ == "__main__":
    main()
