# SPDX-License-Identifier: BSD-2-Clause
"""Make the table of tests/net/lab_table_test.cpp, networks by engines, from its lines LAB\\t..."""


def cells(output):
    """(number, network, engine, family, value) of each such line in a program's output."""
    found = [line.split("\t") for line in output.splitlines() if line.startswith("LAB\t")]
    return [(int(fields[1]), *fields[2:]) for fields in found if len(fields) == 6]


def text(found):
    """The table as text; a cell has both families if they differ."""
    by_cell, rows, engines = {}, [], []
    for _, network, engine, family, value in sorted(found):
        by_cell.setdefault((network, engine), {})[family] = value
        if network not in rows:
            rows.append(network)
        if engine not in engines:
            engines.append(engine)
    lines = [["network", *(f"--engine {engine}" for engine in engines)]]
    for network in rows:
        lines.append([network, *(one(by_cell.get((network, e), {})) for e in engines)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "".join("  ".join(f.ljust(w) for f, w in zip(line, widths)).rstrip() + "\n"
                   for line in lines)


def one(values):
    """A cell's text: one value if IPv4 and IPv6 agree, otherwise both."""
    if not values:
        return "no result"
    if len(values) == 2 and len(set(values.values())) == 1:
        return next(iter(values.values()))
    return ", ".join(f"{family}: {value}" for family, value in sorted(values.items()))
