"""How fast the inspector's pages are on a large run, and how much memory its server takes.

    python -m benchmarks.inspector --rollouts 1000000

makes a run folder of synthetic records (the same kinds, parts and sizes that a real run writes), starts
`maieutic inspect` on it, and asks for every page. Nothing here is a model or trains one.
"""
