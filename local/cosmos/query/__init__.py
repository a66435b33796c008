"""Answer queries: parse the text, plan over physical partitions, compile, and read rows from documents."""
