"""Measuring an experiment from files: what is added up, what is shown, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.audience import totals
from laud_ray.audience.columns import Names
from laud_ray.audience.measure import measure
from laud_ray.audience.verdict import dilution, verdict
from laud_ray.errors import CorpusError
from laud_ray.types import Estimate
from tests.commands import laud
from tests.experiments import draw

EXAMPLE = str(Path(__file__).parents[3] / "examples" / "audience" / "exposures.parquet")
HEAD = "user,arm,impressions,clicks"


def table(n: int = 3000, *, lift: float = 0.5, seed: int = 0) -> pa.Table:
    users = draw(n, lift=lift, seed=seed)
    return pa.table(
        {
            "user": [f"u{i}" for i in range(n)],
            "arm": np.where(users.treated, "new", "old"),
            "impressions": users.impressions,
            "clicks": users.clicks,
            "pre_impressions": users.pre_impressions,
            "pre_clicks": users.pre_clicks,
            "segment": np.where(np.arange(n) % 3, "phone", "desktop"),
        }
    )


def write(folder: Path, rows: pa.Table, name: str = "exposures.parquet") -> str:
    pq.write_table(rows, folder / name)
    return str(folder / name)


def lines(folder: Path, *rows: str, head: str = HEAD, name: str = "exposures.csv") -> str:
    """Write a CSV with given rows behind those of 200 users of two arms."""
    good = [f"g{i},{'old' if i % 2 else 'new'},10,{1 + i // 2 % 5}" for i in range(200)] if head == HEAD else []
    (folder / name).write_text("\n".join([head, *good, *rows]) + "\n")
    return str(folder / name)


def test_the_example_shows_its_effect() -> None:
    found = measure(EXAMPLE)
    assert (found.control.name, found.treatment.name) == ("old", "new")
    assert found.control.users + found.treatment.users == 6000
    assert found.adjusted is not None
    assert found.relative.value == pytest.approx(0.2410144067723734)
    assert found.relative.low < 0.4 < found.relative.high
    assert verdict(found).startswith("new has a higher click-through rate than old: +24.1 %")
    assert [one.name for one in found.segments] == ["phone", "desktop", "tablet"]
    assert found.notes == ()


def test_rows_of_a_user_are_added_up_in_any_order_file_and_format(tmp_path: Path) -> None:
    rows = table().select(["user", "arm", "impressions", "clicks"])
    whole = measure(write(tmp_path, rows))
    split = tmp_path / "split"
    split.mkdir()
    clicks = pa.table({**{k: rows[k] for k in ("user", "arm", "clicks")}, "impressions": pa.array([0] * 3000)})
    first = pa.table({**{k: rows[k] for k in ("user", "arm", "impressions")}, "clicks": pa.array([0] * 3000)})
    write(split, first.take(pa.array(np.random.default_rng(1).permutation(3000))), "a.parquet")
    text = clicks.select(["arm", "clicks", "user", "impressions"]).to_pylist()
    (split / "b.csv").write_text(
        "arm;clicks;user;impressions\n" + "".join(";".join(map(str, r.values())) + "\n" for r in text)
    )
    found = measure(str(split))
    assert (found.plain, found.rows, whole.rows) == (whole.plain, 6000, 3000)
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))
    assert measure(str(tmp_path / "c.jsonl")).plain == whole.plain


def test_users_are_added_up_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table()
    test = write(tmp_path, pa.concat_tables([rows, rows.slice(500)]).drop_columns(["pre_impressions", "pre_clicks"]))
    pre = write(tmp_path, rows.select(["user", "pre_impressions", "pre_clicks"]), "pre.parquet")
    whole = measure(test, pre=pre)
    monkeypatch.setattr(totals, "PART_BYTES", 500)
    assert measure(test, pre=pre) == whole


@pytest.mark.parametrize("kind", [pa.int32(), pa.uint64(), pa.float64(), pa.string(), pa.decimal128(30, 2)])
def test_columns_of_every_type_give_the_same(kind: pa.DataType, tmp_path: Path) -> None:
    rows = table().drop_columns(["segment"])
    whole = measure(write(tmp_path, rows))
    for name in ("impressions", "clicks"):
        rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(kind))
    rows = rows.set_column(1, "arm", rows["arm"].dictionary_encode())
    assert measure(write(tmp_path, rows, "other.parquet")).plain == whole.plain


def test_arms_may_be_folders(tmp_path: Path) -> None:
    rows = table().drop_columns(["segment"])
    whole = measure(write(tmp_path, rows))
    for arm in ("old", "new"):
        (tmp_path / "by" / f"arm={arm}").mkdir(parents=True)
        part = rows.filter(pa.array([one == arm for one in rows["arm"].to_pylist()])).drop_columns(["arm"])
        write(tmp_path / "by" / f"arm={arm}", part)
    assert measure(str(tmp_path / "by")).plain == whole.plain


def test_the_period_before_may_be_another_file(tmp_path: Path) -> None:
    rows = table()
    whole = measure(write(tmp_path, rows))
    test = write(tmp_path, rows.select(["user", "arm", "impressions", "clicks"]), "test.parquet")
    pre = rows.select(["user", "pre_impressions", "pre_clicks"])
    assert measure(test, pre=write(tmp_path, pre, "pre.parquet")).adjusted == whole.adjusted
    twice = pa.table({"user": [*pre["user"].to_pylist(), "someone else"]})
    twice = twice.append_column("impressions", pa.array([*pre["pre_impressions"].to_pylist(), 5]))
    twice = twice.append_column("clicks", pa.array([*pre["pre_clicks"].to_pylist(), 5]))
    found = measure(test, pre=write(tmp_path, twice, "more.parquet"))
    assert found.adjusted == whole.adjusted
    assert "1 users of the period before the test are not in it" in found.notes[-1]
    assert measure(test).adjusted is None
    with pytest.raises(CorpusError, match="not both"):
        measure(write(tmp_path, rows), pre=str(tmp_path / "more.parquet"))


def test_the_control_is_known_by_its_name_or_stated(tmp_path: Path) -> None:
    rows = table()
    path = write(tmp_path, rows)
    other = measure(path, control="new")
    assert (other.control.name, other.relative.value < 0) == ("new", True)
    assert verdict(other).startswith("old has a lower click-through rate than new")
    named = rows.set_column(1, "arm", pa.array([{"old": "x", "new": "y"}[one] for one in rows["arm"].to_pylist()]))
    with pytest.raises(CorpusError, match=r"which of the arms 'x', 'y' is the control is not clear"):
        measure(write(tmp_path, named, "named.parquet"))
    assert measure(str(tmp_path / "named.parquet"), control="x").plain == measure(path).plain
    with pytest.raises(CorpusError, match="--control: 'z' is not valid; expected an arm of"):
        measure(path, control="z")


def test_an_a_a_test_shows_nothing_and_says_what_it_could_have_seen(tmp_path: Path) -> None:
    found = measure(write(tmp_path, table(lift=0.0, seed=3)))
    assert found.smallest is not None
    assert verdict(found).startswith("No difference between new and old is shown")
    assert f"A true lift of +{100 * found.smallest:.1f} % would have been found" in verdict(found)


def test_a_precision_gives_what_an_audience_without_errors_would(tmp_path: Path) -> None:
    path = write(tmp_path, table())
    found = measure(path, precision=Estimate(0.8, 0.7, 0.9, 100))
    assert found.undiluted is not None
    assert found.undiluted.value == pytest.approx(found.relative.value / 0.8)
    said = dilution(found)
    assert said is not None
    assert said.startswith("At a precision of 80.0 % [70.0, 90.0], 20.0 % of the audience does not belong to it.")
    assert dilution(measure(path)) is None


def test_segments_have_adjusted_p_and_reasons(tmp_path: Path) -> None:
    rows = table(6000)
    names = ["few" if i < 20 else None if i < 2000 else "most" for i in range(6000)]
    arms = rows["arm"].to_pylist()
    rows = rows.set_column(rows.column_names.index("segment"), "segment", pa.array(names))
    found = measure(write(tmp_path, rows))
    by_name = {one.name: one for one in found.segments}
    assert set(by_name) == {"few", None, "most"}
    assert (by_name["few"].lift, by_name["few"].why) == (None, "too few clicks")
    p, adjusted = by_name["most"].lift, by_name["most"].p_adjusted
    assert p is not None
    assert adjusted is not None
    assert adjusted >= p.p
    caused = ["stayed" if arm == "new" and i % 2 else "left" for i, arm in enumerate(arms)]
    rows = rows.set_column(rows.column_names.index("segment"), "segment", pa.array(caused))
    assert {one.why for one in measure(write(tmp_path, rows)).segments} == {"too few clicks", "sample-ratio mismatch"}


def test_a_user_with_a_large_share_is_named(tmp_path: Path) -> None:
    path = lines(tmp_path, "robot,new,500,200")
    assert any("one user has 33% of the impressions of new" in note for note in measure(path).notes)


def test_a_difference_before_the_test_is_named(tmp_path: Path) -> None:
    rows = table(4000)
    more = [
        min(c + 3 * (arm == "new"), n)
        for c, n, arm in zip(*(rows[k].to_pylist() for k in ("pre_clicks", "pre_impressions", "arm")), strict=True)
    ]
    rows = rows.set_column(rows.column_names.index("pre_clicks"), "pre_clicks", pa.array(more))
    assert any("differed already before the test" in note for note in measure(write(tmp_path, rows)).notes)


def test_users_without_impressions_count_in_the_test_of_assignment(tmp_path: Path) -> None:
    path = lines(tmp_path, *(f"z{i},{'old' if i % 2 else 'new'},0,0" for i in range(100)))
    assert measure(path).control.users == 150


BAD = [
    ("u1,old,5", "line 202"),
    ("u1,old,x,1", "row 201: the column 'impressions' holds 'x'; expected a whole number"),
    ("u1,old,5,-1", "row 201: the column 'clicks' holds '-1'; expected a whole number"),
    ("u1,old,5,0.5", "row 201: the column 'clicks' holds '0.5'"),
    ("u1,old,5,nan", "row 201: the column 'clicks' holds 'nan'"),
    ("u1,old,inf,1", "row 201: the column 'impressions' holds 'inf'"),
    ("u1,old,1e30,1", "row 201: the column 'impressions' holds '1e30'"),
    ("u1,old,99999999999999999999,1", "row 201: the column 'impressions' holds"),
    ("u1,old,,1", "row 201: the column 'impressions' is empty"),
    ("u1,old,5,", "row 201: the column 'clicks' is empty"),
    (",old,5,1", "row 201: the column 'user' is empty"),
    ("u1,,5,1", "row 201: the column 'arm' is empty"),
    ("u1,old,1,2", "the user 'u1' has 2 clicks and 1 impressions; expected at most one click"),
    ("g0,old,5,1", "the user 'g0' is in the arms 'new' and 'old'; expected each user in one arm"),
    ("u1,other,5,1", "has 3 arms, 'new', 'old', 'other'; expected two"),
]


@pytest.mark.parametrize(("row", "message"), BAD)
def test_a_bad_row_is_one_line(row: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lines(tmp_path, row)
    assert laud("audience", "measure", path) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    if "line" not in message:
        assert message in err


def test_without_arms_it_is_selection_and_not_an_effect(tmp_path: Path) -> None:
    path = lines(tmp_path, "u1,5,1", head="user,impressions,clicks")
    with pytest.raises(CorpusError, match=r"no column 'arm'; .* one of selection, not an effect"):
        measure(path)


def test_a_sample_ratio_mismatch_shows_no_lift(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lines(tmp_path, *(f"m{i},new,10,3" for i in range(120)))
    assert laud("audience", "measure", path, "--json") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "old has 100 users and new 220, where 1:1 was intended (p = 2e-11)" in err
    assert "do not hold comparable people, so no lift is shown" in err
    assert measure(path, ratio=(100, 220)).treatment.users == 220


def test_too_few_clicks_show_nothing(tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(
        "\n".join([HEAD, *(f"u{i},{'a' if i % 2 else 'b'},10,{int(i < 99)}" for i in range(300))])
    )
    with pytest.raises(CorpusError, match="has 99 clicks, .*; expected at least 100"):
        measure(str(tmp_path / "few.csv"))
    (tmp_path / "one.csv").write_text(
        "\n".join([HEAD, *(f"u{i},{'a' if i % 2 else 'b'},10,{i % 2}" for i in range(300))])
    )
    with pytest.raises(CorpusError, match="b has 0 clicks of 150 users, .* expected at least 10 clicks in each arm"):
        measure(str(tmp_path / "one.csv"))


def test_users_without_differences_show_nothing(tmp_path: Path) -> None:
    (tmp_path / "same.csv").write_text("\n".join([HEAD, *(f"u{i},{'a' if i % 2 else 'b'},10,5" for i in range(300))]))
    with pytest.raises(CorpusError, match="all users of an arm have the same click-through rate"):
        measure(str(tmp_path / "same.csv"))


def test_the_test_is_not_its_own_period_before(tmp_path: Path) -> None:
    path = write(tmp_path, table().select(["user", "arm", "impressions", "clicks"]))
    with pytest.raises(CorpusError, match="explains 100.0% of the variance, as only the test itself does"):
        measure(path, pre=path)


def test_one_arm_is_no_experiment(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(f"{HEAD}\nu1,old,5,1\n")
    with pytest.raises(CorpusError, match="has users in the arm 'old' only; expected two arms"):
        measure(str(tmp_path / "one.csv"))
    (tmp_path / "none.csv").write_text(f"{HEAD}\n")
    with pytest.raises(CorpusError, match="has no rows"):
        measure(str(tmp_path / "none.csv"))


def test_a_users_properties_are_the_same_in_all_rows(tmp_path: Path) -> None:
    rows = [f"u{i},{'old' if i % 2 else 'new'},10,{1 + i // 2 % 5},x,5,1" for i in range(200)]
    head = f"{HEAD},segment,pre_impressions,pre_clicks"
    with pytest.raises(CorpusError, match="the user 'u0' is in the segments 'x' and 'y'"):
        measure(lines(tmp_path, *rows, "u0,new,1,0,y,5,1", head=head))
    with pytest.raises(CorpusError, match="the user 'u0' has several values of pre_impressions or pre_clicks"):
        measure(lines(tmp_path, *rows, "u0,new,1,0,x,6,1", head=head))
    with pytest.raises(CorpusError, match="the user 'u0' has 7 clicks and 5 impressions before the test"):
        measure(
            lines(tmp_path, *(row.replace(",5,1", ",5,7") if row.startswith("u0,") else row for row in rows), head=head)
        )


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    rows = table().select(["user", "arm", "impressions", "clicks"]).rename_columns(["who", "group", "shown", "hit"])
    path = write(tmp_path, rows)
    assert measure(path, names=Names("who", "group", "shown", "hit")).control.users > 1000
    with pytest.raises(CorpusError, match="no column 'user'"):
        measure(path, names=Names(arm="group"))


def test_a_segment_with_too_many_values_is_refused(tmp_path: Path) -> None:
    rows = table(11_000)
    with pytest.raises(CorpusError, match="the column 'user' holds more than 10,000 values"):
        measure(write(tmp_path, rows), names=Names(segment="user"))
