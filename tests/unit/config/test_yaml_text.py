"""YAML that is an attack or an accident is one line with its key, soon."""

import pytest

from laud_ray import config
from laud_ray.config.yaml_text import read_yaml
from laud_ray.errors import ConfigError
from laud_ray.storage.folder import Folder

PLAIN = """
task: {name: food, labels: [Tea, Coffee]}
corpus: {path: data.parquet, text: text}
storage: runs/food
oracle: {kind: replay, label: label}
"""


def bomb(inner: str, outer: str) -> str:
    """Eight levels of ten aliases each: 10^8 nodes in a thousand letters."""
    lines = [f"a0: &a0 {inner}"]
    lines += [f"a{i}: &a{i} " + outer.format(", ".join([f"*a{i - 1}"] * 10)) for i in range(1, 9)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x: &x [*x]", "x: is nested too deeply, or contains itself; expected at most 50 levels"),
        ("&x {a: *x}", "a: is nested too deeply, or contains itself"),
        (f"x: {'[' * 3000}{']' * 3000}", "is nested too deeply"),
        (f"x: {'{a: ' * 3000}{'}' * 3000}", "is nested too deeply"),
        (f"x: {'[' * 100}{']' * 100}", "x: is nested too deeply"),
        (PLAIN + "2024-01-01: 3", "2024-01-01: unknown key"),
        (PLAIN + "seed: 2024-99-99", "seed: '2024-99-99' is not valid; expected an integer"),
        (PLAIN + f"seed: {'9' * 5000}", "seed: '9999"),
        (PLAIN + f"seed: 0x{'f' * 20000}", "seed: an integer of 80,000 bits is not valid; expected an integer"),
        (PLAIN + f"seed: {'9' * 30}", "seed: 999999999999999999999999999999 is not valid; expected an integer"),
        (PLAIN + "budget: {annotations: .nan}", "budget.annotations: nan is not valid; expected a finite number"),
        (PLAIN + "seed: 1e999", "seed: '1e999' is not valid; expected an integer"),
        (bomb("[x, x]", "[{}]"), "aliases expand to more than 1,000,000 values"),
        (bomb("{a: 1}", "{{<<: [{}]}}"), " line 7: merge keys expand to"),
        (PLAIN.replace("Tea", '"a\\ud800"'), r"task.labels[0]: 'a\ud800' holds '\ud800', half of a surrogate pair"),
        (PLAIN + '"a\\udfff": 3', r"""'a\udfff' holds '\udfff', half of a surrogate pair"""),
        (PLAIN + '"a\\e[31m\\nb": 3', r"'a\x1b[31m\nb': unknown key"),
        (PLAIN + "seed: !!binary aGVsbG8=", "seed: holds a YAML bytes; expected text, a number, a list or a mapping"),
        (PLAIN + "query: !!set {a, b}", "query: holds a YAML set"),
        (PLAIN + "? !!binary aGVsbG8=\n: 3", "the key 'hello' of type bytes is not valid; expected text"),
        (PLAIN + "? [a]\n: 3", " line 6: is not valid YAML: found unhashable key"),
        (PLAIN + "x: !!python/object:os.system {}", "is not valid YAML: could not determine a constructor"),
        (PLAIN.replace("[Tea, Coffee]", "foo://x/y.csv"), "task.labels: 'foo://x/y.csv': "),
    ],
)
def test_hostile_yaml_is_one_line_with_its_key(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.parse(text, "food.yaml")
    assert said in str(refused.value)
    assert str(refused.value).startswith("food.yaml")
    assert len(str(refused.value).splitlines()) == 1


def test_dates_are_texts_as_they_are_written() -> None:
    labels = config.parse(PLAIN.replace("[Tea, Coffee]", "[2024-01-01, 2024-01-02T03:04:05Z]")).task.to_task().names
    assert labels == ("2024-01-01", "2024-01-02T03:04:05Z")


def test_plain_data_are_what_yaml_says() -> None:
    text = "a: [1, 0x10, 1.5, true, null, ~, text, 'x: y']\nb: &b {c: 1}\nd: *b\ne: {<<: *b, f: é}"
    assert read_yaml(text, "f") == {
        "a": [1, 16, 1.5, True, None, None, "text", "x: y"],
        "b": {"c": 1},
        "d": {"c": 1},
        "e": {"c": 1, "f": "é"},
    }


def test_a_scheme_that_nobody_knows_is_one_line() -> None:
    from laud_ray.errors import StorageSettingsError

    with pytest.raises(
        StorageSettingsError, match="^foo://x/y: Protocol not known: foo; expected a local path, or a URI"
    ):
        Folder("foo://x/y").exists("z")
