"""Claims about Penn Treebank."""
