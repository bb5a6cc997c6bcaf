"""The paper's claims against the committed CSVs: a table, figures, a page. No torch here, and no experiment is run."""
