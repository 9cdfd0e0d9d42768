"""Tables as Markdown, aligned so that they can be read as they are."""


def render(title, columns, rows):
    cells = [columns, *rows]
    widths = [max(len(str(r[i])) for r in cells) for i in range(len(columns))]
    numeric = [bool(rows) and all(not str(r[i]) or str(r[i])[0].isdigit() and " x " not in str(r[i]) for r in rows)
               for i in range(len(columns))]

    def line(row):
        return "| " + " | ".join(str(c).rjust(w) if n else str(c).ljust(w)
                                 for c, w, n in zip(row, widths, numeric)) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if n else "-") for w, n in zip(widths, numeric)) + "|"
    return "\n".join([f"### {title}", "", line(columns), rule, *map(line, rows)]) + "\n"


def header(machine, versions):
    m = machine
    return "\n".join([
        "# The race", "",
        f"{m['cpu']} (family/model/stepping {m['family_model_stepping']}), {m['cores']} cores, {m['threads']} threads, "
        f"{m['memory_gb']} GB; {' '.join(m['instruction_sets'])}; Linux {m['system']}", "",
        ", ".join(f"{k} {v}" for k, v in versions.items() if v), ""])


def skipped(parts):
    return "".join(f"\n{name} was skipped: {why}.\n" for name, why in parts.items())


def section(name, result, module):
    busy = f" The machine was busy: {result['busy']:.1f} cores before it began." if result["busy"] > 0.2 else ""
    hasty = " Few rounds (--quick)." if result["quick"] else ""
    lines = [f"## {name}", "",
             f"Measured {result['date']}, bert {result['bert']}, in {result['minutes']:.1f} minutes.{hasty}{busy}", ""]
    lines += [render(*t) for t in module.tables(result["results"])]
    if result["absent"]:
        lines += ["Absent:", ""]
        lines += [f"- {engine}: {why}" + f" ({', '.join(places)})" * bool(places)
                  for engine, reasons in result["absent"].items() for why, places in reasons.items()]
        lines += [""]
    return "\n".join(lines)
