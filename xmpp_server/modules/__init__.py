"""Extensions: one XEP, one file."""
