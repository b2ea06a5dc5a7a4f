"""Words: tokens, vocabularies and topics."""
