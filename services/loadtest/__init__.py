"""Load tests that give a verdict, in the order in which data meets the files:

`scenario` says when requests come and what is promised, `arrivals` when each is due, `generator` sends them through
`targets`, `answers` checks what comes back, each becomes a sample (`samples`), `summary` and `confidence` make numbers
of them, `verdict` holds these against the SLO, `document` and `report` write all of it down, `search` looks for the
highest load.
"""
