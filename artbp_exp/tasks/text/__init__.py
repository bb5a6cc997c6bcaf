"""Text, and text-like sequences: corpora, grammars and their evaluation."""
