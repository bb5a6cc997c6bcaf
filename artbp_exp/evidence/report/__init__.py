"""The report: answers, rows and figures, as Markdown and as one HTML file."""
