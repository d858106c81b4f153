"""Many runs of the notebooks: a grid written in YAML, each run a papermill execution in a process of its own, on one machine or on a cluster.

`grid` reads the table of runs, `store` keeps what a run left and whether it is finished, `work` is one run on a worker (`process` its own
process), `cluster` where the workers come from, `conduct` hands the runs out and follows them, `report` is what one sees, `growth` measures.
"""
