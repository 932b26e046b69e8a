"""What every protocol stands on: conversations, dispatch, bounded reading, lines, ASN.1."""
