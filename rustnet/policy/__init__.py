"""Tables of rules (names, ownership), and the pages that explain them."""
