"""Quality: labels joined to answers as they come, metrics with intervals, estimates before labels, concept drift."""
