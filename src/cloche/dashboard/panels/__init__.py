"""One file a part of a model's page; each is a function from a document to a panel."""
