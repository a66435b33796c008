"""Print what is wrong with the template; with `--write`, make the files of infra/monitoring anew."""

import sys
from collections.abc import Callable, Iterator

from infra.check import contract, environment, members, monitoring, resources, symbols
from infra.check.syntax import Finding
from infra.check.template import ROOT, Template

CHECKS: tuple[Callable[[Template], Iterator[Finding]], ...] = (
    symbols.check_symbols,
    symbols.check_defaults,
    members.check_members,
    members.check_loaded,
    resources.check_resources,
    environment.check_parameters,
    environment.check_azd,
    environment.check_script,
    environment.check_flex,
    environment.check_network,
    contract.check_settings,
    contract.check_functions,
    contract.check_roles,
    contract.check_scopes,
    contract.check_closed,
    contract.check_leases,
    contract.check_sizes,
    monitoring.check_monitoring,
)


def check(template: Template) -> list[Finding]:
    """Return everything that is wrong; only the syntax, if that is wrong."""
    broken = [finding for file in template.files.values() for finding in file.check_syntax()]
    return sorted(set(broken or [finding for run in CHECKS for finding in run(template)]))


def write() -> None:
    """Make the files of infra/monitoring."""
    folder = ROOT / "infra" / "monitoring"
    folder.mkdir(exist_ok=True)
    for name, content in monitoring.make_files().items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        write()
    findings = check(Template(ROOT / "infra"))
    print("\n".join(map(str, findings)) or "The template is as the app and Azure's types want it.")
    sys.exit(bool(findings))
