"""Analyzers and what they give back: the contract, and a report as files.

contract.py       Analyzer, AnalysisContext
report.py         Report: what an analysis found
report_files.py   a report as a folder, and back
tables.py         a table as CSV, and back
arrays.py         arrays as .npz, and back
figures.py        a house style for figures, and figures as pictures
formatting.py     numbers and tables as people read them
page.py           the self-contained page that a report becomes
"""

from fulmen.lazy import table_of_contents

__getattr__, __dir__, __all__ = table_of_contents(
    __name__,
    {
        "Analyzer": "fulmen.analysis.contract",
        "AnalysisContext": "fulmen.analysis.contract",
        "Report": "fulmen.analysis.report",
        "new_figure": "fulmen.analysis.figures",
    },
)
