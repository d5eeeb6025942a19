"""Recordings from files: CSV, Parquet, npz and npy. None of it knows Lightning or fulmen.

csv_file.py, parquet_file.py   a column for each variable, one of them perhaps the time
npz_file.py, npy_file.py       arrays; an npz may hold the truth and the names too
columns.py                     what the first two share: which column is time, are the steps equal
files.py                       any of them, several as trials of the same variables
checks.py                      what a recording must be before anything is computed from it
writing.py                     an npz that npz_file.py reads
"""
