"""The agency's side: what reads a system's own exports, and what writes the joint view back. One folder per kind."""
