"""How fast the engines are, against what people would use instead: ratios measured in one run."""
