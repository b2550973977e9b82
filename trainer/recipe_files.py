"""Recipes as they are written down: a person's own file, and what was saved with a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from loop.errors import BadRequest
from trainer.nearest import LONGEST_WORD, meant
from trainer.preparation import preparation_from_dict
from trainer.recipes import DEFAULT_RECIPE, RECIPES, Recipe, find_recipe

AUTO = "auto"
EXAMPLE = '{"like": "fast", "name": "thin veins", "loss": "dice"}'


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a JSON file: all its fields, or "like" with the name of another and what differs.

    Raises BadRequest for a file that is none, and as `recipe_from_dict` does.
    """
    values = _read_object(path)
    if "like" not in values:
        return _sensible(recipe_from_dict(values), values)
    like = values.pop("like")
    if not isinstance(like, str):
        need = f"the name of one of {', '.join(RECIPES)}"
        raise BadRequest(
            f'"like": {str(like)[:LONGEST_WORD]} in a recipe', need, f"write it such as {EXAMPLE}"
        )
    return _sensible(recipe_from_dict(find_recipe(like).to_dict() | values), values)


def resolve_recipe(project: Mapping[str, Any], recipe: str, size: int) -> Recipe:
    """Tell which recipe a project's rounds train by, from the project's settings and, for what these leave
    open, a recipe's name and size; "auto" is the one that is best with few labels, a size of 0 its own.

    A project may also hold a whole recipe, which says its size itself. Raises BadRequest for an unknown or
    impossible one.
    """
    wanted = project.get("recipe") or recipe
    if isinstance(wanted, Mapping):
        return recipe_from_dict(wanted)
    found = find_recipe(DEFAULT_RECIPE if wanted == AUTO else str(wanted))
    side = int(project.get("size") or size)
    return replace(found, size=side) if side else found


def recipe_from_dict(values: Mapping[str, Any]) -> Recipe:
    """Read what `Recipe.to_dict` wrote, now or in an older version: fields that did not exist then take their
    defaults. Raises BadRequest for unknown or missing keys and impossible values.
    """
    if not isinstance(values, Mapping):
        raise _no_object(values)
    known = [field.name for field in fields(Recipe)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        todo = meant(unknown[0], known, "leave it out; docs/recipes.md says what each field is for")
        said = ", ".join(each[:LONGEST_WORD] for each in unknown[:5])
        raise BadRequest(f"unknown recipe keys {said}", f"some of {', '.join(sorted(known))}", todo)
    missing = [each.name for each in fields(Recipe) if each.default is MISSING and each.name not in values]
    if missing:
        todo = f"add them, or name a recipe that has the rest, as in {EXAMPLE}"
        raise BadRequest(f"an incomplete recipe, without {', '.join(missing)}", "each of them", todo)
    preparation = preparation_from_dict(values.get("preparation", {}))
    return Recipe(**{**values, "preparation": preparation})


def _sensible(recipe: Recipe, written: Mapping[str, Any]) -> Recipe:
    """Give it back. Raises BadRequest where two of its numbers contradict each other. Only of what a person
    writes: what was kept before this was looked at must go on.
    """
    if recipe.min_epochs > recipe.epochs and (recipe.steps or "min_epochs" in written):
        got = f"min_epochs {recipe.min_epochs} above epochs {recipe.epochs} in a recipe"
        todo = f'write both, such as {{"epochs": {recipe.epochs}, "min_epochs": {min(4, recipe.epochs)}}}'
        raise BadRequest(got, "epochs of at least min_epochs", todo)
    return recipe


def _read_object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_key_once)
    except OSError as exc:
        got = f"a recipe file that cannot be opened ({exc.strerror})"
        raise BadRequest(got, "a JSON file that this program may read", "check its path") from exc
    except json.JSONDecodeError as exc:
        got = f"a recipe file that is no JSON, from line {exc.lineno}, character {exc.colno} on"
        todo = f"look there for a comma, quote or bracket that is missing or too many; {EXAMPLE} would do"
        raise BadRequest(got, "JSON", todo) from exc
    except UnicodeDecodeError as exc:
        raise BadRequest(
            "a recipe file that is no UTF-8 text", "JSON", "save it as plain text, UTF-8"
        ) from exc
    except (ValueError, RecursionError) as exc:
        got = "a recipe file with a number too long or brackets too deep to be read"
        raise BadRequest(got, "the fields that docs/recipes.md lists", f"begin with {EXAMPLE}") from exc
    if not isinstance(values, dict):
        raise _no_object(values)
    return values


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets the last of two equal keys count, which is not what whoever changed the first one expects."""
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            got = f"a recipe with {keys.count(key)} values for {key[:LONGEST_WORD]!r}"
            raise BadRequest(got, "each key once", "leave the one that shall hold, and take the others out")
    return dict(pairs)


def _no_object(values: object) -> BadRequest:
    kinds = {list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return BadRequest(
        f"a recipe that is {kinds.get(type(values), 'a number')}",
        "fields in braces",
        f"write it such as {EXAMPLE}",
    )
