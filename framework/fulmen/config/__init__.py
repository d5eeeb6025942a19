"""From YAML, options and environment variables to one parsed config.

command_line.py     takes a command line apart
documents.py        looks at a YAML file before it is parsed
arguments.py        puts a command line into the order in which it is meant
parse_log.py        what was seen during a parse, for its error message
short_names.py      teaches jsonargparse the names of plugins' components
messages.py         shortens what jsonargparse says to one line
suggestions.py      what a user may have meant
one_line_errors.py  makes a parser say just that
places.py           where in a config stands what a component refused
limits.py           numbers that make no sense
nulls.py            nulls where an option takes none
overlay.py          a candidate's values laid over a config
analyzer_option.py  an analyzer as a part of an option's value
parser.py           the parser that uses them all
"""
