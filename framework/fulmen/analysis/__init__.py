"""Analyzers and what they give back: the contract, and a report as files.

contract.py   Analyzer, AnalysisContext
report.py     Report: what an analysis found; saved and loaded as a folder
page.py       the self-contained page that a report becomes
"""

from fulmen.lazy import table_of_contents

__getattr__, __dir__, __all__ = table_of_contents(
    __name__,
    {
        "Analyzer": "fulmen.analysis.contract",
        "AnalysisContext": "fulmen.analysis.contract",
        "Report": "fulmen.analysis.report",
    },
)
