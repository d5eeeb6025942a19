"""Other people's tests on the same arrays, in one form. None of it knows Lightning or fulmen.

result.py           what every test returns
lagged.py           the regression arrays that they share: trials apart, gaps left out
var_granger.py      conditional Granger causality in a vector autoregression
spike_regression.py what a neuroscientist would do with spikes
slarac.py           subsampled linear autoregressions
tigramite_tests.py  PCMCI with three tests of conditional independence, through tigramite
capped.py           any of them in a process of its own, with a time limit
catalog.py          their names
"""
