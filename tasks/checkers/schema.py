"""Whether a JSON value fits a JSON Schema; nothing is ever fetched for it.

By itself the library opens what a `$ref` names, whatever its address; a question set would say
then what this machine asks of which host.
"""

from __future__ import annotations

from typing import Any

from .finding import Finding


def misfit(schema: Any, found: Any) -> Finding | None:
    """What a JSON Schema has against a value; None where it fits.

    A `$ref` may name a place in the schema itself or a published version of JSON Schema. One
    that names anything else leaves the value undecided.
    """
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY
    from referencing.exceptions import PointerToNowhere, Unresolvable

    try:
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
        # With a registry of our own nothing beside it is looked up.
        error = best_match(kind(schema, registry=REGISTRY).iter_errors(found))
    except Unresolvable as unknown:
        inside = isinstance(unknown.__cause__, PointerToNowhere) or str(unknown.ref).startswith(("#", "/"))
        remedy = "it is not there" if inside else "nothing is fetched; put it under $defs"
        return Finding("undecided", None, f"the schema refers to {str(unknown.ref)[:100]!r}: {remedy}")
    except SchemaError as wrong:
        return Finding("undecided", None, f"the schema is none: {wrong.message[:200]}")
    except Exception as trouble:  # no schema at all, or one that refers to itself for ever
        return Finding("undecided", None, f"the schema cannot be used: {type(trouble).__name__}")
    return Finding("wrong", None, f"does not fit the schema: {error.message[:200]}") if error else None
