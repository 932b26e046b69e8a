"""Values as text for people: safe on any terminal; no click, no textual."""
