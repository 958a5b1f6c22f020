"""Named tokens with roles."""

import logging
from pathlib import Path

import pytest

from laud_ray.errors import ConfigError
from laud_ray.people import tokens
from laud_ray.people.tokens import Person, PersonTokens

GOOD = "# the team\n\nann:annotator:aaa\n bob : adjudicator : b:b \nboss:owner:ooo\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "tokens").write_text(GOOD)
    return tmp_path / "tokens"


def test_a_token_is_a_person_with_a_role(file: Path) -> None:
    known = PersonTokens(str(file))
    assert known.person("Bearer aaa") == Person("ann", "annotator")
    assert known.person("bearer  b:b ") == Person("bob", "adjudicator")
    for nobody in (None, "", "Bearer", "Bearer ", "Bearer AAA", "Basic aaa", "aaa", "Bearer aaa b:b", "Bearer \u00e9"):
        assert known.person(nobody) is None
    assert [Person("x", role).adjudicates for role in tokens.ROLES] == [False, True, True]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ann:annotator", "line 6: has 2 of 3 parts; expected NAME:ROLE:TOKEN"),
        ("secret", "line 6: has 1 of 3 parts"),
        ("zoe:boss:zzz", "line 6: the role 'boss' is not valid; expected one of annotator, adjudicator, owner"),
        ("Ann:annotator:zzz", "line 6: 'Ann' is a duplicate name"),
        ("zoe:annotator:aaa", "line 6: 'zoe' has the token of another line"),
        (":annotator:zzz", "line 6: the name '' is not valid"),
        ("zo\x07e:annotator:zzz", "line 6: the name 'zo\\x07e' is not valid"),
        ("zoe:annotator:", "line 6: the token of 'zoe' is not valid"),
        ("zoe:annotator:z z", "line 6: the token of 'zoe' is not valid"),
    ],
)
def test_a_line_that_is_not_valid_is_named_and_no_secret_is_shown(file: Path, line: str, said: str) -> None:
    file.write_text(GOOD + line)
    with pytest.raises(ConfigError) as error:
        PersonTokens(str(file))
    assert said in str(error.value)
    assert not any(secret in str(error.value) for secret in ("secret", "zzz", "z z", "aaa"))
    assert "\n" not in str(error.value)


def test_a_file_that_holds_nobody_or_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nobody\n")
    (tmp_path / "latin").write_bytes(b"zo\xeb:annotator:zzz")
    for name, said in (("empty", "holds no token"), ("absent", "No such file"), ("latin", "is not UTF-8")):
        with pytest.raises(ConfigError, match=said):
            PersonTokens(str(tmp_path / name))


def test_the_file_is_read_again_when_it_changes_and_a_mistake_in_it_locks_nobody_out(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tokens, "LOOK_EVERY", 0.0)
    known = PersonTokens(str(file))
    file.write_text("zoe:annotator:zzz\n")
    assert known.person("Bearer zzz") == Person("zoe", "annotator")
    assert known.person("Bearer aaa") is None
    file.write_text("zoe:king:zzz\n")
    with caplog.at_level(logging.WARNING):
        assert known.person("Bearer zzz") == Person("zoe", "annotator")
        assert known.person("Bearer zzz") == Person("zoe", "annotator")
    assert caplog.text.count("the role 'king' is not valid") == 1
    file.unlink()
    assert known.person("Bearer zzz") == Person("zoe", "annotator")
    file.write_text("ann:owner:aaa\n")
    assert known.person("Bearer zzz") is None
    assert known.person("Bearer aaa") == Person("ann", "owner")
