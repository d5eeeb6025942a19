"""What a search has asked for and been told, in one file that survives its machine.

store.py    Study: the file, its transactions, what they hold
schema.py   the tables, and whether a file is a study
rows.py     candidates and evaluations to rows and back
state.py    a searcher's state in rows
export.py   to CSV, Parquet and Optuna
"""

from fulmen.lazy import table_of_contents

__getattr__, __dir__, __all__ = table_of_contents(
    __name__,
    {
        "Study": "fulmen.study.store",
        "Told": "fulmen.study.store",
        "Transaction": "fulmen.study.store",
    },
)
