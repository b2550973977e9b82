"""What a recipe is worth with few labels: step by step on one fold, and the chosen one on all folds."""
