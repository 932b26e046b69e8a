"""Format values as text that is safe on any terminal; without click and textual."""
