"""Which findings a baseline command is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.baseline_book import Project, Seen
from jupyter_qguard.cli.baseline_entry import pick
from jupyter_qguard.cli.report import ACTIONS
from jupyter_qguard.cli.report_text import place as place_of
from jupyter_qguard.errors import InputError
from jupyter_qguard.messages import count


def groups(project: Project, fail_on: str, *, everything: bool = False) -> Iterator[tuple[Seen, list[int]]]:
    """Yield each different value once, with the numbers of its findings in the first file that holds it."""
    least, known = ACTIONS.index(fail_on), set()
    for seen in project.seen:
        numbers = [n for n, item in seen.numbered() if item.action >= least or (everything and item.exemption)]
        for value, same in pick(seen, numbers).items():
            if value not in known:
                known.add(value)
                yield seen, same


def chosen(
    project: Project, rule: str | None, cell: str | None, field: str | None, line: int | None, finding: str | None
) -> tuple[Seen, int]:
    """Return the one value that the options describe. Raises InputError for none or several."""
    if not project.seen:
        raise InputError("Nothing was found in this file.", "`qguard scan` shows what there is.")
    seen = project.seen[0]
    ids = {item.finding.address.cell_id for _, item in seen.numbered()}

    def fits(number: int) -> bool:
        found = seen.look.decision.judged[number].finding
        where = found.address
        shown_cell = where.cell_id if cell in ids else str((where.cell_index or 0) + 1)
        named = finding is None or finding == f"f{number + 1}" or _starts(found.fingerprint, finding)
        return (
            named
            and rule in (None, found.rule.id)
            and (cell is None or (where.cell_index is not None and cell == shown_cell))
            and field in (None, where.field)
            and line in (None, found.line)
        )

    groups = pick(seen, [number for number, _ in seen.numbered() if fits(number)])
    if not groups:
        raise InputError("No finding in this file is described by these options.", "`qguard scan` shows what there is.")
    if len(groups) > 1:
        for numbers in groups.values():
            exits.say(place(seen, numbers))
        raise InputError(f"{len(groups)} different values are described by these options.", "Add --line or --finding.")
    return seen, next(iter(groups.values()))[0]


def _starts(fingerprint: str, text: str) -> bool:
    return len(text) >= 8 and not fingerprint.startswith("00000000") and fingerprint.startswith(text.lower())


def place(seen: Seen, numbers: Sequence[int]) -> str:
    """Return ``a.ipynb  cell 3 (ab12) source 2:14  rule  redact (and 2 more places)``."""
    row = seen.look.findings[numbers[0]]
    more = f"  (and {count(len(numbers) - 1, 'more place')} in it)" if len(numbers) > 1 else ""
    return f"{seen.label}  {place_of(row)}  {row['rule']}  {row['action']}{more}"
