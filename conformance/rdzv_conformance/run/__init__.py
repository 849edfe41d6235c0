"""Running the suite without pytest, and its results as data. Nothing here renders a report."""
