"""The report: one HTML file that needs nothing beside it, and every figure's numbers as CSV."""
