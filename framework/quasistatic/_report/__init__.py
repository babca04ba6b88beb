"""What a person sees of a run: the summary, the page, the pictures."""
