"""Where independent tasks run: the engines, and the map that keeps each finished piece on disk.

inline.py    one after the other, in this process
kept_map.py  AnalysisContext.map on an engine
"""
