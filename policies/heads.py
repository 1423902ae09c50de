"""What a rule speaks of, read from the rule: which actions and services by its head, which facts by its conditions."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

from cedarpy import pst


def covers(policy: pst.Template, action: frozenset[str], service: str) -> bool:
    """Tell whether a rule's head speaks of an action (its name and groups) and a service."""
    return action_covers(policy.action, action) and service_of(policy.resource) in ("", service)


def action_covers(scope: pst.ActionConstraint, action: frozenset[str]) -> bool:
    """Tell whether the action part of a rule's head speaks of an action (its name and groups)."""
    match scope:
        case pst.ActionEq(entity):
            return entity.id in action
        case pst.ActionIn(entities):
            return any(entity.id in action for entity in entities)
        case _:
            return True


def service_of(scope: pst.PrincipalOrResourceConstraint) -> str:
    """Return the only service that the resource part of a rule's head speaks of; empty: it speaks of all."""
    match scope:
        case pst.ScopeEq(pst.EntityUid(_, name)):
            return str(name)
        case _:
            return ""


def mentions(policy: pst.Template, variable: str) -> frozenset[str] | None:
    """Return the attributes of a variable that a rule can look at; None where it takes the variable as a whole."""
    found: set[str] = set()
    whole = any(_taken_whole(clause.expr, variable, found) for clause in policy.clauses)
    return None if whole else frozenset(found)


def _taken_whole(node: object, variable: str, found: set[str]) -> bool:
    """Collect the attributes of a variable under a node; True where it stands anywhere without one."""
    match node:
        case pst.GetAttr(pst.Var(name), attr) if name == variable:
            found.add(attr)
            return False
        case pst.Var(name):
            return name == variable
        case tuple():
            parts = list(node)
        case Mapping():
            parts = list(node.values())
        case _ if is_dataclass(node):
            parts = [getattr(node, each.name) for each in fields(node)]
        case _:
            return False
    return any(_taken_whole(part, variable, found) for part in parts)
