"""No password or key is accepted where many can read it, and none is shown."""

import pytest

from laud_ray import config
from laud_ray.errors import ConfigError
from laud_ray.storage.credentials import held_by, is_variable, masked

# In all that is secret here.
NEEDLE = "hush4Pass"
PLAIN = """
task: {name: food, labels: [Tea, Coffee]}
corpus: {path: data.parquet, text: text}
storage: runs/food
oracle: {kind: replay, label: label}
"""


def asking(line: str) -> str:
    return PLAIN.replace("{kind: replay, label: label}", f"{{kind: llm, engine: openai, model: m, {line}}}")


REFUSED = {
    "serving.url": PLAIN + f"serving: {{url: 'http://ann:{NEEDLE}@127.0.0.1:9'}}",
    "serving.token_env": PLAIN + f"serving: {{token_env: 'tk-{NEEDLE}'}}",
    "oracle.base_url": asking(f"base_url: 'http://ann:{NEEDLE}@host:1/v1'"),
    "oracle.base_url ": asking(f"base_url: 'https://{NEEDLE}@host/v1'"),
    "oracle.base_url  ": asking(f"base_url: 'https://host/v1?api_key={NEEDLE}'"),
    "oracle.base_url   ": asking(f"base_url: 'ann:{NEEDLE}@host/v1'"),
    "oracle.key_variable": asking(f"key_variable: sk-{NEEDLE}"),
    "oracle.key_variable ": asking(f"key_variable: hf_{NEEDLE}1234567890"),
    "oracle.key_variable  ": asking(f"key_variable: 4f3a9b8c7d6e{NEEDLE}"),
    "oracle.key_variable   ": asking(f"key_variable: [sk-{NEEDLE}]"),
    "oracle.key_variable    ": asking(f"key_variable: {{sk: {NEEDLE}}}"),
    "oracle.api_key": asking(f"api_key: {NEEDLE}"),
    "store": PLAIN + f"store: postgresql://ann:{NEEDLE}@host/d",
    "store ": PLAIN + f"store: postgresql://ann@host/d?sslpassword={NEEDLE}",
    "store  ": PLAIN + f"store: 'postgresql://ann:with/{NEEDLE}@host/d'",
    "store   ": PLAIN + f"store: 'host=h password={NEEDLE}'",
    "store    ": PLAIN + f"store: {{host: h, password: {NEEDLE}}}",
    "store      ": PLAIN + f"store: 'postgresql://u:p@{NEEDLE}@host/d'",
    "store       ": PLAIN + f"store: 'postgresql://u:a {NEEDLE}@host/d'",
    "https://***@h": PLAIN + f"'https://u:{NEEDLE}@h': 3",
    "store.url": PLAIN + f"store: {{url: 'postgresql://ann:{NEEDLE}@host/d'}}",
    "store[0]": PLAIN + f"store: ['postgresql://ann:{NEEDLE}@host/d']",
    "corpus.path": PLAIN.replace("data.parquet", f"'s3://AKIAX:{NEEDLE}@bucket/names'"),
    "corpus.path ": PLAIN.replace("data.parquet", f"'https://host/names.csv?sv=1&sig={NEEDLE}'"),
    "storage": PLAIN.replace("runs/food", f"'s3://bucket/k?endpoint_override=http%3A%2F%2Fann%3A{NEEDLE}%40host'"),
    "learner.model": PLAIN + f"learner: {{kind: linear, model: 'https://ann:{NEEDLE}@host/m'}}",
    "task.labels": PLAIN.replace("[Tea, Coffee]", f"'https://ann:{NEEDLE}@host/labels.csv'"),
    "evaluation.oracle.base_url": PLAIN
    + f"evaluation: {{oracle: {{kind: llm, engine: openai, model: m, base_url: 'http://a:{NEEDLE}@h/v1'}}}}",
}


@pytest.mark.parametrize("key", REFUSED)
def test_a_configuration_with_a_secret_is_refused_in_one_line_that_does_not_show_it(key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.parse(REFUSED[key], "food.yaml")
    said = str(refused.value)
    assert said.startswith(f"food.yaml: {key.strip()}: ")
    assert NEEDLE not in said
    assert "\n" not in said
    # Neither does anything that an error carries.
    assert NEEDLE not in repr(refused.value.__cause__)


@pytest.mark.parametrize(
    "line",
    [
        "store: postgresql://laud@host:5432/d?sslmode=require&sslkey=/keys/mine",
        "serving: {url: 'http://host:80/@v1', token_env: LAUD_TOKEN}",
        "learner: {kind: linear, model: 'hdfs://laud@node:8020/model'}",
        "learner: {kind: linear, model: 's3://bucket/a@b'}",
        "learner: {kind: linear, model: 'abfss://container@account.dfs.core.windows.net/m'}",
    ],
)
def test_addresses_without_a_secret_are_accepted(line: str) -> None:
    config.parse(PLAIN + line)
    config.parse(PLAIN.replace("Tea", "'https://shop.example/?key=tea'"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"http://ann:{NEEDLE}@host:1/v1 refused", "http://***@host:1/v1 refused"),
        (f"'https://{NEEDLE}@host/v1'", "'https://***@host/v1'"),
        (f"s3://AKIAX:{NEEDLE}/x@bucket/k", "s3://***@bucket/k"),
        (f"https://host/x?a=1&X-Amz-Signature={NEEDLE}&b=2", "https://host/x?a=1&X-Amz-Signature=***&b=2"),
        (f"401: Basic {NEEDLE}== was sent", "401: Basic *** was sent"),
        (f"Authorization: Bearer {NEEDLE}.x", "Authorization: Bearer ***"),
        (f"the key sk-{NEEDLE}-x", "the key ***"),
        (f"host=h password='{NEEDLE} x' dbname=d", "host=h password=*** dbname=d"),
        ("http://host:8000/v1, 20:15 and row 3: a@b", "http://host:8000/v1, 20:15 and row 3: a@b"),
        ("postgresql://laud@host/d", "postgresql://laud@host/d"),
    ],
)
def test_what_is_shown_holds_no_secret(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_where_credentials_are_is_said_without_them() -> None:
    assert held_by(f"https://h/x?token={NEEDLE}") == "the parameter token"
    assert held_by("https://h/x?tokens_of=2&key_file=3") is None
    assert is_variable("MY_TEAMS_OPENAI_KEY_2")
    assert not is_variable("OPENAI-KEY")
    assert not is_variable("")
