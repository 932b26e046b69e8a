"""Replacements of what hosts disclose (`host_facts.value`), each by the kind that its fact has."""

from rustnet.policy.redaction import Method, Redactor
from rustnet.records import Kind
from rustnet.store.meanings import FACT_VALUE, kind_of_fact


def by_fact(redactor: Redactor, table: str, column: str) -> bool:
    """Whether values of this column are replaced by what each of them is, and not by the policy's own for it."""
    return (table, column) == FACT_VALUE and f"{table}.{column}" not in redactor.policy.columns


def replaced_fact(redactor: Redactor, value: str | None, fact: str | None, source: str | None) -> str | None:
    """Replacement of a value."""
    if value is None:
        return None
    kind, name = kind_of_fact(fact or "", source or "")
    if kind is Kind.NUMBER and redactor.method(kind) is Method.KEEP and value.isdecimal():
        return value  # the column is one of texts, where a number would not stay
    return str(redactor.value(kind, value, name))
