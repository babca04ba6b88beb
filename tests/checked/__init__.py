"""Formulas of other people's publications, each written from the publication, and how far what is here is from them."""
