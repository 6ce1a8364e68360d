"""Views and builders over elements: stanzas, data forms, result sets."""
