"""Where a report goes: its folder, the run's loggers, the terminal, the index of all runs.

delivery.py     deliver: all of it, in this order
loggers.py      TensorBoard and whatever else the run logs to
terminal.py     the summary for people
index.py        index.html, which links every report below a folder
growing.py      the front of a search while it grows
provenance.py   versions, and configurations without their secrets
"""

from fulmen.lazy import table_of_contents

__getattr__, __dir__, __all__ = table_of_contents(
    __name__,
    {
        "deliver": "fulmen.reports.delivery",
        "log_report": "fulmen.reports.loggers",
        "print_summary": "fulmen.reports.terminal",
        "redact": "fulmen.reports.provenance",
        "versions": "fulmen.reports.provenance",
        "write_index": "fulmen.reports.index",
    },
)
