"""The twin's operators, by what they are about; `graph.table` lists them all."""
