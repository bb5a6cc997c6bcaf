"""Penn Treebank in the setting of the authors' logged runs: whose gain is it?"""
