"""Reads a file of declared claims (TOML text) into typed claims, or says all that is wrong with it.

```toml
[[claim]]
key = "four-rise"
says = "Leakage rises in four of seven sources"
kind = "rises"
sources = "all"        # a list of keys, "all", or "rising"
exactly = 4            # leave out to claim it of every one of them
```

Kinds: rises, declines (at_least_pp, by = "net" | "peak"), flat (nothing found, and a change beyond
10 points excluded), transient, front_loaded (by_epoch, at_least), share (epoch, of = "peak" |
"rise", equals, tolerance), cosine_increases, cosine_decreases (beyond_scatter), predicts (y,
direction), correlates (y, rho, n, tolerance), same (metric, epoch, tolerance), value (metric,
persona, epoch, equals, tolerance), mechanism. Of any kind, a claim
whose words name a cause ("because", "raises") is *unsupported*.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tuilab.grid import toml
from tuilab.grid.text import nearest

Sources = list[str] | Literal["all", "rising"]


class ClaimsFileError(ValueError):
    """A claims file cannot be read; ``problems`` lists every reason at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Join the problems into one message."""
        self.problems = tuple(problems)
        super().__init__("The claims file cannot be used: " + "; ".join(problems) + ".")


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: str
    """Identifier, unique in the file."""
    says: str
    """The claim in words, as its author puts it."""


class _AboutSources(_Declared):
    sources: Sources = "all"
    """Whom it is claimed of."""
    exactly: int | None = Field(default=None, ge=0)
    """How many of them; None claims it of every one."""


class ChangeClaim(_AboutSources):
    """A source rises or declines, optionally by at least so many percentage points."""

    kind: Literal["rises", "declines"]
    at_least_pp: float | None = Field(default=None, ge=0, le=100)
    by: Literal["net", "peak"] = "net"


class ShapeClaim(_AboutSources):
    """A source is flat, or leaves its baseline and comes back."""

    kind: Literal["flat", "transient"]


class FrontLoadedClaim(_AboutSources):
    """At least this share of the rise is there by an epoch, and nothing significant follows."""

    kind: Literal["front_loaded"]
    by_epoch: int = Field(gt=0)
    at_least: float = Field(default=0.5, gt=0, le=1)


class ShareClaim(_AboutSources):
    """So many percent of the peak (or of the rise) are there at an epoch."""

    kind: Literal["share"]
    epoch: int = Field(gt=0)
    of: Literal["peak", "rise"] = "peak"
    equals: float
    tolerance: float = Field(default=0.5, ge=0)
    """Percentage points; a share printed without decimals is off by half of one."""


class CosineClaim(_AboutSources):
    """The cosine at the last epoch lies above or below the one at epoch 0."""

    kind: Literal["cosine_increases", "cosine_decreases"]
    beyond_scatter: bool = True
    """Whether a change no larger than the scatter between checkpoints counts as within noise."""


class PredictsClaim(_Declared):
    """The cosine at epoch 0 ranks sources like y does (Spearman, exact p below 0.05)."""

    kind: Literal["predicts"]
    x: Literal["cosine"] = "cosine"
    y: Literal["peak", "baseline", "rise", "net"]
    direction: Literal["positive", "negative"] | None = None


class CorrelatesClaim(_Declared):
    """Spearman's rho of the cosine at epoch 0 with y, over n sources, is a number."""

    kind: Literal["correlates"]
    x: Literal["cosine"] = "cosine"
    y: Literal["peak", "baseline", "rise", "net"]
    rho: float = Field(ge=-1, le=1)
    n: int = Field(ge=3)
    """Sources it was computed over."""
    tolerance: float = Field(default=0.005, ge=0)


class SameClaim(_Declared):
    """Sources have the same value at an epoch, within a tolerance (percent, or cosine units)."""

    kind: Literal["same"]
    sources: list[str] = Field(min_length=2)
    metric: Literal["cosine", "leakage"]
    epoch: int = Field(default=0, ge=0)
    tolerance: float | None = Field(default=None, ge=0)


class MechanismClaim(_Declared):
    """Why something is so: no kind of evidence here can show it, and the verdict says that."""

    kind: Literal["mechanism"]


class ValueClaim(_AboutSources):
    """A rate (percent) or a cosine equals a number at one epoch or at every epoch."""

    kind: Literal["value"]
    metric: Literal["cosine", "leakage"] = "leakage"
    persona: str | None = None
    """Evaluated persona for leakage: "source" is the source itself, None the target."""
    epoch: int | Literal["every"] = "every"
    equals: float
    tolerance: float | None = Field(default=None, ge=0)


DeclaredClaim = (
    ChangeClaim
    | ShapeClaim
    | FrontLoadedClaim
    | ShareClaim
    | CosineClaim
    | PredictsClaim
    | CorrelatesClaim
    | SameClaim
    | ValueClaim
    | MechanismClaim
)

_ADAPTER: Final[TypeAdapter[DeclaredClaim]] = TypeAdapter(
    Annotated[DeclaredClaim, Field(discriminator="kind")]
)
_MODELS: Final[tuple[type[BaseModel], ...]] = get_args(DeclaredClaim)


def parse(text: str) -> tuple[DeclaredClaim, ...]:
    """Parse the text of a claims file.

    Raises:
        ClaimsFileError: listing every problem, with the claim it is in and the nearest known key.
    """
    try:
        document = toml.loads(text)
    except toml.TOMLDecodeError as error:
        raise ClaimsFileError([f"it is not valid TOML: {error}"]) from error
    tables = document.pop("claim", [])
    problems = [
        f"unknown key {key!r}{_hint(key, ['claim', 'title'])}" for key in document if key != "title"
    ]
    if not isinstance(tables, list) or not tables:
        raise ClaimsFileError([*problems, "it has no [[claim]] table"])
    claims = [_claim(number, table, problems) for number, table in enumerate(tables, start=1)]
    known = [claim for claim in claims if claim is not None]
    keys = [claim.key for claim in known]
    problems += [f"key {key!r} is used twice" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if problems:
        raise ClaimsFileError(problems)
    return tuple(known)


def _claim(number: int, table: Any, problems: list[str]) -> DeclaredClaim | None:
    name = table.get("key", number) if isinstance(table, dict) else number
    try:
        return _ADAPTER.validate_python(table)
    except ValidationError as error:
        problems += [f"claim {name}: {_words(one)}" for one in error.errors()]
        return None


def _words(error: Any) -> str:
    """Say one pydantic error in our own words."""
    place = [part for part in error["loc"] if isinstance(part, str)]
    key = place[1] if len(place) > 1 else ""
    match error["type"]:
        case "union_tag_invalid":
            kind = error["ctx"]["tag"]
            return f"unknown kind {kind!r}{_hint(kind, _kinds())}"
        case "union_tag_not_found":
            return f"kind is missing; use one of {', '.join(_kinds())}"
        case "extra_forbidden":
            fields = [
                name for model in _MODELS if place[0] in _tags(model) for name in model.model_fields
            ]
            return f"unknown key {key!r}{_hint(key, fields)}"
        case "missing":
            return f"{key} is missing"
    message = str(error["msg"])
    return f"{key}: {message[:1].lower()}{message[1:]}"


def _kinds() -> list[str]:
    return [tag for model in _MODELS for tag in _tags(model)]


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    return get_args(model.model_fields["kind"].annotation)


def _hint(word: str, known: Sequence[str]) -> str:
    return nearest(word, known) or f" (use one of {', '.join(known)})"
