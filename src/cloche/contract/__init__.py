"""What a model takes and answers, learnt from the table it was fitted on and enforced at the door."""
