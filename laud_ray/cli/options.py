"""Options that several commands have."""

import click


class Share(click.ParamType[float]):
    """A share of a whole: 5% or 0.05."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        said = str(value).strip()
        try:
            share = float(said.removesuffix("%")) / (100 if said.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 < share <= 1:
            self.fail(f"{said!r}: expected a share above 0 and up to 1, such as 5% or 0.05", param, ctx)
        return share


SHARE = Share()
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
