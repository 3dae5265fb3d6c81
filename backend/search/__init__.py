"""Tree search over many games in lock-step, with the evaluator passed in; knows no torch."""
