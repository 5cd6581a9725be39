"""The pages and their one style sheet."""
