"""The trainer's arithmetic: objective, optimiser, schedule and the step that joins them."""
