"""What expressions of the template are worth: enough of Bicep for its arithmetic."""

import operator

from infra.check.syntax import arguments, children, properties, text
from infra.check.template import ROOT, Template

_OPERATORS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": lambda a, b: int(a / b),
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq,
}  # fmt: skip


class RefusedError(Exception):
    """The template has called `fail`."""


class Main:
    """main.bicep with these parameters, and the defaults of all others."""

    def __init__(self, **parameters):
        self.file = Template(ROOT / "infra").main
        self.given = parameters

    def value(self, name):
        """Return what a variable or parameter is worth."""
        if name in self.given:
            return self.given[name]
        return self._evaluate(children(self.file.declarations[name].node)[-1], {})

    def _evaluate(self, node, local):
        parts = children(node)
        worth = {
            "identifier": lambda: local[text(node)] if text(node) in local else self.value(text(node)),
            "number": lambda: int(text(node)),
            "boolean": lambda: text(node) == "true",
            "string": lambda: "".join(self._text(part, local) for part in parts),
            "array": lambda: [self._evaluate(part, local) for part in parts],
            "object": lambda: {name: self._evaluate(part, local) for name, part in properties(node).items()},
            "unary_expression": lambda: not self._evaluate(parts[0], local),
            "binary_expression": lambda: self._combine(node, local),
            "ternary_expression": lambda: self._evaluate(parts[1 if self._evaluate(parts[0], local) else 2], local),
            "member_expression": lambda: self._evaluate(parts[0], local)[text(parts[1])],
            "subscript_expression": lambda: self._evaluate(parts[0], local)[self._evaluate(parts[1], local)],
            "parenthesized_expression": lambda: self._evaluate(parts[0], local),
            "lambda_expression": lambda: self._evaluate(parts[1], local),  # its parameter is in `local`
            "call_expression": lambda: self._call(text(parts[0]), arguments(node), local),
        }
        return worth[node.type]()

    def _text(self, part, local):
        return str(self._evaluate(children(part)[0], local)) if part.type == "interpolation" else text(part)

    def _combine(self, node, local):
        left, right = children(node)
        sign = next(text(child) for child in node.children if not child.is_named)
        if sign in ("||", "&&"):
            first = self._evaluate(left, local)
            return first if first is (sign == "||") else self._evaluate(right, local)
        return _OPERATORS[sign](self._evaluate(left, local), self._evaluate(right, local))

    def _call(self, name, given, local):
        if name in ("filter", "map"):
            return self._each(name, given, local)
        values = [self._evaluate(each, local) for each in given]
        if name == "fail":
            raise RefusedError(values[0])
        functions = {
            "length": len, "min": min, "empty": lambda each: not each, "split": str.split,
            "contains": lambda where, what: what in where, "toLower": str.lower,
        }  # fmt: skip
        return functions[name](*values)

    def _each(self, name, given, local):
        collection, body = given
        first = body
        while first.type != "lambda_expression":  # the grammar ends some lambdas too early
            first = children(first)[0]
        parameter = text(children(first)[0])
        results = [
            (each, self._evaluate(body, {**local, parameter: each})) for each in self._evaluate(collection, local)
        ]
        return [each for each, kept in results if kept] if name == "filter" else [result for _, result in results]
